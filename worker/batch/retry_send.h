/*-------------------------------------------------------------------------
 *
 * worker/batch/retry_send.h
 *	  Parked keys that somebody wants to be tried again, or passed over: what is sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_RETRY_SEND_H
#define DBSYNC_WORKER_BATCH_RETRY_SEND_H

#include "worker/batch/choose.h"

/* In the batch, behind its changes: of batch->retries what has been asked for. */
extern void dbsync_retry_send(DbsyncBatch *batch);

#endif							/* DBSYNC_WORKER_BATCH_RETRY_SEND_H */
