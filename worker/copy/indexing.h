/*-------------------------------------------------------------------------
 *
 * worker/copy/indexing.h
 *	  Tables that were made at the target get the source's other indexes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_INDEXING_H
#define DBSYNC_WORKER_COPY_INDEXING_H

#include "worker/work.h"

/*
 * Outside a transaction, between batches: make one index of one table that is live and lacks it, if
 * there is one.  True if there was something to do.
 */
extern bool dbsync_indexing_run(DbsyncWork *work);

/* How long until there is something to do, in ms; LONG_MAX: nothing is due. */
extern long dbsync_indexing_pause(const DbsyncWork *work);

#endif							/* DBSYNC_WORKER_COPY_INDEXING_H */
