/*-------------------------------------------------------------------------
 *
 * worker/batch/missing.h
 *	  Rows of tables without a key that the target lacked.
 *
 * A row that is to be deleted and is not there is no error: nobody could say which row is
 * meant instead.  It is counted, for people.  The count goes to the source's catalog behind
 * the batch, so of a worker that dies in between it is lost.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_MISSING_H
#define DBSYNC_WORKER_BATCH_MISSING_H

#include "worker/work.h"

/* The batch has been committed: ask the target what it lacked. */
extern void dbsync_missing_gather(DbsyncWork *work);

/* Write it to the catalog, in a transaction of its own; if that fails, next time. */
extern void dbsync_missing_note(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_BATCH_MISSING_H */
