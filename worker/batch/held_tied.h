/*-------------------------------------------------------------------------
 *
 * worker/batch/held_tied.h
 *	  Tables that stand still because of others, to which foreign keys of the target tie them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_HELD_TIED_H
#define DBSYNC_WORKER_BATCH_HELD_TIED_H

#include "worker/table.h"
#include "worker/work.h"

/*
 * Hold what is tied to a table that stands still: held, suspended, or copied anew beneath rows that
 * reference it.  Connected, outside of a transaction.  Sets which of them are blocked.
 */
extern void dbsync_held_take_along(DbsyncWork *work);

/*
 * Tables that catch up together with this one, as they are tied to it and at its very position; itself
 * included.  In work->batch_context.
 */
extern List *dbsync_held_group(DbsyncWork *work, DbsyncTable *table);

/* None of them before a pause, which grows each time. */
extern void dbsync_held_try_group_later(DbsyncWork *work, DbsyncTable *table);

#endif							/* DBSYNC_WORKER_BATCH_HELD_TIED_H */
