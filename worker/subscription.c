/*-------------------------------------------------------------------------
 *
 * worker/subscription.c
 *	  A subscription as the worker sees it: its tables and segments, and what is noted of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "worker/by_id.h"
#include "worker/query.h"
#include "worker/subscription.h"
#include "worker/table.h"

DbsyncTable *
dbsync_subscription_table(DbsyncSubscription *subscription, int captured_id)
{
	StaticAssertStmt(offsetof(DbsyncTable, captured_id) == 0, "found by its first field");
	return dbsync_by_id_find(subscription->tables, captured_id);
}

DbsyncSegmentInfo *
dbsync_subscription_segment(DbsyncSubscription *subscription, int segment_id)
{
	StaticAssertStmt(offsetof(DbsyncSegmentInfo, id) == 0, "found by its first field");
	return dbsync_by_id_find(subscription->segments, segment_id);
}

void
dbsync_subscription_forget(DbsyncSubscription *subscription)
{
	subscription->generation = subscription->segments_generation = PG_UINT64_MAX;
}

bool
dbsync_subscription_is_settled(DbsyncSubscription *subscription)
{
	ListCell   *lc;

	if (subscription->settled)
		return true;
	foreach(lc, subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		if (table->scan != NULL || table->snapshot != NULL || table->shadow != NULL || table->awaits_copy || table->part_dirty || table->note_due ||
			table->dropped != 0 || table->indexing.due ||
			(table->state != DBSYNC_TABLE_SUSPENDED &&
			 (!(table->captured && table->part.live) || dbsync_table_is_held(table) ||
			  table->hold.noted != NULL)))
			return false;
	}
	subscription->settled = true;
	return true;
}

/* Why a table is copied anew, until it is live again.  Who reads the configuration is told. */
static void
write_reason(DbsyncTable *table, const char *uid, bool live)
{
	const char *args[2] = {live ? NULL : psprintf("copied anew: %s", table->copied_for), uid};

	if (table->copied_for_noted != live)
		return;
	dbsync_query_run("UPDATE dbsync.subscription_table SET note = $1"
					 " WHERE uid = $2::pg_catalog.uuid AND state <> 'suspended'", 2, args);
	/* its target was emptied */
	if (!live)
		dbsync_query_run("DELETE FROM dbsync.kept_partition k USING dbsync.subscription_table a"
						 " WHERE a.uid = $1::pg_catalog.uuid AND a.existing_rows IS DISTINCT FROM 'keep'"
						 " AND k.subscription_id = a.subscription_id AND k.captured_id = a.captured_id", 1, &uid);
	table->copied_for_noted = !live;
	if (live)
		table->copied_for = NULL;
}

void
dbsync_subscription_write_table(DbsyncSubscription *subscription,
								DbsyncTable *table, DbsyncTableState state)
{
	const char *args[7];

	args[0] = dbsync_table_state_name(state);
	args[1] = psprintf(INT64_FORMAT, table->part.rows);
	args[2] = psprintf("%d", subscription->id);
	args[3] = psprintf("%d", table->captured_id);
	args[4] = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
	args[5] = psprintf(INT64_FORMAT, Min(table->copied.excluded, table->part.rows));
	args[6] = psprintf(INT64_FORMAT, table->copied.bytes);
	/* of very many small tables this is what there is to be planned */
	if (state == DBSYNC_TABLE_LIVE || state == DBSYNC_TABLE_INDEXING)
		dbsync_query_run("UPDATE dbsync.subscription_table SET state = $1,"
						 " rows_copied = $2::pg_catalog.int8, rows_excluded = $6::pg_catalog.int8,"
						 " bytes_copied = $7::pg_catalog.int8, rows_expected = $2::pg_catalog.int8"
						 " WHERE subscription_id = $3::pg_catalog.int4"
						 " AND captured_id = $4::pg_catalog.int4"
						 " AND uid = $5::pg_catalog.uuid AND state <> 'suspended'", 7, args);
	else
		dbsync_query_run("UPDATE dbsync.subscription_table SET state = $1,"
						 " rows_copied = $2::pg_catalog.int8, rows_excluded = $6::pg_catalog.int8, bytes_copied = $7::pg_catalog.int8,"
						 " rows_expected = (SELECT greatest(pg_catalog.sum(r.reltuples), $2::pg_catalog.float8)::pg_catalog.int8"
						 "        FROM (SELECT c.relid::pg_catalog.oid FROM dbsync.captured_table c WHERE c.id = $4::pg_catalog.int4"
						 "              UNION ALL SELECT p.relid FROM dbsync.partition p"
						 "               WHERE p.captured_id = $4::pg_catalog.int4 AND p.leaf) t (relid)"
						 "        JOIN pg_catalog.pg_class r ON r.oid = t.relid"
						 "        WHERE r.reltuples >= 0)"
						 " WHERE subscription_id = $3::pg_catalog.int4"
						 " AND captured_id = $4::pg_catalog.int4"
						 " AND uid = $5::pg_catalog.uuid AND state <> 'suspended'", 7, args);
	if (table->copied_for != NULL)
		write_reason(table, args[4], state == DBSYNC_TABLE_LIVE || state == DBSYNC_TABLE_INDEXING);
	table->state = state;
}

void
dbsync_subscription_suspend(DbsyncSubscription *subscription, DbsyncTable *table,
							const char *note)
{
	const char *args[2];

	args[0] = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
	args[1] = note;
	dbsync_query_run("SELECT dbsync_internal.suspend_attachment($1::pg_catalog.uuid, $2)", 2, args);
	table->state = DBSYNC_TABLE_SUSPENDED;
	subscription->settled = false;
}

void
dbsync_subscription_write_position(DbsyncSubscription *subscription, const char *position)
{
	const char *args[3];

	args[0] = position;
	args[1] = psprintf("%d", subscription->id);
	args[2] = psprintf(INT64_FORMAT, subscription->chain);
	/* somebody may have found meanwhile that it begins anew: then headers behind this one may be gone */
	dbsync_query_run("UPDATE dbsync.subscription SET position = $1::pg_catalog.pg_snapshot"
					 " WHERE id = $2::pg_catalog.int4 AND NOT begins_anew AND coalesce(chain, 0) = $3::pg_catalog.int8", 3, args);
}

void
dbsync_subscription_write_chain(DbsyncSubscription *subscription, int64 chain)
{
	const char *args[2];

	args[0] = psprintf(INT64_FORMAT, chain);
	args[1] = psprintf("%d", subscription->id);
	/* somebody may have asked for another one meanwhile: of a lower number it is this one, of which nothing has been sent */
	dbsync_query_run("UPDATE dbsync.subscription SET chain = $1::pg_catalog.int8"
					 " WHERE id = $2::pg_catalog.int4 AND coalesce(chain, 0) < $1::pg_catalog.int8", 2, args);
	subscription->chain = chain;
}

void
dbsync_subscription_begin_anew(DbsyncSubscription *subscription, const char *position)
{
	const char *args[2];

	args[0] = position;
	args[1] = psprintf("%d", subscription->id);
	dbsync_query_run("UPDATE dbsync.subscription SET position = $1::pg_catalog.pg_snapshot, begins_anew = false"
					 " WHERE id = $2::pg_catalog.int4", 2, args);
}

void
dbsync_subscription_write_last_run(DbsyncSubscription *subscription, TimestampTz begun)
{
	const char *args[2];

	args[0] = DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(begun)));
	args[1] = psprintf("%d", subscription->id);
	dbsync_query_run("UPDATE dbsync.subscription SET last_run = $1::pg_catalog.timestamptz"
					 " WHERE id = $2::pg_catalog.int4", 2, args);
}

void
dbsync_subscription_write_last_verify(DbsyncSubscription *subscription, TimestampTz begun)
{
	const char *args[2];

	args[0] = DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(begun)));
	args[1] = psprintf("%d", subscription->id);
	dbsync_query_run("UPDATE dbsync.subscription SET last_verify = $1::pg_catalog.timestamptz"
					 " WHERE id = $2::pg_catalog.int4", 2, args);
	subscription->last_verify = begun;
}
