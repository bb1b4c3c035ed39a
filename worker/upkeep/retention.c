/*-------------------------------------------------------------------------
 *
 * worker/upkeep/retention.c
 *	  When full segments are closed, and those that everybody has passed are emptied.
 *
 * A writer locks the segment that its cache calls active, sees (locking accepts
 * invalidations) whether it still is, and keeps the lock to the end of its
 * transaction.  From that follow four steps, each in a transaction of its own:
 *
 *	rotate	another segment becomes active.  Writers that hold the old one may go
 *			on writing to it.
 *	seal	once a SHARE lock on the closed segment is to be had, no writer is
 *			left in it and none will come.  A snapshot taken then sees all that
 *			the segment holds; it is stored with it.
 *	confirm	the target puts what it has on its disk; its position is stored.
 *	empty	when the stored position of every subscription covers the snapshot,
 *			the segment is truncated, and the snapshot is stored as what can no
 *			longer be had ("discarded").
 *
 * Segments of a shape that the table has no more are dropped in the end, and the shape with
 * them (shapes.c).
 *
 * No step waits for a lock: a reader (pg_dump, another worker) postpones it.
 * Rotation, sealing and emptying are done by one worker at a time.  DDL that a user has not
 * committed yet stands in the way of its own table only.
 *
 * Where a subscription has a backlog_limit, that is seen to before segments are emptied (backlog.c), and
 * whether or not the target is there.
 *
 * Looking for something to do costs time in proportion to the tables there are, so
 * none of it happens while nobody has captured anything since the last look, and
 * triggers are looked after when the server has told of a change to some table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "extension/settings.h"
#include "worker/batch/confirm.h"
#include "worker/batch/ledger.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/target.h"
#include "worker/upkeep/backlog.h"
#include "worker/upkeep/retention.h"
#include "worker/upkeep/segments.h"
#include "worker/upkeep/shapes.h"
#include "worker/work.h"

#include "extension/compat.h"

/* looks at triggers only, before segments are looked at without a reason */
#define LOOKS_BETWEEN	30

static int	looks = 0;

/* transactions that had ended in this cluster at the last look */
static uint64 completions = 0;

/* so many relations are named one by one */
#define MAX_CHANGED		64

/* has any relation changed since triggers were last looked after? */
static bool relations_changed = true;

/* ... or since somebody who waits for us has had rules looked at? */
static bool rules_outdated = true;

/* Which ones; more than there is room for: any may have. */
static Oid	changed[MAX_CHANGED];
static int	nchanged = MAX_CHANGED + 1;

/* Runs whenever invalidations are read, in any state of the backend. */
static void
note_relation_change(Datum arg, Oid relid)
{
	if (dbsync_catalog_is_trimming())
		return;
	relations_changed = rules_outdated = true;
	for (int i = 0; i < nchanged && i < MAX_CHANGED; i++)
	{
		if (changed[i] == relid)
			return;
	}
	if (!OidIsValid(relid) || nchanged >= MAX_CHANGED)
		nchanged = MAX_CHANGED + 1;
	else
		changed[nchanged++] = relid;
}

/* As an array for SQL; NULL: any relation may have changed. */
static const char *
list_changed(void)
{
	StringInfoData list;

	if (nchanged > MAX_CHANGED)
		return NULL;
	initStringInfo(&list);
	appendStringInfoChar(&list, '{');
	for (int i = 0; i < nchanged; i++)
		appendStringInfo(&list, "%s%u", i > 0 ? "," : "", changed[i]);
	appendStringInfoChar(&list, '}');
	return list.data;
}

/* Queries that wait for nobody who has a row of our tables in an open transaction. */
static void
begin_looking(const char *what)
{
	dbsync_query_begin(false, what);
	(void) set_config_option("lock_timeout", "100ms", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
end_looking(void)
{
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
}

/* Tables that nobody wants any more, and capture that somebody switched off. */
static void
tidy_captures(void)
{
	bool		left;
	const char *list;

	if (!relations_changed)
		return;
	list = list_changed();
	relations_changed = rules_outdated = false;
	nchanged = 0;
	begin_looking("tidying up");
	left = dbsync_query("SELECT dbsync_internal.tidy_captures($1::pg_catalog.oid[])", 1, &list) != 1 ||
		dbsync_query_bool(0, 1);
	end_looking();
	relations_changed |= left;
}

static void
see_to_segments(DbsyncWork *work, MemoryContext context)
{
	List	   *sealed;
	List	   *shapes;

	work->retention_needed = false;
	dbsync_segments_rotate_full(work);
	MemoryContextSwitchTo(context);
	sealed = dbsync_segments_seal(work);
	MemoryContextSwitchTo(context);
	shapes = dbsync_shapes_close(work);
	MemoryContextSwitchTo(context);
	if (sealed != NIL || shapes != NIL)
		dbsync_segments_confirm(work, list_concat_copy(sealed, shapes));
	dbsync_backlog_see_to(work);
	MemoryContextSwitchTo(context);
	if (sealed == NIL && shapes == NIL)
		return;
	dbsync_segments_empty(sealed);
	MemoryContextSwitchTo(context);
	dbsync_shapes_drop(shapes);
}

/*
 * A target that crashes loses what it has committed last, and the ledger with it; who
 * has nothing more to send to it would not notice. So it is asked, once it has had the time to crash.
 */
static void
confirm(DbsyncWork *work)
{
	if (work->confirm_due <= GetCurrentTimestamp())
		dbsync_confirm(work);
}

static void
run(void *arg)
{
	DbsyncWork *work = arg;
	MemoryContext context = AllocSetContextCreate(work->context, "dbsync retention",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	completions = dbsync_completions_compat();
	tidy_captures();
	MemoryContextSwitchTo(context);
	/* what was rolled back has no header, and takes up room all the same */
	if (++looks % LOOKS_BETWEEN == 0 || work->subscription->any_limit)
		work->any_grown = true;
	if (work->retention_needed || work->any_grown)
		see_to_segments(work, context);
	MemoryContextSwitchTo(context);
	confirm(work);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

bool
dbsync_retention_is_due(const DbsyncWork *work)
{
	TimestampTz now = GetCurrentTimestamp();

	return work->retention_due <= now || (work->confirm_due != 0 && work->confirm_due <= now);
}

long
dbsync_retention_pause(const DbsyncWork *work)
{
	TimestampTz now = GetCurrentTimestamp();
	long		pause = LONG_MAX;

	/* where batches wait, nobody notes what is captured */
	if (work->retention_needed || relations_changed ||
		(work->subscription != NULL && work->subscription->any_limit && completions != dbsync_completions_compat()))
		pause = TimestampDifferenceMilliseconds(now, work->retention_due);
	if (work->confirm_due != 0)
		pause = Min(pause, TimestampDifferenceMilliseconds(now, work->confirm_due));
	return pause;
}

void
dbsync_retention_reset(DbsyncWork *work)
{
	work->retention_needed = work->any_grown = relations_changed = rules_outdated = true;
	/* a look that was begun may have ended half-way */
	nchanged = MAX_CHANGED + 1;
}

void
dbsync_retention_run(DbsyncWork *work)
{
	static bool watching = false;

	if (!watching)
		CacheRegisterRelcacheCallback(note_relation_change, (Datum) 0);
	watching = true;

	/* somebody may hold a row of our tables in an open transaction: later then */
	if (!dbsync_query_attempt(run, work))
	{
		dbsync_retention_reset(work);
		/* if it was the target that waited in vain, its transaction is lost */
		if (dbsync_target_has_fault(work->target))
			dbsync_ledger_detach(work);
	}
	work->retention_due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													  dbsync_retention_interval);
	/* what could not be done is not tried again at once */
	if (work->confirm_due != 0 && work->confirm_due <= GetCurrentTimestamp())
		work->confirm_due = work->retention_due;
}

static void
take_in(void *arg)
{
	DbsyncWork *work = arg;
	MemoryContext context = AllocSetContextCreate(work->context, "dbsync rules",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	const char *args[2];

	args[0] = psprintf("%d", work->subscription_id);
	args[1] = list_changed();
	begin_looking("looking for tables of rules");
	(void) dbsync_query("SELECT dbsync_internal.take_in_unseen($1::pg_catalog.int4, $2::pg_catalog.oid[])", 2, args);
	end_looking();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
dbsync_retention_take_in(DbsyncWork *work)
{
	if (!rules_outdated || !dbsync_report_is_awaited())
		return;
	rules_outdated = false;
	if (!dbsync_query_attempt(take_in, work))
		dbsync_retention_reset(work);
}
