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

#include "worker/snapshot.h"
#include "worker/work.h"

/* a closed segment that still holds rows, or a shape that no table has any more */
typedef struct DbsyncClosed
{
	int			id;
	int			captured_id;
	Oid			relid;			/* of a segment */
	DbsyncSnapshot *sealed;		/* sees all that it holds, or that tells of it; NULL: not taken yet */
} DbsyncClosed;

/*
 * Read what is closed, by a query for id, captured table, relation and snapshot; in
 * CurrentMemoryContext, in the current transaction.
 */
extern List *dbsync_segments_read_closed(const char *sql);

/*
 * Begin a transaction that keeps other workers from doing the same, and first contacts from
 * taking a position meanwhile; false, and no transaction, if one of them is at it.
 */
extern bool dbsync_segments_begin_exclusively(const char *activity);

/*
 * Lock a captured table's row, so that nobody gives it another segment or takes capture off;
 * false if somebody is about to, in a transaction that may take long.  0, the headers, has none.
 */
extern bool dbsync_segments_lock_captured(int captured_id);

/* Has every subscription that needs it come past it? */
extern bool dbsync_segments_passed_by_all(const DbsyncClosed *segment);

/* Note what can no longer be had, on top of what could not be had before. */
extern void dbsync_segments_note_discarded(const DbsyncClosed *segment);

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
