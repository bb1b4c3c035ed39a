/*-------------------------------------------------------------------------
 *
 * worker/wal.h
 *	  How much of the source's WAL must be on disk before the target commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_WAL_H
#define DBSYNC_WORKER_WAL_H

#include "extension/window.h"

/* The end of the source's WAL: all that a snapshot taken before shows lies below. */
extern XLogRecPtr dbsync_wal_end(void);

/*
 * As much of it as what the target is to have needs: all captured transactions that
 * the snapshot "now" shows and the target lacks must be in the cut.  "last" is where
 * the ledger is, which is flushed.  The result is the end of some record.
 */
extern XLogRecPtr dbsync_wal_needed(const DbsyncCut *cut, const DbsyncSnapshot *now,
									XLogRecPtr last);

/* Is WAL up to there on the source's own disk?  Does not wait. */
extern bool dbsync_wal_is_flushed(XLogRecPtr lsn);

/*
 * Make sure that WAL up to there is on the source's disk, and on that of its
 * synchronous standbys.  Error if the wait for these is cancelled.
 */
extern void dbsync_wal_flush(XLogRecPtr lsn);

#endif							/* DBSYNC_WORKER_WAL_H */
