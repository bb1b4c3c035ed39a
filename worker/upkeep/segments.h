/*-------------------------------------------------------------------------
 *
 * worker/upkeep/segments.h
 *	  What is done to segments: closed, sealed, confirmed, emptied.
 *
 * Steps of dbsync_retention_run(), which is the only caller, in this order.  Each begins and
 * ends transactions of its own, after which the current memory context may be another one
 * (dbsync_query_commit()).  Where a lock is not to be had the step leaves the rest to the
 * next time; an error rolls back the transaction that it is in, and no other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UPKEEP_SEGMENTS_H
#define DBSYNC_WORKER_UPKEEP_SEGMENTS_H

#include "nodes/pg_list.h"

#include "worker/work.h"

/* Another segment becomes active where this subscription's is full, or the headers' is. */
extern void dbsync_segments_rotate_full(DbsyncWork *work);

/*
 * Seal what no writer is in any more; returns closed segments that are sealed, for the
 * following steps, in the caller's memory context.
 */
extern List *dbsync_segments_seal(DbsyncWork *work);

/* Let the target put our position on its disk, if that lets anything go. */
extern void dbsync_segments_confirm(DbsyncWork *work, List *sealed);

/* Empty those of the sealed segments that every subscription has passed. */
extern void dbsync_segments_empty(List *sealed);

#endif							/* DBSYNC_WORKER_UPKEEP_SEGMENTS_H */
