/*-------------------------------------------------------------------------
 *
 * worker/run/waiting.c
 *	  A worker that waits for its target says so.
 *
 * A worker counts what is waiting when it chooses a batch.  While it waits for the
 * target's answer it chooses none, so it counts again here, called by the driver
 * about once a second, from within whatever the worker is doing.  What is counted is
 * as of now; snapshots and cut of the batch are not touched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "extension/clock.h"
#include "extension/wake.h"
#include "worker/connection.h"
#include "worker/position.h"
#include "worker/progress.h"
#include "worker/report.h"
#include "worker/run/waiting.h"
#include "worker/source/source.h"

#include "extension/compat.h"

/* counting takes this part of the time at most */
#define COUNT_PART	10

/* looking at what is pending takes this part of the time at most */
#define LOOK_PART		100

static DbsyncWork *waiting = NULL;
static TimestampTz count_after = 0;

/* what is pending has been looked at when so many transactions had ended */
static bool looked = false;
static uint64 looked_completions;
static TimestampTz look_after = 0;

/* in a transaction; memory is the caller's */
static DbsyncLag
count(DbsyncWork *work)
{
	DbsyncLag lag;

	PushActiveSnapshot(GetLatestSnapshot());
	lag = dbsync_window_waiting(&work->position,
								dbsync_catalog_header_segments(GetActiveSnapshot()));
	PopActiveSnapshot();
	return lag;
}

DbsyncLag
dbsync_waiting_count(DbsyncWork *work)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext scratch;
	bool		ours = !IsTransactionState();
	DbsyncLag lag;

	if (ours)
		StartTransactionCommand();
	/* goes with the transaction if there is an error */
	scratch = AllocSetContextCreate(TopTransactionContext, "dbsync waiting",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	lag = count(work);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	if (ours)
		CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return lag;
}

/* DbsyncTargetConfig.waits: an answer has been waited for since then; 0: no longer. */
static void
tell(TimestampTz since)
{
	TimestampTz begun;
	DbsyncLag lag;

	dbsync_report_waits(since);
	dbsync_progress_publish();
	/* a position there is only once the ledger has been read */
	if (since == 0 || waiting->position.after == NULL)
		return;
	begun = GetCurrentTimestamp();
	if (begun < count_after)
		return;
	lag = dbsync_waiting_count(waiting);
	dbsync_report_lag(&lag, waiting->position.after);
	count_after = GetCurrentTimestamp() + (GetCurrentTimestamp() - begun) * COUNT_PART;
}

void
dbsync_waiting_is_for(DbsyncWork *work)
{
	waiting = work;
	dbsync_connection_on_waits(tell);
}

/* What is behind the position is pending, whoever has counted it. */
void
dbsync_waiting_look(DbsyncWork *work)
{
	TimestampTz start = GetCurrentTimestamp();
	DbsyncPending before = dbsync_wake_pending(dbsync_report_wake());
	DbsyncPending found = {0};
	DbsyncLag	lag;

	looked_completions = dbsync_completions_compat();
	lag = dbsync_waiting_count(work);
	if (lag.transactions > 0)
	{
		found.rows = Max(lag.rows, 1);
		found.bytes = lag.bytes;
		/* as old as commits have said, if they have */
		found.since = before.since != 0 ? before.since : Min(lag.oldest, dbsync_clock_now());
	}
	dbsync_wake_correct(dbsync_report_wake(), &before, &found);
	looked = true;
	look_after = GetCurrentTimestamp() + (GetCurrentTimestamp() - start) * LOOK_PART;
}

bool
dbsync_waiting_look_is_due(bool counts)
{
	return !looked || (max_prepared_xacts > 0 && counts &&
					   looked_completions != dbsync_completions_compat() &&
					   GetCurrentTimestamp() >= look_after);
}

void
dbsync_waiting_look_anew(void)
{
	looked = false;
}
