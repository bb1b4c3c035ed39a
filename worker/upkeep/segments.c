/*-------------------------------------------------------------------------
 *
 * worker/upkeep/segments.c
 *	  What is done to segments: closed, sealed, confirmed, emptied.
 *
 * Each step is in transactions of its own, and finds by itself what those before it have
 * left: dbsync_retention_run() says what they are for.
 *
 * Segments are not emptied in the order of their seals: one that was closed first
 * may have had a writer in it for long.  So what is noted as discarded is what any
 * of them saw, and never gets less: a target that lacks something of it has a gap,
 * and is refused.  A stored position, on the other hand, says what the target has
 * and so goes back with it: before a worker goes on with a target that was put back,
 * the position is, too, or what the target lacks now would be emptied under way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "extension/catalog.h"
#include "extension/settings.h"
#include "worker/batch/batch.h"
#include "worker/batch/confirm.h"
#include "worker/batch/held_note.h"
#include "worker/query.h"
#include "worker/snapshot.h"
#include "worker/subscription.h"
#include "worker/upkeep/segments.h"
#include "worker/work.h"

bool
dbsync_segments_begin_exclusively(const char *activity)
{
	dbsync_query_begin(false, activity);
	if (ConditionalLockRelationOid(dbsync_catalog_relation("segment"),
								   DBSYNC_SEGMENTS_LOCK))
		return true;
	dbsync_query_commit();
	return false;
}

bool
dbsync_segments_lock_captured(int captured_id)
{
	const char *id = psprintf("%d", captured_id);
	bool		locked;

	if (captured_id == 0)
		return true;
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	locked = dbsync_query("SELECT 1 FROM dbsync.captured_table WHERE id = $1::pg_catalog.int4"
						  " FOR UPDATE SKIP LOCKED", 1, &id) == 1;
	PopActiveSnapshot();
	SPI_finish();
	return locked;
}

/* Tables (0: headers) whose segments are to be looked at, as an array; NULL: all. */
static const char *
list_grown(const DbsyncWork *work)
{
	StringInfoData list;
	int			id = -1;

	if (work->any_grown)
		return NULL;
	initStringInfo(&list);
	appendStringInfoString(&list, "{0");
	while ((id = bms_next_member(work->grown, id)) >= 0)
		appendStringInfo(&list, ",%d", id);
	appendStringInfoChar(&list, '}');
	return list.data;
}

/* Those have been looked at, and none is full any more. */
static void
forget_grown(DbsyncWork *work)
{
	bms_free(work->grown);
	work->grown = NULL;
	work->any_grown = false;
}

/*
 * Tables (0: headers) of this subscription whose active segment is full.  The file of each is
 * asked for its size, so of very many those are left out of which nothing was captured.
 */
static List *
full_segments(DbsyncWork *work)
{
	List	   *result = NIL;
	MemoryContext caller = CurrentMemoryContext;
	const char *args[3];
	uint64		n;

	args[0] = psprintf("%d", work->subscription_id);
	args[1] = psprintf(INT64_FORMAT, (int64) dbsync_segment_size * 1024);
	args[2] = list_grown(work);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	/* of those that are stopped nobody else closes any, and their backlog may have a limit */
	n = dbsync_query("SELECT s.captured_id FROM dbsync.segment s WHERE s.active"
					 " AND ($3 IS NULL OR s.captured_id = ANY ($3::pg_catalog.int4[]))"
					 " AND pg_catalog.pg_table_size(s.relid) >= $2::pg_catalog.int8"
					 " AND (s.captured_id = 0 OR s.captured_id IN"
					 "  (SELECT t.captured_id FROM dbsync.subscription_table t"
					 "   WHERE t.subscription_id = $1::pg_catalog.int4 OR ($3 IS NULL AND t.subscription_id IN"
					 "    (SELECT l.id FROM dbsync.subscription l WHERE l.backlog_limit IS NOT NULL))))", 3, args);
	for (uint64 row = 0; row < n; row++)
	{
		int			id = dbsync_query_int(row, 1);
		MemoryContext old = MemoryContextSwitchTo(caller);

		result = lappend_int(result, id);
		MemoryContextSwitchTo(old);
	}
	PopActiveSnapshot();
	SPI_finish();
	return result;
}

static void
rotate(int captured_id)
{
	const char *id = psprintf("%d", captured_id);

	dbsync_query_run("SELECT dbsync_internal.rotate_segment($1::pg_catalog.int4)", 1, &id);
}

void
dbsync_segments_rotate_full(DbsyncWork *work)
{
	bool		nothing;
	bool		all = true;
	ListCell   *lc;

	/* most often there is nothing to do, and others need not keep out for that */
	dbsync_query_begin(false, "looking for full segments");
	nothing = full_segments(work) == NIL;
	dbsync_query_commit();
	if (nothing)
	{
		forget_grown(work);
		return;
	}
	if (!dbsync_segments_begin_exclusively("closing full segments"))
	{
		work->retention_needed = true;
		return;
	}
	foreach(lc, full_segments(work))
	{
		if (dbsync_segments_lock_captured(lfirst_int(lc)))
			rotate(lfirst_int(lc));
		else
			all = false;
	}
	dbsync_query_commit();
	if (all)
		forget_grown(work);
	else
		work->retention_needed = true;
}

List *
dbsync_segments_read_closed(const char *sql)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *result = NIL;
	uint64		n;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	n = dbsync_query(sql, 0, NULL);
	for (uint64 row = 0; row < n; row++)
	{
		char	   *sealed = dbsync_query_text(row, 4);
		MemoryContext old = MemoryContextSwitchTo(caller);
		DbsyncClosed *closed = palloc0(sizeof(DbsyncClosed));

		closed->id = dbsync_query_int(row, 1);
		closed->captured_id = dbsync_query_int(row, 2);
		closed->relid = dbsync_query_oid(row, 3);
		closed->sealed = sealed ? dbsync_snapshot_parse(sealed) : NULL;
		result = lappend(result, closed);
		MemoryContextSwitchTo(old);
	}
	PopActiveSnapshot();
	SPI_finish();
	return result;
}

static List *
closed_segments(void)
{
	return dbsync_segments_read_closed("SELECT s.id, s.captured_id, s.relid, s.sealed FROM dbsync.segment s"
									   " WHERE NOT s.active AND pg_catalog.pg_relation_size(s.relid) > 0"
									   " ORDER BY s.id");
}

List *
dbsync_segments_seal(DbsyncWork *work)
{
	List	   *closed;
	List	   *sealed = NIL;
	List	   *fresh = NIL;
	DbsyncSnapshot *snapshot;
	MemoryContext caller = CurrentMemoryContext;
	bool		nothing;
	ListCell   *lc;

	dbsync_query_begin(false, "looking for closed segments");
	nothing = closed_segments() == NIL;
	dbsync_query_commit();
	MemoryContextSwitchTo(caller);
	if (nothing)
		return NIL;
	/* until all of them are empty, by whomever */
	work->retention_needed = true;
	if (!dbsync_segments_begin_exclusively("sealing closed segments"))
		return NIL;
	MemoryContextSwitchTo(caller);
	closed = closed_segments();
	foreach(lc, closed)
	{
		DbsyncClosed *segment = lfirst(lc);

		if (segment->sealed != NULL)
			sealed = lappend(sealed, segment);
		else if (ConditionalLockRelationOid(segment->relid, ShareLock))
			fresh = lappend(fresh, segment);
	}
	if (fresh != NIL)
	{
		/* before anything is written, or a row is locked: our own id must not be in it */
		PushActiveSnapshot(GetLatestSnapshot());
		snapshot = dbsync_snapshot_from(GetActiveSnapshot());
		PopActiveSnapshot();
		foreach(lc, fresh)
		{
			DbsyncClosed *segment = lfirst(lc);
			const char *args[2];

			if (!dbsync_segments_lock_captured(segment->captured_id))
				continue;
			segment->sealed = snapshot;
			args[0] = dbsync_snapshot_text(snapshot);
			args[1] = psprintf("%d", segment->id);
			dbsync_query_run("UPDATE dbsync.segment SET sealed = $1::pg_catalog.pg_snapshot"
							 " WHERE id = $2::pg_catalog.int4", 2, args);
			sealed = lappend(sealed, segment);
		}
	}
	dbsync_query_commit();
	MemoryContextSwitchTo(caller);
	return sealed;
}

void
dbsync_segments_confirm(DbsyncWork *work, List *sealed)
{
	DbsyncSnapshot *stored;
	const DbsyncSnapshot *reached = work->position.after;
	char	   *text;
	bool		useful = false;
	ListCell   *lc;

	if (work->target == NULL || work->subscription->position == NULL || work->subscription->begins_anew)
		return;
	stored = dbsync_snapshot_parse(work->subscription->position);
	foreach(lc, sealed)
	{
		DbsyncClosed *segment = lfirst(lc);

		if (!dbsync_snapshot_covers(stored, segment->sealed) &&
			dbsync_snapshot_covers(reached, segment->sealed))
			useful = true;
	}
	/* what held tables lack is to be known before anybody empties up to a later position */
	if (!useful || !dbsync_held_note(work))
		return;
	/*
	 * Windows that had nothing for this target have moved our position but not
	 * the ledger's, which must not be found behind what was emptied.
	 */
	dbsync_batch_write_position(work);
	dbsync_confirm(work);
	text = dbsync_snapshot_text(reached);
	dbsync_query_begin(false, "storing the position");
	dbsync_subscription_write_position(work->subscription, text);
	dbsync_query_commit();
	work->subscription->position = MemoryContextStrdup(work->subscription->context, text);
}

bool
dbsync_segments_passed_by_all(const DbsyncClosed *segment)
{
	const char *id = psprintf("%d", segment->captured_id);
	MemoryContext caller = CurrentMemoryContext;
	bool		passed = true;
	uint64		n;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	n = dbsync_query("SELECT s.position FROM dbsync.subscription s WHERE s.position IS NOT NULL AND NOT s.begins_anew"
					 " AND ($1::pg_catalog.int4 = 0 OR EXISTS"
					 "  (SELECT FROM dbsync.subscription_table t WHERE t.subscription_id = s.id"
					 "   AND t.captured_id = $1::pg_catalog.int4 AND t.state <> 'suspended'))"
					 /* one that has not reached its target yet, and shall lack nothing from then on */
					 " UNION ALL SELECT t.start_position FROM dbsync.subscription_table t"
					 " JOIN dbsync.subscription s ON s.id = t.subscription_id"
					 " WHERE (s.position IS NULL OR s.begins_anew) AND t.start_position IS NOT NULL AND t.state <> 'suspended'"
					 " AND $1::pg_catalog.int4 IN (0, t.captured_id)"
					 /* held tables are further back than their subscriptions */
					 " UNION ALL SELECT t.held FROM dbsync.subscription_table t"
					 " WHERE t.held IS NOT NULL AND t.state <> 'suspended'"
					 " AND $1::pg_catalog.int4 IN (0, t.captured_id)",
					 1, &id);
	for (uint64 row = 0; row < n && passed; row++)
		passed = dbsync_snapshot_covers(dbsync_snapshot_parse(dbsync_query_text(row, 1)),
										segment->sealed);
	PopActiveSnapshot();
	SPI_finish();
	MemoryContextSwitchTo(caller);
	return passed;
}

void
dbsync_segments_note_discarded(const DbsyncClosed *segment)
{
	const char *id = psprintf("%d", segment->captured_id);
	const char *table = segment->captured_id == 0 ? "dbsync.node" : "dbsync.captured_table";
	const char *column = segment->captured_id == 0 ? "headers_discarded" : "discarded";
	const char *where = segment->captured_id == 0 ? "$1::pg_catalog.int4 IS NOT NULL" : "id = $1::pg_catalog.int4";
	const DbsyncSnapshot *noted = segment->sealed;
	const char *args[2];
	char	   *before;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (dbsync_query(psprintf("SELECT %s FROM %s WHERE %s", column, table, where), 1, &id) == 1 &&
		(before = dbsync_query_text(0, 1)) != NULL)
		noted = dbsync_snapshot_union(noted, dbsync_snapshot_parse(before));
	args[0] = id;
	args[1] = dbsync_snapshot_text(noted);
	dbsync_query(psprintf("UPDATE %s SET %s = $2::pg_catalog.pg_snapshot WHERE %s", table, column, where),
				 2, args);
	/* the others go with the shape that they led to */
	if (segment->captured_id == 0)
		dbsync_query("DELETE FROM dbsync.turn t WHERE t.kind IN ('emptied', 'left')"
					 " AND pg_catalog.pg_visible_in_snapshot(t.xid, $1::pg_catalog.pg_snapshot)", 1, &args[1]);
	PopActiveSnapshot();
	SPI_finish();
}

static void
truncate_segment(const DbsyncClosed *segment)
{
	dbsync_query_run(psprintf("TRUNCATE ONLY %s",
							  quote_qualified_identifier("dbsync_internal",
														 get_rel_name(segment->relid))),
					 0, NULL);
	dbsync_segments_note_discarded(segment);
}

void
dbsync_segments_empty(List *sealed)
{
	MemoryContext caller = CurrentMemoryContext;
	ListCell   *lc;

	foreach(lc, sealed)
	{
		DbsyncClosed *segment = lfirst(lc);

		if (!dbsync_segments_begin_exclusively("emptying segments"))
			return;
		MemoryContextSwitchTo(caller);

		/*
		 * Under the lock that excludes other workers the segment can have been
		 * emptied and taken into use again since we looked.
		 */
		if (dbsync_segments_passed_by_all(segment) &&
			dbsync_segments_lock_captured(segment->captured_id) &&
			ConditionalLockRelationOid(segment->relid, AccessExclusiveLock))
		{
			bool		same = false;
			ListCell   *l;

			foreach(l, closed_segments())
			{
				DbsyncClosed *now = lfirst(l);

				same |= now->id == segment->id && now->sealed != NULL &&
					strcmp(dbsync_snapshot_text(now->sealed),
						   dbsync_snapshot_text(segment->sealed)) == 0;
			}
			if (same)
				truncate_segment(segment);
		}
		dbsync_query_commit();
		MemoryContextSwitchTo(caller);
	}
}
