/*-------------------------------------------------------------------------
 *
 * worker/source/sort.h
 *	  A cut's rows of one table that headers carry, folded in memory.
 *
 * Called by dbsync_read_cut() only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_SORT_H
#define DBSYNC_WORKER_SOURCE_SORT_H

#include "worker/relay.h"
#include "worker/source/cut.h"
#include "worker/subscription.h"

/* Are all rows carried and in memory, and is nothing to be done but to fold them? */
extern bool dbsync_order_applies(const DbsyncTable *table, const DbsyncCutTable *cut,
								 const DbsyncReadCut *how);

/* Send the last row of each key to the relay, in the order of the keys. */
extern void dbsync_order_cut(DbsyncSubscription *subscription, const DbsyncTable *table,
							 const DbsyncCutTable *cut, const DbsyncReadCut *how,
							 DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SOURCE_SORT_H */
