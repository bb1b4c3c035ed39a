/*-------------------------------------------------------------------------
 *
 * worker/receive/next.h
 *	  Which bundles of the cache come next for a target that is at some place, or why none can.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_NEXT_H
#define DBSYNC_WORKER_RECEIVE_NEXT_H

#include "worker/receive/receive.h"

/* what is to be done */
typedef enum DbsyncNextKind
{
	DBSYNC_NEXT_NOTHING,		/* nothing is there that comes next, and nothing is missed */
	DBSYNC_NEXT_WAIT,			/* for a number, behind which there are others, or in whose batch */
	DBSYNC_NEXT_BATCH,			/* to play it */
	DBSYNC_NEXT_CHAIN			/* to begin another chain with it, and play it */
} DbsyncNextKind;

typedef struct DbsyncNext
{
	DbsyncNextKind kind;
	int64		chain;
	int64		number;			/* WAIT: the one that is missing; else the first of the batch */
	int			nfiles;			/* of the batch */
	int64		rows;
} DbsyncNext;

/*
 * What comes next for a target that is at this place?  Raises an error, with receiving->stop set, where nothing can: a
 * bundle does not go on from the one before, or the target's place cannot be right.
 */
extern DbsyncNext dbsync_bundles_next(DbsyncReceiving *receiving);

/* What the source calls the subscription, as a bundle or the ledger says: for hints on what to do there. */
extern void dbsync_bundles_are_called(DbsyncReceiving *receiving, const char *subscription_name);

/* Error: receiving->too_new has come, and cannot be read here.  Also before the receiver knows its subscription. */
extern void dbsync_bundles_refuse_too_new(DbsyncReceiving *receiving);

/* Error: the target's row says what cannot be. */
extern void dbsync_bundles_refuse_ledger(DbsyncReceiving *receiving, const char *problem);

#endif							/* DBSYNC_WORKER_RECEIVE_NEXT_H */
