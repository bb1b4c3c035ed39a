/*-------------------------------------------------------------------------
 *
 * worker/scan.h
 *	  A cut's rows of one table, straight from their blocks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SCAN_H
#define DBSYNC_WORKER_SCAN_H

#include "worker/plan.h"

/* Can the cut be read so?  Else it takes a query. */
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
