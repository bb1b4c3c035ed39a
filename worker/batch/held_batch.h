/*-------------------------------------------------------------------------
 *
 * worker/batch/held_batch.h
 *	  Batches that are for one held table alone: what they carry, and what then is said of it.
 *
 * Of such a batch batch->held is set, and the subscription's position stays as it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_HELD_BATCH_H
#define DBSYNC_WORKER_BATCH_HELD_BATCH_H

#include "worker/batch/choose.h"

/*
 * Choose its cut, if there is one, in place of dbsync_choose_work(): false when batch->stale says that the
 * configuration must be read again first.
 */
extern bool dbsync_held_batch_choose(DbsyncBatch *batch);

/* Before its ledger is written: where the table is with it. */
extern void dbsync_held_batch_move(DbsyncBatch *batch);

/* The target has it. */
extern void dbsync_held_batch_pass(DbsyncBatch *batch);

#endif							/* DBSYNC_WORKER_BATCH_HELD_BATCH_H */
