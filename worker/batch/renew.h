/*-------------------------------------------------------------------------
 *
 * worker/batch/renew.h
 *	  A subscription whose tables are all copied anew takes another position.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_RENEW_H
#define DBSYNC_WORKER_BATCH_RENEW_H

#include "worker/position.h"
#include "worker/work.h"

/*
 * Take a position of now in place of the one that the ledger has, behind which nothing is kept any
 * more; *position is the latter before, and the former behind it, in the target's memory.  For who attaches, when he has
 * found that the ledger is this source's and none of its future, and before its parts are read.
 * Outside a transaction; raises errors.
 */
extern void dbsync_renew_position(DbsyncWork *work, DbsyncPosition *position);

#endif							/* DBSYNC_WORKER_BATCH_RENEW_H */
