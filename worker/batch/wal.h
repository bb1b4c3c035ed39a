/*-------------------------------------------------------------------------
 *
 * worker/batch/wal.h
 *	  How much of the source's WAL must be on disk before the target commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_WAL_H
#define DBSYNC_WORKER_BATCH_WAL_H

#include "worker/snapshot.h"
#include "worker/source/source.h"


/* The end of the source's WAL: all that a snapshot taken before shows lies below. */
extern XLogRecPtr dbsync_wal_end(void);

/*
 * A point behind all that the target's new position rests on: transactions of the cut,
 * and ids below the end of the snapshot "now".  The cut must have all captured
 * transactions that the snapshot shows and the target lacks.  The ledger needs no less
 * than this: of a server that was put back, or of a standby, it tells whether that
 * server has them all.
 */
extern XLogRecPtr dbsync_wal_needed(const DbsyncCut *cut, const DbsyncSnapshot *now);

/* Is WAL up to there on the source's own disk?  Does not wait. */
extern bool dbsync_wal_is_flushed(XLogRecPtr lsn);

/*
 * Make sure that WAL up to there is on the source's disk, and on that of its
 * synchronous standbys.  Error if the wait for these is cancelled.
 */
extern void dbsync_wal_flush(XLogRecPtr lsn);

#endif							/* DBSYNC_WORKER_BATCH_WAL_H */
