/*-------------------------------------------------------------------------
 *
 * worker/upkeep/backlog.c
 *	  What is kept for subscriptions does not become larger than they say.
 *
 * What is done about it is SQL (install/54_backlog.sql), as are limits and notes.  Here is when:
 * each time that segments are looked at, by whichever worker, and back again when the worker
 * of a subscription has brought its target all that it can have without.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "worker/query.h"
#include "worker/snapshot.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/upkeep/backlog.h"
#include "worker/upkeep/segments.h"

PG_FUNCTION_INFO_V1(dbsync_snapshot_covers_sql);

/* before a table that was locked is tried again, in ms */
#define SHORT_PAUSE	1000

static TimestampTz try_after = 0;

/* dbsync_internal.snapshot_covers() */
Datum
dbsync_snapshot_covers_sql(PG_FUNCTION_ARGS)
{
	char	   *wide = DatumGetCString(DirectFunctionCall1(pg_snapshot_out, PG_GETARG_DATUM(0)));
	char	   *narrow = DatumGetCString(DirectFunctionCall1(pg_snapshot_out, PG_GETARG_DATUM(1)));

	PG_RETURN_BOOL(dbsync_snapshot_covers(dbsync_snapshot_parse(wide), dbsync_snapshot_parse(narrow)));
}

static void
see_to(void *arg)
{
	DbsyncWork *work = arg;

	if (!dbsync_segments_begin_exclusively("seeing to backlogs"))
	{
		work->retention_needed = true;
		return;
	}
	dbsync_query_run("SELECT dbsync_internal.keep_backlogs_low()", 0, NULL);
	dbsync_query_commit();
}

void
dbsync_backlog_see_to(DbsyncWork *work)
{
	/* segments are emptied even if somebody has a row of ours locked */
	if (work->subscription->any_limit && !dbsync_query_attempt(see_to, work))
		work->retention_needed = true;
}

static void
copy_one(void *arg)
{
	const DbsyncTable *table = arg;
	const char *args[2];

	args[0] = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
	args[1] = table->awaits_copy ? "false" : "true";
	dbsync_query_begin(false, "having a table copied anew");
	dbsync_query_run("SELECT dbsync_internal.copy_after_backlog($1::pg_catalog.uuid, $2::pg_catalog.bool)", 2, args);
	dbsync_query_commit();
}

/*
 * Those that wait; and where the target checks foreign keys all whose rows reference theirs, without which they could not be
 * emptied.  In CurrentMemoryContext.
 */
static List *
list_to_copy(const DbsyncWork *work)
{
	List	   *found = NIL;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		if (((DbsyncTable *) lfirst(lc))->awaits_copy)
			found = lappend(found, lfirst(lc));
	}
	/* the list grows as it is gone through */
	for (int i = 0; i < list_length(found); i++)
	{
		foreach(lc, ((DbsyncTable *) list_nth(found, i))->ties.children)
			found = list_append_unique_ptr(found, lfirst(lc));
	}
	return found;
}

static bool
is_any_waiting(const DbsyncWork *work)
{
	ListCell   *lc;

	/* as long as there is one it is not */
	if (dbsync_subscription_is_settled(work->subscription))
		return false;
	foreach(lc, work->subscription->tables)
	{
		if (((DbsyncTable *) lfirst(lc))->awaits_copy)
			return true;
	}
	return false;
}

bool
dbsync_backlog_copy_anew(DbsyncWork *work)
{
	bool		done = false;
	bool		all = true;
	List	   *tables;

	if (dbsync_backlog_pause(work) > 0)
		return false;
	tables = list_to_copy(work);
	/* those that wait last: whatever ends us, they still ask for the others */
	for (int i = list_length(tables) - 1; i >= 0 && all; i--)
	{
		/* somebody may have locked it: the rest later */
		all = dbsync_query_attempt(copy_one, list_nth(tables, i));
		done |= all;
	}
	if (!all)
		try_after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SHORT_PAUSE);
	return done;
}

long
dbsync_backlog_pause(const DbsyncWork *work)
{
	if (!is_any_waiting(work))
		return LONG_MAX;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), try_after);
}
