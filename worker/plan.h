/*-------------------------------------------------------------------------
 *
 * worker/plan.h
 *	  The SQL that reads a cut of one table.
 *
 * All run on the active snapshot, which must be the one of the batch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_PLAN_H
#define DBSYNC_WORKER_PLAN_H

#include "extension/window.h"
#include "worker/relay.h"
#include "worker/subscription.h"

/*
 * The place (see dbsync_members_place) of the last TRUNCATE of a table in the cut; rows
 * before it do not matter.  Needs SPI.
 */
extern bool dbsync_plan_last_truncate(DbsyncSubscription *subscription,
									  DbsyncTable *table, const DbsyncCutTable *cut,
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
 * Send the cut's rows of one table to the relay; of a table that is being copied,
 * only the part copied already.  Needs SPI.  Raises an error when it does not find
 * exactly the rows that the headers announce.
 */
extern void dbsync_plan_read_cut(DbsyncSubscription *subscription, DbsyncTable *table,
								 const DbsyncCutTable *cut, const DbsyncReadCut *how,
								 DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_PLAN_H */
