/*-------------------------------------------------------------------------
 *
 * worker/source/cut.h
 *	  A cut: the next piece of a window, which is one batch, with what its headers say
 *	  of each table, added up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_CUT_H
#define DBSYNC_WORKER_SOURCE_CUT_H

#include "access/xlogdefs.h"
#include "extension/log/header.h"
#include "nodes/pg_list.h"
#include "utils/tuplestore.h"
#include "worker/relay.h"

/* the rows of one captured table in a cut */
typedef struct DbsyncCutTable
{
	int			captured_id;
	int64		inserts;
	int64		updates;
	int64		deletes;
	int64		truncates;
	int64		resolved;
	int64		statements;		/* in which they were captured */
	int64		marked;			/* updates with columns marked as untouched */
	List	   *segments;		/* of DbsyncCutSegment */
} DbsyncCutTable;

/* Rows of a table in a cut, but for TRUNCATEs. */
static inline int64
dbsync_cut_table_rows(const DbsyncCutTable *table)
{
	return table->inserts + table->updates + table->deletes + table->resolved;
}

/* Those of its rows, TRUNCATEs among them, that headers carry. */
extern int64 dbsync_cut_table_carried(const DbsyncCutTable *table);

/* Is it certain that no key is in it twice? */
extern bool dbsync_cut_table_is_distinct(const DbsyncCutTable *table);

typedef struct DbsyncCutSegment
{
	int			segment_id;
	int			n;				/* ranges, in use and allocated */
	int			allocated;
	BlockNumber *first;			/* inclusive; sorted and disjoint */
	BlockNumber *last;
	int64		ncarried;		/* rows that headers carry */
	Tuplestorestate *carried;	/* they, numbered by their places; NULL: none */
} DbsyncCutSegment;

/* so many of a cut's transactions are known by their ids */
#define DBSYNC_CUT_KNOWN	16

/* the next piece of a window: one batch */
typedef struct DbsyncCut
{
	XLogRecPtr	closing;		/* of the last transaction in it */
	uint64		closing_xid;
	bool		exhausts;		/* the window ends with it */
	char	   *route;			/* of its changes; NULL: made on this very database */
	int			ntransactions;
	uint64		xids[DBSYNC_CUT_KNOWN];	/* of the first ones */
	int64		rows;			/* of the tables asked for */
	int64		lag_rows;		/* rows and bytes that leave the lag with it, */
	int64		lag_bytes;		/* tables of other subscriptions included */
	List	   *tables;			/* of DbsyncCutTable */
	int			nstores;		/* tuplestores for carried rows, made so far */
} DbsyncCut;

/* what a caller wants of a window, and so of its cuts */
typedef struct DbsyncCutRequest
{
	/* is a table of interest, of which this segment holds rows? */
	bool		(*wants) (int captured_id, int segment_id, void *arg);
	void	   *arg;
	/* transactions that have one of these databases in their route are passed over */
	const List *target_identities;
	bool		local_only;		/* and all that were not made here */
	int64		max_rows;		/* cut once it has as many */
	XLogRecPtr	ledger_lsn;		/* of the target's ledger, and the server */
	TimestampTz ledger_start;	/* start it was written under */
} DbsyncCutRequest;

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
 * Add a transaction's rows in the tables that the request wants; rank: its place in closing
 * order.  Returns whether some of them are to be looked for in segments.  Called by
 * dbsync_window_next() only, as is the next one.
 */
extern bool dbsync_cut_add(DbsyncCut *cut, const DbsyncHeader *header, int rank,
						   const DbsyncCutRequest *request);

/* No more will come: sort and join the block ranges. */
extern void dbsync_cut_finish(DbsyncCut *cut);

/*
 * Let go of a cut's carried rows, which may be in temporary files: before the
 * transaction ends.
 */
extern void dbsync_cut_free(DbsyncCut *cut);

#endif							/* DBSYNC_WORKER_SOURCE_CUT_H */
