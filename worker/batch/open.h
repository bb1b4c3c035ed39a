/*-------------------------------------------------------------------------
 *
 * worker/batch/open.h
 *	  Which of the target's tables are looked up before a batch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_OPEN_H
#define DBSYNC_WORKER_BATCH_OPEN_H

#include "worker/batch/choose.h"

/*
 * Those that rows go to, or that are emptied, before the batch begins there.  Sets batch->again if a table
 * should have been locked before S.  Raises errors: what is refused holds its table, or puts off its copy.
 */
extern void dbsync_open_tables(DbsyncBatch *batch);

#endif							/* DBSYNC_WORKER_BATCH_OPEN_H */
