/*-------------------------------------------------------------------------
 *
 * worker/waiting.c
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

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "worker/report.h"
#include "worker/waiting.h"

/* counting takes this part of the time at most */
#define COUNT_PART	10

static DbsyncWork *waiting = NULL;
static TimestampTz count_after = 0;

void
dbsync_waiting_is_for(DbsyncWork *work)
{
	waiting = work;
}

/* in a transaction; memory is the caller's */
static void
count(void)
{
	DbsyncWindowLag lag;

	PushActiveSnapshot(GetLatestSnapshot());
	lag = dbsync_window_waiting(&waiting->position,
								dbsync_catalog_header_segments(GetActiveSnapshot()));
	PopActiveSnapshot();
	dbsync_report_lag(&lag, waiting->position.after);
}

static void
count_in_transaction(void)
{
	MemoryContext old = CurrentMemoryContext;
	MemoryContext scratch;
	bool		ours = !IsTransactionState();

	if (ours)
		StartTransactionCommand();
	/* goes with the transaction if there is an error */
	scratch = AllocSetContextCreate(TopTransactionContext, "dbsync waiting",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	count();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	if (ours)
		CommitTransactionCommand();
	MemoryContextSwitchTo(old);
}

void
dbsync_waiting_tell(TimestampTz since)
{
	TimestampTz begun;

	if (waiting == NULL)
		return;
	dbsync_report_waits(since);
	/* a position there is only once the ledger has been read */
	if (since == 0 || waiting->position.after == NULL)
		return;
	begun = GetCurrentTimestamp();
	if (begun < count_after)
		return;
	count_in_transaction();
	count_after = GetCurrentTimestamp() + (GetCurrentTimestamp() - begun) * COUNT_PART;
}
