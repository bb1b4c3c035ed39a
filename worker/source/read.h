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
#include "worker/source/window.h"
#include "worker/subscription.h"

/*
 * The place (see dbsync_members_place) of the last TRUNCATE of a table in the cut; rows
 * before it do not matter.  False if there is none.
 */
extern bool dbsync_read_last_truncate(DbsyncSubscription *subscription,
									  const DbsyncTable *table, const DbsyncCutTable *cut,
									  int64 *place);

/* how a cut is to be read */
typedef struct DbsyncReadCut
{
	DbsyncRelayWhat what;
	bool		fold;			/* the last state of each key, else every row */
	bool		marks;			/* some rows say that columns are untouched ... */
	bool		complete;		/* ... and they are to be filled in from the table */
	int64		after;			/* only what is behind this place; 0: everything */
} DbsyncReadCut;

/*
 * Send the cut's rows of one table to the relay, as the table's owner; of a table that
 * is being copied, only the part copied already.  Raises an error when it does not
 * find exactly the rows that the headers announce.
 */
extern void dbsync_read_cut(DbsyncSubscription *subscription, DbsyncTable *table,
							const DbsyncCutTable *cut, const DbsyncReadCut *how,
							DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SOURCE_READ_H */
