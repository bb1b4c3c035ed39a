/*-------------------------------------------------------------------------
 *
 * worker/run/waiting.h
 *	  A worker that waits for its target says so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_WAITING_H
#define DBSYNC_WORKER_RUN_WAITING_H

#include "worker/position.h"
#include "worker/work.h"

/* What is behind the work's position now; outside a transaction or in one.  The ledger has been read. */
extern DbsyncLag dbsync_waiting_count(DbsyncWork *work);

/* From now on waits of drivers in this process are those of this work. */
extern void dbsync_waiting_is_for(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_RUN_WAITING_H */
