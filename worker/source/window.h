/*-------------------------------------------------------------------------
 *
 * worker/source/window.h
 *	  Windows: which transactions come next, and where their rows lie.
 *
 * A position says which transactions a target has: those visible in snapshot
 * "after" and, while a long window is being worked off, of those visible in
 * "upto" the ones that closed at or before a closing LSN.  A window is what is
 * visible in "upto" and not had yet; a cut is its next piece in closing order.
 *
 * Used by the worker.  Everything here needs an active snapshot that sees at
 * least what "upto" sees.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_WINDOW_H
#define DBSYNC_WORKER_SOURCE_WINDOW_H

#include "access/xlogdefs.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "utils/tuplestore.h"

#include "extension/log/header.h"
#include "worker/snapshot.h"

typedef struct DbsyncPosition
{
	DbsyncSnapshot *after;
	DbsyncSnapshot *upto;		/* NULL: no window is begun */
	XLogRecPtr	closing;		/* of the last transaction passed; 0: none */
	uint64		closing_xid;
} DbsyncPosition;

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

typedef struct DbsyncWindow DbsyncWindow;

typedef struct DbsyncWindowLag
{
	int64		rows;
	int64		bytes;
	TimestampTz oldest;			/* 0: nothing pending */
} DbsyncWindowLag;

/*
 * Begin a window in a context of its own below "parent": up to "upto", or up to
 * the position's own upto if it has one.  header_segments: oids of all header
 * segments.
 */
extern DbsyncWindow *dbsync_window_begin(MemoryContext parent,
										 const DbsyncPosition *position,
										 const DbsyncSnapshot *upto,
										 List *header_segments);

extern void dbsync_window_end(DbsyncWindow *window);

extern const DbsyncSnapshot *dbsync_window_upto(const DbsyncWindow *window);

/* Nothing (more) in it? */
extern bool dbsync_window_is_empty(DbsyncWindow *window);

extern DbsyncWindowLag dbsync_window_lag(const DbsyncWindow *window);

/*
 * What is behind the position now, in the active snapshot; of the transactions passed
 * already in a window that is being worked off, those count that close behind its end.
 */
extern DbsyncWindowLag dbsync_window_waiting(const DbsyncPosition *position,
											 List *header_segments);

/* what a caller wants of a window */
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

/*
 * The next cut, allocated in CurrentMemoryContext; NULL when nothing is left.  Its
 * transactions are those that members.h knows until the next call.
 * Does not move the window: dbsync_window_pass() does, once the cut is on the
 * target.  Transactions of one cut share one route.
 *
 * Raises an error if a transaction of a later server start closed at or before
 * ledger_lsn: this server was rolled back and hands positions out again.
 */
extern DbsyncCut *dbsync_window_next(DbsyncWindow *window,
									 const DbsyncCutRequest *request);

/*
 * Is there a header of this transaction with this closing LSN, written by a
 * server that was started at "start" or before?  (One that was put back and does
 * the like of what it did can come to the same id at the same LSN.)  Needs an
 * active snapshot.
 */
extern bool dbsync_window_knows(List *header_segments, uint64 xid,
								XLogRecPtr closing, TimestampTz start);

/*
 * Let go of a cut's carried rows, which may be in temporary files: before the
 * transaction ends.
 */
extern void dbsync_cut_free(DbsyncCut *cut);

extern void dbsync_window_pass(DbsyncWindow *window, const DbsyncCut *cut);

#endif							/* DBSYNC_WORKER_SOURCE_WINDOW_H */
