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

/*
 * Correct what commits have counted as pending (extension/wake.h) by a look at what is behind the position.  Due the first time,
 * when it is called for, and, if somebody counts, when transactions have ended of which nobody has told: prepared ones are not counted
 * as they commit; where there can be none, all are.
 */
extern void dbsync_waiting_look(DbsyncWork *work);
extern bool dbsync_waiting_look_is_due(bool counts);
extern void dbsync_waiting_look_anew(void);

#endif							/* DBSYNC_WORKER_RUN_WAITING_H */
