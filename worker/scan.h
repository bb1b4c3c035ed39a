/*-------------------------------------------------------------------------
 *
 * worker/scan.h
 *	  A cut's rows of one table, straight from their blocks and headers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SCAN_H
#define DBSYNC_WORKER_SCAN_H

#include "worker/plan.h"

/* Are all rows live, whole and in the shape of the table's columns? */
extern bool dbsync_scan_can_copy(DbsyncSubscription *subscription, const DbsyncTable *table,
								 const DbsyncCutTable *cut, const DbsyncReadCut *how);

/* Tell the relay which columns of such rows it is to take. */
extern void dbsync_scan_place_columns(const DbsyncTable *table, const DbsyncReadCut *how,
									  DbsyncRelay *relay);

/* And none to be folded, so that the cut can be read here?  Else it takes a query. */
extern bool dbsync_scan_applies(DbsyncSubscription *subscription, const DbsyncTable *table,
								const DbsyncCutTable *cut, const DbsyncReadCut *how);

/*
 * Send the rows to the relay, which is told where to find the columns.  On the
 * active snapshot; the caller compares window hits with the headers.
 */
extern void dbsync_scan_cut(DbsyncSubscription *subscription, const DbsyncTable *table,
							const DbsyncCutTable *cut, const DbsyncReadCut *how,
							DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SCAN_H */
