/*-------------------------------------------------------------------------
 *
 * worker/batch/changes.h
 *	  Tables that change within a batch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_CHANGES_H
#define DBSYNC_WORKER_BATCH_CHANGES_H

#include "worker/batch/choose.h"
#include "worker/shape.h"

/*
 * Does the batch change, or look for a change of, the table before it sends the rows of this
 * shape?
 */
extern bool dbsync_changes_come_first(const DbsyncBatch *batch, const DbsyncCutTable *cut_table);

/* The shape that a captured table has before the batch's cut; NULL: it is not known any more. */
extern const DbsyncTableShape *dbsync_changes_shape_at_begin(const DbsyncBatch *batch, int captured_id);

/*
 * Before the rows of a cut's table are sent, in the batch's transaction: let the target's
 * table follow, as the subscription's policy says.  False: there are no rows to be sent of it.
 * Raises errors; what the target refuses holds the table.
 */
extern bool dbsync_changes_follow(DbsyncBatch *batch, const DbsyncCutTable *cut_table);

#endif							/* DBSYNC_WORKER_BATCH_CHANGES_H */
