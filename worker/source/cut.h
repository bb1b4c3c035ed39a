/*-------------------------------------------------------------------------
 *
 * worker/source/cut.h
 *	  Putting a cut together, and what its readers ask of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_CUT_H
#define DBSYNC_WORKER_SOURCE_CUT_H

#include "extension/log/header.h"
#include "worker/source/source.h"

/*
 * May this transaction's rows be added?  Rows of a table in a cut are of one shape, unless
 * the cut is one transaction, in which the table changes.  Called by dbsync_window_next()
 * only, as are the next two.
 */
extern bool dbsync_cut_goes_on(const DbsyncCut *cut, const DbsyncHeader *header,
							   const DbsyncCutRequest *request);

/*
 * Add a transaction's rows in the tables that the request wants; rank: its place in closing
 * order.  Returns whether some of them are to be looked for in segments.
 */
extern bool dbsync_cut_add(DbsyncCut *cut, const DbsyncHeader *header, int rank,
						   const DbsyncCutRequest *request);

/* No more will come: sort and join the block ranges. */
extern void dbsync_cut_finish(DbsyncCut *cut);

/* Those of a table's rows, TRUNCATEs among them, that headers carry. */
extern int64 dbsync_cut_table_carried(const DbsyncCutTable *table);

#endif							/* DBSYNC_WORKER_SOURCE_CUT_H */
