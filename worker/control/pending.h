/*-------------------------------------------------------------------------
 *
 * worker/control/pending.h
 *	  What start_subscription and drop_subscription leave to the commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONTROL_PENDING_H
#define DBSYNC_WORKER_CONTROL_PENDING_H

/* Start the subscription's worker when this transaction commits. */
extern void dbsync_pending_start(int subscription);

/* Do not, after all. */
extern void dbsync_pending_cancel_start(int subscription);

/* Will this transaction's commit start it? */
extern bool dbsync_pending_is_starting(int subscription);

#endif							/* DBSYNC_WORKER_CONTROL_PENDING_H */
