/*-------------------------------------------------------------------------
 *
 * worker/uncopied.c
 *	  Tables without a first copy: from when on their changes are sent.
 *
 * Nothing brings later what is passed over now, so such a table does not begin to
 * flow when a batch gets to it, but from a moment that is written down here, in its
 * start position, as soon as it is captured.  The target need not be reached for that.
 *
 * Segments are kept for it from that moment on (dbsync_retention_run()), a subscription's first
 * position is the earliest of them, and a window ends at each: with the batch that
 * reaches it the table becomes live.  The target's table is looked up with it; if that is refused the table
 * becomes live all the same, and is held there.
 *
 * Start positions are snapshots that this subscription's workers take one after the
 * other, as the windows' ends are.  Each covers all that were taken before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "extension/catalog.h"
#include "worker/query.h"
#include "worker/snapshot.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/uncopied.h"
#include "worker/work.h"

/* Is it to begin without a copy, and has not yet? */
static bool
is_pending(const DbsyncTable *table)
{
	return !table->copy_data && table->state != DBSYNC_TABLE_SUSPENDED && !table->part.live;
}

static bool
lacks_start(const DbsyncTable *table)
{
	return is_pending(table) && table->captured && table->dropped == 0 && table->start == NULL;
}

static void
write_start(DbsyncSubscription *subscription, DbsyncTable *table, const char *start)
{
	const char *args[3];

	args[0] = start;
	args[1] = psprintf("%d", subscription->id);
	args[2] = psprintf("%d", table->captured_id);
	dbsync_query_run("UPDATE dbsync.subscription_table SET start_position = $1::pg_catalog.pg_snapshot"
					 " WHERE subscription_id = $2::pg_catalog.int4"
					 " AND captured_id = $3::pg_catalog.int4 AND NOT copy_data", 3, args);
}

/* One snapshot for all that lack one. */
static void
take_start(void *arg)
{
	DbsyncSubscription *subscription = arg;
	char	   *start;
	ListCell   *lc;

	/* keeps those out who empty segments, until they can see what we need */
	dbsync_query_begin(false, "taking the start position of a table");
	LockRelationOid(dbsync_catalog_relation("segment"), DBSYNC_SEGMENTS_LOCK);
	PushActiveSnapshot(GetLatestSnapshot());
	start = MemoryContextStrdup(subscription->context,
								dbsync_snapshot_text(dbsync_snapshot_from(GetActiveSnapshot())));
	PopActiveSnapshot();
	foreach(lc, subscription->tables)
	{
		if (lacks_start(lfirst(lc)))
			write_start(subscription, lfirst(lc), start);
	}
	dbsync_query_commit();
	foreach(lc, subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (lacks_start(table))
			table->start = MemoryContextStrdup(table->context, start);
	}
}

void
dbsync_uncopied_begin(DbsyncWork *work)
{
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return;
	foreach(lc, work->subscription->tables)
	{
		if (!lacks_start(lfirst(lc)))
			continue;
		/* somebody may hold a row of ours, or the lock: once more with the next round */
		(void) dbsync_query_attempt(take_start, work->subscription);
		return;
	}
}

/* From the catalog itself: what was read before may have been removed since, and emptied. */
DbsyncSnapshot *
dbsync_uncopied_earliest(int subscription_id)
{
	MemoryContext caller = CurrentMemoryContext;
	DbsyncSnapshot *earliest = NULL;
	const char *id = psprintf("%d", subscription_id);
	uint64		n;

	SPI_connect();
	n = dbsync_query("SELECT start_position FROM dbsync.subscription_table"
					 " WHERE subscription_id = $1::pg_catalog.int4"
					 " AND NOT copy_data AND state <> 'suspended' AND start_position IS NOT NULL", 1, &id);
	for (uint64 row = 0; row < n; row++)
	{
		DbsyncSnapshot *start = dbsync_snapshot_parse(dbsync_query_text(row, 1));
		MemoryContext old = MemoryContextSwitchTo(caller);

		if (earliest == NULL || dbsync_snapshot_covers(earliest, start))
			earliest = dbsync_snapshot_copy(start);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return earliest;
}

DbsyncTable *
dbsync_uncopied_next(DbsyncWork *work, DbsyncSnapshot **start)
{
	DbsyncTable *next = NULL;
	ListCell   *lc;

	*start = NULL;
	if (dbsync_subscription_is_settled(work->subscription))
		return NULL;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);
		DbsyncSnapshot *its;

		if (!is_pending(table) || table->start == NULL)
			continue;
		its = dbsync_snapshot_parse(table->start);
		if (next == NULL || !dbsync_snapshot_covers(its, *start))
		{
			next = table;
			*start = its;
		}
	}
	if (next != NULL &&
		!dbsync_snapshot_covers(*start, work->position.upto ? work->position.upto : work->position.after))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("target \"%s\" is beyond the start of table %s",
						work->subscription->target, next->qualified),
				 errdetail("Changes between the two have been passed over, and there is no copy that would bring them."),
				 errhint("Copy the table with dbsync.copy_table(), or remove it and add it again.")));
	return next;
}
