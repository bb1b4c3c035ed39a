/*-------------------------------------------------------------------------
 *
 * worker/uncopied.h
 *	  Tables without a first copy: from when on their changes are sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UNCOPIED_H
#define DBSYNC_WORKER_UNCOPIED_H

#include "worker/snapshot.h"
#include "worker/table.h"
#include "worker/work.h"

/* Take the start position of tables without a copy that are captured and have none. */
extern void dbsync_uncopied_begin(DbsyncWork *work);

/*
 * The earliest start position of a subscription's tables, palloc'd; NULL: there is none.
 * In a transaction, with a snapshot.
 */
extern DbsyncSnapshot *dbsync_uncopied_earliest(int subscription_id);

/*
 * The table that becomes live next without a copy, and its start position, palloc'd;
 * NULL: there is none.  Error if the position is beyond it.
 */
extern DbsyncTable *dbsync_uncopied_next(DbsyncWork *work, DbsyncSnapshot **start);

#endif							/* DBSYNC_WORKER_UNCOPIED_H */
