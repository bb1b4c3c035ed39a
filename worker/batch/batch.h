/*-------------------------------------------------------------------------
 *
 * worker/batch/batch.h
 *	  One batch: what is next goes to the target in one transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_BATCH_H
#define DBSYNC_WORKER_BATCH_BATCH_H

#include "worker/work.h"

struct DbsyncBatch;

/*
 * Apply the next batch, if there is one; false when nothing is left to do now.
 * Raises errors; the caller then detaches.
 */
extern bool dbsync_batch_run(DbsyncWork *work);

/*
 * What has been chosen goes to the target in one transaction.  False: a table should have
 * been locked before S, so that it needs another one.
 */
extern bool dbsync_batch_apply(struct DbsyncBatch *batch);

/*
 * Write the position as it is to the ledger, and set sequences that are to be sent with it.
 * Outside a transaction.
 */
extern void dbsync_batch_write_position(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_BATCH_BATCH_H */
