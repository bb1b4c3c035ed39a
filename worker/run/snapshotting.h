/*-------------------------------------------------------------------------
 *
 * worker/run/snapshotting.h
 *	  Tables with capture => 'snapshot': having them compared.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_SNAPSHOTTING_H
#define DBSYNC_WORKER_RUN_SNAPSHOTTING_H

#include "worker/work.h"

/*
 * Before a batch: see what has come of the comparison that was under way, and start the next one that is due, one at a time.  In
 * transactions of its own.  Error, which concerns that table alone (DbsyncWork.comparing), if it came to nothing.  True: the
 * configuration is to be read again first.
 */
extern bool dbsync_snapshotting_run(DbsyncWork *work);

/* Until there is something to be done, in ms; LONG_MAX: nothing. */
extern long dbsync_snapshotting_pause(const DbsyncWork *work);

/* Is one under way, or due? */
extern bool dbsync_snapshotting_is_pending(const DbsyncWork *work);

#endif							/* DBSYNC_WORKER_RUN_SNAPSHOTTING_H */
