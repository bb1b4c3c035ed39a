/*-------------------------------------------------------------------------
 *
 * worker/batch/retry.c
 *	  Parked keys that somebody wants to be tried again, or passed over: when it can be done.
 *
 * Rows are looked up as of S, so they go with the batch that reaches S, behind all that was captured, as chunks of first
 * copies do.  What is held comes to it when it is let go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/batch/held.h"
#include "worker/batch/retry.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target_table.h"

/* before a table that somebody has locked is tried again, in ms */
#define LOCKED_PAUSE	1000

/* Has somebody asked for something that the next batches can do? */
static bool
is_asked(const DbsyncTable *table)
{
	return table->parked_asked != NULL && dbsync_table_flows(table) && !dbsync_table_is_held(table) &&
		table->dropped == 0 && table->state != DBSYNC_TABLE_SUSPENDED;
}

List *
dbsync_retry_lock(DbsyncWork *work)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *tables = NIL;
	ListCell   *lc;

	if (!work->subscription->any_asked)
		return NIL;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (!is_asked(table) || table->parked_after > now)
			continue;
		dbsync_completion_lock(table);
		if (table->lock == DBSYNC_LOCK_HELD)
			tables = lappend(tables, table);
		else
			table->parked_after = TimestampTzPlusMilliseconds(now, LOCKED_PAUSE);
	}
	return tables;
}

void
dbsync_retry_unlock(List *tables)
{
	ListCell   *lc;

	/* another batch may ask again whether it is locked */
	foreach(lc, tables)
		((DbsyncTable *) lfirst(lc))->lock = DBSYNC_LOCK_NOT_WANTED;
}

void
dbsync_retry_open(DbsyncWork *work, List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		DbsyncTable *table = lfirst(lc);

		dbsync_held_ask(work, table);
		/* the cause may have been mended by another type of a column, of which nobody has told */
		table->handle = NULL;
		dbsync_target_table_open(work, table, table->shape);
		dbsync_held_answered(work);
	}
}

void
dbsync_retry_done(DbsyncWork *work, List *tables)
{
	MemoryContext old = MemoryContextSwitchTo(work->target_context);
	ListCell   *lc;

	foreach(lc, tables)
	{
		DbsyncTable *table = lfirst(lc);
		DbsyncParkedAnswer *answer = palloc(sizeof(DbsyncParkedAnswer));

		answer->attachment = table->uid;
		answer->asked = pstrdup(table->parked_asked);
		work->parked_done = lappend(work->parked_done, answer);
		table->parked_asked = NULL;
	}
	MemoryContextSwitchTo(old);
	work->subscription->any_asked = false;
	foreach(lc, work->subscription->tables)
		work->subscription->any_asked |= ((const DbsyncTable *) lfirst(lc))->parked_asked != NULL;
}

bool
dbsync_retry_is_pending(const DbsyncWork *work)
{
	return dbsync_retry_pause(work) < LONG_MAX;
}

long
dbsync_retry_pause(const DbsyncWork *work)
{
	TimestampTz now = GetCurrentTimestamp();
	long		pause = LONG_MAX;
	ListCell   *lc;

	if (!work->subscription->any_asked)
		return pause;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		if (is_asked(table))
			pause = Min(pause, TimestampDifferenceMilliseconds(now, table->parked_after));
	}
	return pause;
}
