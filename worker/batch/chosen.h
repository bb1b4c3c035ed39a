/*-------------------------------------------------------------------------
 *
 * worker/batch/chosen.h
 *	  Changes of a table of which columns were chosen.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_CHOSEN_H
#define DBSYNC_WORKER_BATCH_CHOSEN_H

#include "worker/batch/difference.h"
#include "worker/table.h"

/*
 * Leave in a difference what concerns the target's table: its columns have names of their own, and
 * those that come at the source are not among them.  "shape" is the one that the table takes.
 */
extern void dbsync_chosen_changes(const DbsyncTable *table, const DbsyncTableShape *shape, DbsyncDifference *difference);

#endif							/* DBSYNC_WORKER_BATCH_CHOSEN_H */
