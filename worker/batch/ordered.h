/*-------------------------------------------------------------------------
 *
 * worker/batch/ordered.h
 *	  A cut's rows, in an order that the target's foreign keys allow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_ORDERED_H
#define DBSYNC_WORKER_BATCH_ORDERED_H

#include "worker/batch/choose.h"

/* As dbsync_send_cut() does, where tables of the subscription are tied to others at the target. */
extern void dbsync_send_ordered(DbsyncBatch *batch);

#endif							/* DBSYNC_WORKER_BATCH_ORDERED_H */
