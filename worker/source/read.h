/*-------------------------------------------------------------------------
 *
 * worker/source/read.h
 *	  Reading a cut of one table.
 *
 * All run on the active snapshot, which must be the one of the batch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_READ_H
#define DBSYNC_WORKER_SOURCE_READ_H

#include "worker/relay.h"
#include "worker/source/cut.h"
#include "worker/subscription.h"

/*
 * The place (see dbsync_members_place) of the last TRUNCATE of a table in the cut; rows
 * before it do not matter.  False if there is none.
 */
extern bool dbsync_read_last_truncate(DbsyncSubscription *subscription,
									  const DbsyncTable *table, const DbsyncCutTable *cut,
									  int64 *place);

/*
 * Send the cut's rows of one table to the relay, as the table's owner; of a table that
 * is being copied, only the part copied already.  Raises an error when it does not
 * find exactly the rows that the headers announce.
 */
extern void dbsync_read_cut(DbsyncSubscription *subscription, DbsyncTable *table,
							const DbsyncCutTable *cut, const DbsyncReadCut *how,
							DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SOURCE_READ_H */
