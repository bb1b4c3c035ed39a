/*-------------------------------------------------------------------------
 *
 * worker/subscription_read.c
 *	  A subscription as the worker sees it: read from the configuration.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/catalog.h"
#include "extension/node.h"
#include "worker/by_id.h"
#include "worker/labels.h"
#include "worker/query.h"
#include "worker/row_types.h"
#include "worker/selection.h"
#include "worker/shape.h"
#include "worker/subscription.h"
#include "worker/subscription_move.h"
#include "worker/subscription_segments.h"
#include "worker/subscription_versions.h"
#include "worker/table.h"
#include "worker/ties.h"

static pg_uuid_t
read_uuid(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row],
									  SPI_tuptable->tupdesc, column, &isnull);

	return *DatumGetUUIDP(value);
}

/* 0: it is null */
static TimestampTz
read_time(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row],
									  SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetTimestampTz(value);
}

/* a text field, copied into the context */
static char *
keep_text(MemoryContext context, uint64 row, int column)
{
	char	   *text = dbsync_query_text(row, column);

	return text ? MemoryContextStrdup(context, text) : NULL;
}

/*
 * A dropped one is in no system catalog any more; ours has its name and who owned it.  False
 * if it is gone, and nobody has told us.
 */
static bool
read_name(DbsyncTable *table, uint64 row, int first)
{
	MemoryContext old;
	bool		found;

	if (table->dropped != 0)
	{
		table->qualified = keep_text(table->context, row, first);
		table->owner = dbsync_query_oid(row, first + 1);
		return true;
	}
	old = MemoryContextSwitchTo(table->context);
	found = dbsync_table_read_name(table);
	MemoryContextSwitchTo(old);
	return found;
}

/*
 * The system's caches may know of a drop that our snapshot does not show: then the configuration
 * has changed, and is read again before it is used.  One that was dropped before capture began
 * is taken out as it is to be installed.
 */
static void
check_gone(const DbsyncTable *table)
{
	const char *id = psprintf("%d", table->captured_id);

	if (dbsync_query_latest("SELECT 1 FROM dbsync.captured_table WHERE id = $1::pg_catalog.int4"
							" AND state NOT IN ('dropped', 'installing')", 1, &id) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("captured table %u does not exist any more", table->relid),
				 errhint("Take it out of its subscriptions with dbsync.remove_table().")));
}

/* columns from "first" on */
static void
read_hold(MemoryContext context, uint64 row, int first, DbsyncTableHold *hold)
{
	hold->noted = keep_text(context, row, first);
	hold->mark = dbsync_query_int(row, first + 1);
	hold->reason = keep_text(context, row, first + 2);
	hold->action = keep_text(context, row, first + 3);
	hold->done = dbsync_query_bool(row, first + 4);
	hold->asked = keep_text(context, row, first + 5);
}

/* in a context of its own, which it takes along when the configuration is read again */
static DbsyncTable *
new_table(DbsyncSubscription *subscription)
{
	MemoryContext context = AllocSetContextCreate(subscription->context, "dbsync table",
												  ALLOCSET_SMALL_SIZES);
	DbsyncTable *table = MemoryContextAllocZero(context, sizeof(DbsyncTable));

	table->context = context;
	table->fresh = true;
	return table;
}

/*
 * Most tables are what they were: two numbers of each tell.  Those that are taken over are
 * the old subscription's until all is read.  Returns the ids of the others, as an array.
 */
static char *
list_tables(DbsyncSubscription *subscription, DbsyncSubscription *old)
{
	StringInfoData others;
	DbsyncTableVersion *versions;
	int			n = dbsync_subscription_versions(subscription->id, &versions);
	int			next = 0;

	initStringInfo(&others);
	for (int i = 0; i < n; i++)
	{
		DbsyncTable *table = old ? dbsync_by_id_next(old->tables, &next, versions[i].captured_id) : NULL;
		MemoryContext caller;

		if (table == NULL ||
			memcmp(table->version, versions[i].writers, sizeof(table->version)) != 0)
		{
			appendStringInfo(&others, "%c%d", others.len == 0 ? '{' : ',', versions[i].captured_id);
			continue;
		}
		caller = MemoryContextSwitchTo(subscription->context);
		subscription->tables = lappend(subscription->tables, table);
		MemoryContextSwitchTo(caller);
	}
	pfree(versions);
	if (others.len == 0)
		return NULL;
	appendStringInfoChar(&others, '}');
	return others.data;
}

static int
compare_tables(const ListCell *a, const ListCell *b)
{
	return ((const DbsyncTable *) lfirst(a))->captured_id - ((const DbsyncTable *) lfirst(b))->captured_id;
}

static void
read_tables(DbsyncSubscription *subscription, DbsyncSubscription *before, const char *id)
{
	List	   *gone = NIL;
	List	   *chosen = NIL;
	List	   *scanned = NIL;
	ListCell   *lc;
	const char *args[2] = {id, list_tables(subscription, before)};
	uint64		n;

	/* fewer may be left */
	subscription->tables_changed = args[1] != NULL || before == NULL ||
		list_length(before->tables) != list_length(subscription->tables);
	if (args[1] == NULL)
		return;
	n = dbsync_query("SELECT st.captured_id, c.relid::pg_catalog.oid,"
					 " c.state IN ('active', 'dropped'), st.uid, st.target_schema, st.target_table,"
					 " st.copy_data, st.existing_rows, st.state, c.discarded, st.start_position,"
					 " st.held, st.held_mark, st.held_for, st.held_action, st.held_done, st.held_asked,"
					 " CASE WHEN st.state = 'copying' THEN st.note END,"
					 " c.dropped::pg_catalog.text::pg_catalog.int8, c.name, c.owner,"
					 " st.operations, st.selection IS NOT NULL, st.xmin, c.xmin, st.indexes_due,"
					 " CASE WHEN st.state = 'new' THEN st.note END, st.rows_excluded, st.bytes_copied,"
					 " st.capture IS NULL AND c.capture IN ('keys', 'api', 'wal'), st.capture IS NOT DISTINCT FROM 'timestamp',"
					 " c.capture = 'api', st.backlog_at IS NOT NULL AND dbsync_internal.awaits_copy(st, c),"
					 " CASE WHEN st.capture IS NULL AND c.capture = 'shadow' THEN (extract(epoch FROM"
					 " (dbsync_internal.shadow_options(c.capture_options)).scan) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8 END,"
					 " st.capture IS NULL AND c.capture = 'wal' AND c.state <> 'dropped', st.parked_asked,"
					 " CASE WHEN c.capture = 'snapshot' THEN (extract(epoch FROM"
					 " (dbsync_internal.snapshot_options(c.capture_options)).scan) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8 END,"
					 " c.capture = 'snapshot' AND c.capture_options OPERATOR(pg_catalog.@>) '{\"empty\": \"allow\"}'"
					 " FROM pg_catalog.unnest($2::pg_catalog.int4[]) o (id)"
					 " JOIN dbsync.subscription_table st ON st.captured_id = o.id"
					 " JOIN dbsync.captured_table c ON c.id = st.captured_id"
					 " WHERE st.subscription_id = $1::pg_catalog.int4", 2, args);
	for (uint64 row = 0; row < n; row++)
	{
		DbsyncTable *table = new_table(subscription);
		MemoryContext context = table->context;
		MemoryContext old = MemoryContextSwitchTo(subscription->context);

		subscription->tables = lappend(subscription->tables, table);
		MemoryContextSwitchTo(old);

		table->captured_id = dbsync_query_int(row, 1);
		table->relid = dbsync_query_oid(row, 2);
		table->captured = dbsync_query_bool(row, 3);
		table->uid = read_uuid(row, 4);
		table->part.attachment = table->uid;
		table->target_schema = keep_text(context, row, 5);
		table->target_table = keep_text(context, row, 6);
		table->copy_data = dbsync_query_bool(row, 7);
		table->existing_rows = keep_text(context, row, 8);
		table->state = dbsync_table_parse_state(dbsync_query_text(row, 9));
		table->discarded = keep_text(context, row, 10);
		table->start = keep_text(context, row, 11);
		read_hold(context, row, 12, &table->hold);
		table->copied_for = keep_text(context, row, 18);
		table->copied_for_noted = table->copied_for != NULL;
		table->dropped = (uint64) dbsync_query_int(row, 19);
		table->shape = &dbsync_shape_none;
		table->operations = dbsync_selection_operations(dbsync_query_text(row, 22));
		table->version[0] = dbsync_query_oid(row, 24);
		table->version[1] = dbsync_query_oid(row, 25);
		table->indexing.due = dbsync_query_bool(row, 26);
		table->creation_note = keep_text(context, row, 27);
		table->copied.excluded = dbsync_query_int(row, 28);
		table->copied.bytes = dbsync_query_int(row, 29);
		table->keys_only = dbsync_query_bool(row, 30);
		table->recorded = dbsync_query_bool(row, 32);
		table->awaits_copy = dbsync_query_bool(row, 33);
		if (dbsync_query_text(row, 34) != NULL)
		{
			table->shadow = MemoryContextAllocZero(context, sizeof(DbsyncTableClock));
			table->shadow->every = dbsync_query_int(row, 34);
		}
		table->from_wal = dbsync_query_bool(row, 35);
		table->parked_asked = keep_text(context, row, 36);
		if (dbsync_query_text(row, 37) != NULL)
		{
			table->snapshot = MemoryContextAllocZero(context, sizeof(DbsyncTableSnapshot));
			table->snapshot->clock.every = dbsync_query_int(row, 37);
			table->snapshot->allow_empty = dbsync_query_bool(row, 38);
		}
		if (dbsync_query_bool(row, 23))
			chosen = lappend(chosen, table);
		if (dbsync_query_bool(row, 31))
			scanned = lappend(scanned, table);
		if (!read_name(table, row, 20))
			gone = lappend(gone, table);
	}
	list_sort(subscription->tables, compare_tables);
	foreach(lc, gone)
		check_gone(lfirst(lc));
	foreach(lc, chosen)
	{
		DbsyncTable *table = lfirst(lc);

		table->selection = dbsync_selection_read(table->context, id, table->captured_id, subscription->owner);
	}
	foreach(lc, scanned)
	{
		DbsyncTable *table = lfirst(lc);

		table->scan = dbsync_table_scan_read(table->context, id, table->captured_id);
	}
}

/* What batches ask of all tables, which may be ten thousand. */
static void
note_kinds(DbsyncSubscription *subscription)
{
	ListCell   *lc;

	foreach(lc, subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		subscription->any_scanned |= table->scan != NULL;
		subscription->any_compared |= table->shadow != NULL;
		subscription->any_snapshot |= table->snapshot != NULL;
		subscription->any_keys_only |= table->keys_only;
		subscription->any_from_wal |= table->from_wal;
		subscription->any_asked |= table->parked_asked != NULL;
		subscription->any_keys_kept |= table->keys_only && dbsync_table_keeps_rows(table);
	}
}

static DbsyncDdl
read_ddl(const char *policy)
{
	if (strcmp(policy, "apply") == 0)
		return DBSYNC_DDL_APPLY;
	return strcmp(policy, "ignore") == 0 ? DBSYNC_DDL_IGNORE : DBSYNC_DDL_WAIT;
}

static bool
read_subscription(DbsyncSubscription *subscription, const char *id)
{
	if (dbsync_query("SELECT s.uid, s.name, s.target, dbsync_internal.owner_of(s.id)::pg_catalog.oid,"
					 " s.enabled, s.position, n.headers_discarded, s.forward, dbsync_internal.anchor_of(s.id), s.ddl,"
					 " s.left_at, s.on_partition_drop, s.create_missing, s.policy, s.time_zone, s.last_run, s.begins_anew,"
					 " EXISTS (SELECT FROM dbsync.subscription l WHERE l.backlog_limit IS NOT NULL)"
					 " OR EXISTS (SELECT FROM dbsync.captured_table c WHERE c.reduced),"
					 " EXISTS (SELECT FROM dbsync.captured_table c WHERE c.capture = 'wal'), s.chain, s.verify_policy, s.last_verify,"
					 " s.on_error = 'quarantine', EXISTS (SELECT FROM dbsync.subscription_table a"
					 "  JOIN dbsync_internal.parked_row p ON p.attachment = a.uid"
					 "  WHERE a.subscription_id = s.id)"
					 " FROM dbsync.subscription s, dbsync.node n"
					 " WHERE s.id = $1::pg_catalog.int4", 1, &id) != 1)
		return false;
	subscription->uid = read_uuid(0, 1);
	subscription->name = keep_text(subscription->context, 0, 2);
	subscription->target = keep_text(subscription->context, 0, 3);
	subscription->owner = dbsync_query_oid(0, 4);
	subscription->enabled = dbsync_query_bool(0, 5);
	subscription->position = keep_text(subscription->context, 0, 6);
	subscription->headers_discarded = keep_text(subscription->context, 0, 7);
	subscription->local_only = strcmp(dbsync_query_text(0, 8), "local") == 0;
	subscription->ddl = read_ddl(dbsync_query_text(0, 10));
	subscription->left_at = keep_text(subscription->context, 0, 11);
	subscription->deletes_left = strcmp(dbsync_query_text(0, 12), "delete") == 0;
	subscription->create_missing = dbsync_query_bool(0, 13);
	subscription->policy = keep_text(subscription->context, 0, 14);
	subscription->time_zone = keep_text(subscription->context, 0, 15);
	subscription->last_run = read_time(0, 16);
	subscription->begins_anew = dbsync_query_bool(0, 17);
	subscription->any_limit = dbsync_query_bool(0, 18);
	subscription->any_wal_kept = dbsync_query_bool(0, 19);
	subscription->chain = dbsync_query_int(0, 20);
	subscription->verify_policy = keep_text(subscription->context, 0, 21);
	subscription->last_verify = read_time(0, 22);
	subscription->quarantines = dbsync_query_bool(0, 23);
	subscription->any_parked = dbsync_query_bool(0, 24);
	subscription->anchor_hash =
		GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(dbsync_query_oid(0, 9)));
	return true;
}

/* All is read: what was the old one's is ours from here on, and nothing can go wrong. */
static void
take_over(DbsyncSubscription *subscription, DbsyncSubscription *old)
{
	bool		same = old != NULL && subscription->segments_context == old->segments_context;

	if (same)
		MemoryContextSetParent(subscription->segments_context, subscription->context);
	else
	{
		dbsync_shapes_take(subscription->segments_context, subscription->shapes);
		dbsync_subscription_take_shapes(subscription);
	}
	if (old == NULL)
		return;
	dbsync_ties_take_over(subscription, old);
	dbsync_subscription_move_work(subscription, old);
}

DbsyncSubscription *
dbsync_subscription_read(MemoryContext parent, int id, DbsyncSubscription *old)
{
	/* below the transaction's until all is read: an error must not leave it */
	MemoryContext context = AllocSetContextCreate(TopTransactionContext,
												  "dbsync subscription",
												  ALLOCSET_DEFAULT_SIZES);
	DbsyncSubscription *subscription;
	char		idtext[16];
	bool		found;

	subscription = MemoryContextAllocZero(context, sizeof(DbsyncSubscription));
	subscription->context = context;
	subscription->id = id;
	/* before reading, so that a change in between is seen next time */
	subscription->generation = dbsync_catalog_generation();
	subscription->segments_generation = dbsync_catalog_generation_of(DBSYNC_WATCHED_SEGMENT);
	snprintf(idtext, sizeof(idtext), "%d", id);

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	found = read_subscription(subscription, idtext);
	if (found)
	{
		/* selections are read as their owner */
		read_tables(subscription, old != NULL && old->owner == subscription->owner ? old : NULL, idtext);
		note_kinds(subscription);
		dbsync_subscription_read_segments(subscription, old, idtext);
		subscription->labels = dbsync_labels_renamed(context);
		subscription->row_types = dbsync_row_types_changed(context);
		subscription->adopted = dbsync_node_is_adopted();
	}
	PopActiveSnapshot();
	SPI_finish();

	if (found)
		take_over(subscription, old);
	if (old != NULL)
		MemoryContextDelete(old->context);
	if (!found)
		return NULL;
	MemoryContextSetParent(context, parent);
	return subscription;
}

void
dbsync_subscription_reread_discarded(DbsyncSubscription *subscription)
{
	uint64		n;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	n = dbsync_query("SELECT 0, n.headers_discarded FROM dbsync.node n"
					 " UNION ALL SELECT c.id, c.discarded FROM dbsync.captured_table c", 0, NULL);
	for (uint64 row = 0; row < n; row++)
	{
		int			id = dbsync_query_int4(row, 1);
		DbsyncTable *table = dbsync_subscription_table(subscription, id);

		if (id == 0)
			subscription->headers_discarded = keep_text(subscription->context, row, 2);
		if (table != NULL)
			table->discarded = keep_text(table->context, row, 2);
	}
	PopActiveSnapshot();
	SPI_finish();
}
