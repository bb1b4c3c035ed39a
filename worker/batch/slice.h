/*-------------------------------------------------------------------------
 *
 * worker/batch/slice.h
 *	  A batch's slices.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_SLICE_H
#define DBSYNC_WORKER_BATCH_SLICE_H

#include "worker/batch/choose.h"

/* How many rows the batch's first cut is to have, about. */
extern int64 dbsync_slice_first(const DbsyncBatch *batch);

/*
 * When the cut has been sent: choose another for the same batch, so that the
 * target merges the one while the next is read.  False: commit.
 */
extern bool dbsync_slice_next(DbsyncBatch *batch);

#endif							/* DBSYNC_WORKER_BATCH_SLICE_H */
