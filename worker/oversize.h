/*-------------------------------------------------------------------------
 *
 * worker/oversize.h
 *	  Rows that are too large to be sent, and the tables that have them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_OVERSIZE_H
#define DBSYNC_WORKER_OVERSIZE_H

#include "worker/work.h"

/*
 * After an error, before the connection is thrown away: did a row of one table have
 * no room?  If so the batch is to be tried again at once; the second time in a row
 * the table is to be suspended before that.
 */
extern bool dbsync_oversize_judge(DbsyncWork *work, const ErrorData *edata);

/*
 * Suspend the table that was found guilty, if there is one, in a transaction of its
 * own.  Outside of a transaction; raises errors, and can be called again then.
 */
extern void dbsync_oversize_suspend(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_OVERSIZE_H */
