/*-------------------------------------------------------------------------
 *
 * extension/wake.h
 *	  What commits tell workers: each one, or that enough has come together.
 *
 * A worker that sends at once is called by each commit.  Others have commits count what is
 * pending for them, and are called where a threshold is passed, or by the first commit of
 * which something is pending.  Counts may be too high, never too low:
 *
 *	a commit	counts what it has written once it is visible to others
 *	a round		forgets what is pending before it takes its snapshot, and looks for what it has
 *				left over when it breaks off
 *
 * Rows of other subscriptions' tables are counted, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_WAKE_H
#define DBSYNC_EXTENSION_WAKE_H

#include "extension/shmem.h"

/*
 * Tell every worker of this database of so many captured rows and bytes.  Called from the
 * commit callback, after the transaction has become visible: must not fail and must be cheap.
 */
extern void dbsync_wake_workers(int64 rows, int64 bytes);

/* Of a worker: each commit is to call it.  What is pending is not counted from here on. */
extern void dbsync_wake_always(DbsyncWake *wake);

/*
 * Of a worker: commits are to count, and to call it when this is passed (0: never), or
 * something becomes pending ("first").  Whoever has called this looks at what is pending
 * himself before he sleeps.
 */
extern void dbsync_wake_at(DbsyncWake *wake, int64 rows, int64 bytes, bool first);

/* Nothing is pending; called before a snapshot is taken. */
extern void dbsync_wake_forget(DbsyncWake *wake);

/* What was pending, as counts had it, just before somebody looked. */
typedef struct DbsyncPending
{
	int64		rows;
	int64		bytes;
	TimestampTz since;
} DbsyncPending;

extern DbsyncPending dbsync_wake_pending(const DbsyncWake *wake);

/*
 * A snapshot that was taken behind that shows so much: counts are put right.  What was
 * counted before it is visible in it; what has been since then is left.  found->since: of the
 * oldest change, 0 if there is none.
 */
extern void dbsync_wake_correct(DbsyncWake *wake, const DbsyncPending *before, const DbsyncPending *found);

/* What is pending; 0 where nothing is counted. */
extern int64 dbsync_wake_rows(const DbsyncWake *wake);
extern int64 dbsync_wake_bytes(const DbsyncWake *wake);
extern TimestampTz dbsync_wake_since(const DbsyncWake *wake);

#endif							/* DBSYNC_EXTENSION_WAKE_H */
