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

/* a place in a cut: rank of the transaction, and number of the row in it */
typedef struct DbsyncPlace
{
	int32		rank;
	int64		no;
} DbsyncPlace;

/*
 * The last TRUNCATE of a table in the cut; rows before it do not matter.
 * Needs SPI.
 */
extern bool dbsync_plan_last_truncate(DbsyncSubscription *subscription,
									  DbsyncTable *table, const DbsyncCutTable *cut,
									  DbsyncPlace *place);

/* how a cut is to be read */
typedef struct DbsyncReadCut
{
	DbsyncRelayWhat what;
	bool		fold;			/* the last state of each key, else every row */
	bool		marks;			/* some rows say that columns are untouched ... */
	bool		complete;		/* ... and they are to be filled in from the table */
	const DbsyncPlace *after;	/* only what is behind it; NULL: everything */
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
