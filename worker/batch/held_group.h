/*-------------------------------------------------------------------------
 *
 * worker/batch/held_group.h
 *	  Tables that are held at one position, and catch up together.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_HELD_GROUP_H
#define DBSYNC_WORKER_BATCH_HELD_GROUP_H

#include "worker/table.h"
#include "worker/work.h"

/*
 * Those that catch up together with this one, as foreign keys of the target tie them to it and they are at its
 * very position; itself included.  In work->batch_context.
 */
extern List *dbsync_held_group(DbsyncWork *work, DbsyncTable *table);

#endif							/* DBSYNC_WORKER_BATCH_HELD_GROUP_H */
