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

#endif							/* DBSYNC_WORKER_BATCH_HELD_TIED_H */
