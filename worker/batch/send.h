/*-------------------------------------------------------------------------
 *
 * worker/batch/send.h
 *	  Which rows of a batch go to the target, and in which mode.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_SEND_H
#define DBSYNC_WORKER_BATCH_SEND_H

#include "worker/batch/choose.h"

/* Empty the tables that the cut truncates, send its rows table by table, and let go of it. */
extern void dbsync_send_cut(DbsyncBatch *batch);

/* Send the chunk of the first copy that goes with the batch. */
extern void dbsync_send_chunk(DbsyncBatch *batch);

#endif							/* DBSYNC_WORKER_BATCH_SEND_H */
