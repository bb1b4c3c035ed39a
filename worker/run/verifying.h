/*-------------------------------------------------------------------------
 *
 * worker/run/verifying.h
 *	  A subscription is verified by itself, when its verify_policy says so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_VERIFYING_H
#define DBSYNC_WORKER_RUN_VERIFYING_H

#include "worker/work.h"

/* If it is time, start a process that does it; outside a transaction, attached to the target. */
extern void dbsync_verifying_run(DbsyncWork *work);

/* How long until then, in ms; LONG_MAX: it never is. */
extern long dbsync_verifying_pause(const DbsyncWork *work);

#endif							/* DBSYNC_WORKER_RUN_VERIFYING_H */
