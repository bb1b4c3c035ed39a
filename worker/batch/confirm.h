/*-------------------------------------------------------------------------
 *
 * worker/batch/confirm.h
 *	  What the target has committed, and would lose if it crashed now; and who may be told that all is there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_CONFIRM_H
#define DBSYNC_WORKER_BATCH_CONFIRM_H

#include "worker/work.h"

/* The target has something that need not be on its disk: in dbsync.retention_interval, if not before, it is asked. */
extern void dbsync_confirm_note(DbsyncWork *work);

/*
 * Return once all that the target has is on its disk; at once where that is known.  Outside a transaction.  Errors are the
 * target's: if it has crashed meanwhile, the connection is lost.
 */
extern void dbsync_confirm(DbsyncWork *work);

/* Tickets up to this one are to be answered: what was committed before them is there. */
extern void dbsync_confirm_answer_later(DbsyncWork *work, uint64 ticket);

/* Answer them, if anybody waits, when it is on the target's disk.  Outside a transaction; errors as above. */
extern void dbsync_confirm_answer(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_BATCH_CONFIRM_H */
