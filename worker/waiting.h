/*-------------------------------------------------------------------------
 *
 * worker/waiting.h
 *	  A worker that waits for its target says so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_WAITING_H
#define DBSYNC_WORKER_WAITING_H

#include "worker/work.h"

/* From now on waits of drivers in this process are those of this work. */
extern void dbsync_waiting_is_for(DbsyncWork *work);

/*
 * For drivers (DbsyncTargetConfig.waits): an answer has been waited for since then;
 * 0: no longer.  In a process that is no worker, nothing happens.
 */
extern void dbsync_waiting_tell(TimestampTz since);

#endif							/* DBSYNC_WORKER_WAITING_H */
