/*-------------------------------------------------------------------------
 *
 * worker/upkeep/shapes.h
 *	  Shapes that tables have no more: closed, and dropped with their segments.
 *
 * Steps of dbsync_retention_run(), like those of segments.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UPKEEP_SHAPES_H
#define DBSYNC_WORKER_UPKEEP_SHAPES_H

#include "nodes/pg_list.h"

#include "worker/work.h"

/*
 * Note of each shape that its table has no more from where on nobody needs it; returns them,
 * as DbsyncClosed, in the caller's memory context.
 */
extern List *dbsync_shapes_close(DbsyncWork *work);

/* Drop those that every subscription has passed. */
extern void dbsync_shapes_drop(List *closed);

#endif							/* DBSYNC_WORKER_UPKEEP_SHAPES_H */
