/*-------------------------------------------------------------------------
 *
 * worker/upkeep/wal_feed.h
 *	  Keys of what has changed, from the WAL into the segments: capture => 'wal'.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UPKEEP_WAL_FEED_H
#define DBSYNC_WORKER_UPKEEP_WAL_FEED_H

#include "worker/work.h"

/*
 * Feed all that has been committed by now, if that is due, before the worker takes S; needs the
 * configuration read, and no transaction.  Notes in work->fed_asked whose wait_for() that serves.
 * Goes on without the target.  Behind it the configuration may have to be read again.
 */
extern void dbsync_wal_feed_run(DbsyncWork *work);

/* Is there WAL to be looked at, or somebody who waits for that?  Cheap. */
extern bool dbsync_wal_feed_is_due(const DbsyncWork *work);

/* How long a worker may sleep on account of it, in ms. */
extern long dbsync_wal_feed_pause(const DbsyncWork *work);

/*
 * Make slot and publication, if they are not there, before a table is installed.  Runs transactions
 * of its own, and waits for those of others that have written, no longer than for a lock.
 */
extern void dbsync_wal_feed_prepare(void);

#endif							/* DBSYNC_WORKER_UPKEEP_WAL_FEED_H */
