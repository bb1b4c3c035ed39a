/*-------------------------------------------------------------------------
 *
 * worker/source/scan.h
 *	  A cut's rows of one table, straight from their blocks and headers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_SCAN_H
#define DBSYNC_WORKER_SOURCE_SCAN_H

#include "utils/relcache.h"

#include "worker/relay.h"
#include "worker/source/cut.h"
#include "worker/subscription.h"

/*
 * Who gets the rows, as they lie in a segment.  begin: before the first, with their
 * shape.  row: its place in the cut is dbsync_members_place(rank, its number), or, of
 * rank -1, its number; false: no more are wanted.
 */
typedef struct DbsyncScanSink
{
	void		(*begin) (TupleDesc desc, void *arg);
	bool		(*row) (TupleTableSlot *slot, int rank, void *arg);
	void	   *arg;
} DbsyncScanSink;

/*
 * Every row of the table that the cut has, segment by segment, on the active snapshot.
 * The caller compares window hits with the headers.
 */
extern void dbsync_scan_rows(DbsyncSubscription *subscription, const DbsyncTable *table,
							 const DbsyncCutTable *cut, const DbsyncScanSink *sink);

/* Open a segment, which has been locked; error if its columns are not the table's. */
extern Relation dbsync_scan_open(DbsyncSubscription *subscription, const DbsyncTable *table,
								 int segment_id);

/* Is every row to be taken whole, as it lies? */
extern bool dbsync_scan_can_copy(const DbsyncTable *table, const DbsyncCutTable *cut,
								 const DbsyncReadCut *how);

/* Tell the relay which columns of such rows it is to take. */
extern void dbsync_scan_place_columns(const DbsyncTable *table, const DbsyncReadCut *how,
									  DbsyncRelay *relay);

/* And are none to be folded, so that they go straight to the relay? */
extern bool dbsync_scan_applies(const DbsyncTable *table, const DbsyncCutTable *cut,
								const DbsyncReadCut *how);

extern void dbsync_scan_cut(DbsyncSubscription *subscription, const DbsyncTable *table,
							const DbsyncCutTable *cut, const DbsyncReadCut *how,
							DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SOURCE_SCAN_H */
