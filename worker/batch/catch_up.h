/*-------------------------------------------------------------------------
 *
 * worker/batch/catch_up.h
 *	  Holding a table, and letting it catch up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_CATCH_UP_H
#define DBSYNC_WORKER_BATCH_CATCH_UP_H

#include "worker/work.h"

/*
 * Once the ledger has been read: hold the table that is to be held, and note what is to be
 * noted.  Outside of a transaction; raises errors.
 */
extern void dbsync_catch_up_see_to(DbsyncWork *work);

/*
 * One batch for a held table whose time has come; false: there is none now.  Raises
 * errors; dbsync_held_judge() says whether they are but the table's.
 */
extern bool dbsync_catch_up_run(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_BATCH_CATCH_UP_H */
