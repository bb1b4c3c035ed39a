/*-------------------------------------------------------------------------
 *
 * worker/receive/cache.h
 *	  The folder of bundles that were proved: which are there, and which comes next.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_CACHE_H
#define DBSYNC_WORKER_RECEIVE_CACHE_H

#include "worker/bundle/reader.h"
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

/* Read which files are there, if that has not been done for this subscription; after dbsync_bundles_forget() anew. */
extern void dbsync_bundles_load(const DbsyncReceiver *receiver);
extern void dbsync_bundles_forget(void);

/* Where one is, palloc'd. */
extern char *dbsync_bundles_path(const DbsyncReceiver *receiver, int64 chain, int64 number);

/* NULL: it is not there. */
extern DbsyncCached *dbsync_bundles_find(int64 chain, int64 number);

/* What is known of a bundle that is open. */
extern DbsyncCached dbsync_bundles_describe(const DbsyncBundleReader *reader, int64 size);

/* One has come in, and lies where dbsync_bundles_path() says. */
extern void dbsync_bundles_add(const DbsyncCached *cached);

/* Read what is not known of one; false: the file cannot be believed any more, and was taken away. */
extern bool dbsync_bundles_learn(const DbsyncReceiver *receiver, DbsyncCached *cached);

/*
 * What comes next for a target that is at this place?  Raises an error, with receiving->stop set, where nothing can: a
 * bundle does not go on from the one before, or the target's place cannot be right.
 */
extern DbsyncNext dbsync_bundles_next(DbsyncReceiving *receiving);

/* Error: receiving->too_new has come, and cannot be read here.  Also before the receiver knows its subscription. */
extern void dbsync_bundles_refuse_too_new(DbsyncReceiving *receiving);

/* Error: the target's row says what cannot be. */
extern void dbsync_bundles_refuse_ledger(DbsyncReceiving *receiving, const char *problem);

/* Files that were not played yet: how many, and their bytes. */
extern int	dbsync_bundles_waiting(const DbsyncPlace *place, int64 *bytes);

/* The highest number of a chain; 0: there is none. */
extern int64 dbsync_bundles_highest(int64 chain);

/* The first number behind this one that is not there. */
extern int64 dbsync_bundles_first_gap(int64 chain, int64 number);

/*
 * Take away what was played long enough ago, oldest first, or is of a chain that was given up; all of it, where there is no
 * room for what comes.
 */
extern void dbsync_bundles_tidy(DbsyncReceiving *receiving, bool lacks_room);

#endif							/* DBSYNC_WORKER_RECEIVE_CACHE_H */
