/*-------------------------------------------------------------------------
 *
 * worker/batch/retry.h
 *	  Parked keys that somebody wants to be tried again, or passed over: when it can be done.
 *
 * What is sent then is in worker/batch/retry_send.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_RETRY_H
#define DBSYNC_WORKER_BATCH_RETRY_H

#include "utils/uuid.h"

#include "worker/work.h"

/* what has been asked for of an attachment, and done */
typedef struct DbsyncParkedAnswer
{
	pg_uuid_t	attachment;
	char	   *asked;			/* when, as subscription_table.parked_asked had it */
} DbsyncParkedAnswer;

/* Before S is taken: lock the tables that it takes, without waiting; in CurrentMemoryContext.  And behind the batch. */
extern List *dbsync_retry_lock(DbsyncWork *work);
extern void dbsync_retry_unlock(List *tables);

/* With S taken: look them up at the target. */
extern void dbsync_retry_open(DbsyncWork *work, List *tables);

/* The target has committed what was sent of them. */
extern void dbsync_retry_done(DbsyncWork *work, List *tables);

/* Is there anything that somebody has asked for, and that can be done?  And until when is it waited, in ms; LONG_MAX: for nothing. */
extern bool dbsync_retry_is_pending(const DbsyncWork *work);
extern long dbsync_retry_pause(const DbsyncWork *work);

#endif							/* DBSYNC_WORKER_BATCH_RETRY_H */
