/*-------------------------------------------------------------------------
 *
 * worker/source/source.h
 *	  The source as a batch sees it: windows, their cuts, and the rows of a cut.
 *
 * A window is what is visible in its "upto" and not had yet by a position; a cut is its
 * next piece in closing order, and says of each table how many rows it has and where they
 * lie.  Once they are read and on the target, the window is moved past them.
 *
 *	dbsync_completion_lock()	before S is taken: tables that rows are completed from
 *	dbsync_window_begin()		up to S
 *	dbsync_window_next()		a cut; NULL: nothing is left
 *	dbsync_turns_read()			of its tables that changed: what happened to them
 *	dbsync_read_last_truncate()	of its tables that were truncated
 *	dbsync_read_cut()			table by table, once or several times
 *	dbsync_cut_free()			what was read, or is not wanted
 *	dbsync_window_pass()		the target has it; then the next one
 *	dbsync_window_end()
 *
 * All but the first, dbsync_cut_free(), dbsync_window_pass() and dbsync_window_end() read
 * on the active snapshot.  It must see at least what "upto" sees, and where rows are read
 * it must be S, the batch's.
 *
 * Who works on a source needs nothing else of how it was captured.  First copies read the
 * tables themselves, which is another matter, with headers of its own: a captured table
 * opened by its key's index (DbsyncCapturedTable), and the order of its keys
 * (dbsync_keys_order() and the like).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_SOURCE_H
#define DBSYNC_WORKER_SOURCE_SOURCE_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/block.h"
#include "utils/palloc.h"
#include "utils/tuplestore.h"

#include "extension/log/header.h"
#include "worker/position.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/snapshot.h"
#include "worker/subscription.h"
#include "worker/table.h"

typedef struct DbsyncWindow DbsyncWindow;

/*
 * The rows of one captured table in a cut, and of one shape.  A cut of several shapes has
 * several of a table, in the order of their shapes.
 */
typedef struct DbsyncCutTable
{
	int			captured_id;
	int			shape_id;
	int64		inserts;
	int64		updates;
	int64		deletes;
	int64		truncates;
	int64		resolved;
	int64		statements;		/* in which they were captured */
	int64		marked;			/* updates that do not have all columns */
	int64		keys;			/* of these, keys alone, of rows to be read from the table */
	int64		turns;			/* above 0: the table takes this shape before these rows */
	List	   *segments;		/* of DbsyncCutSegment */
	List	   *gone;			/* of DbsyncGone, in the order of their places */
} DbsyncCutTable;

/* at this place among the rows a partition was emptied, or left the table, with all its rows */
typedef struct DbsyncGone
{
	int64		place;
	bool		left;
	const char *bound;			/* the condition that was true of them alone; NULL: there is none */
} DbsyncGone;

/* those of them that one segment holds, or headers in its place */
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

/* the next piece of a window: one batch, or a part of one */
typedef struct DbsyncCut
{
	XLogRecPtr	closing;		/* of the last transaction in it */
	uint64		closing_xid;
	bool		exhausts;		/* the window ends with it */
	char	   *route;			/* of its changes; NULL: made on this very database */
	int			ntransactions;
	uint64		xids[DBSYNC_CUT_KNOWN];	/* of the first ones */
	int64		rows;			/* of the tables asked for */
	int64		turns;			/* above 0: tables change in its last transaction, which
								 * alone has rows */
	uint64		turn_xid;		/* that transaction, */
	int			turn_rank;		/* and its rank */
	int64		lag_rows;		/* rows and bytes that leave the lag with it, */
	int64		lag_bytes;		/* tables of other subscriptions included */
	List	   *tables;			/* of DbsyncCutTable */
	int			nstores;		/* tuplestores for carried rows, made so far */
	struct DbsyncMembers *members;	/* those with rows in segments; the window's: they
									 * are this cut's until the next one is made */
} DbsyncCut;

/* what a caller wants of a window, and so of its cuts */
typedef struct DbsyncCutRequest
{
	/* the shape of the segment that holds a part's rows; 0: the table is of no interest */
	int			(*shape_of) (const DbsyncPart *part, void *arg);
	void	   *arg;
	/* transactions that have one of these databases in their route are passed over */
	const List *target_identities;
	bool		local_only;		/* and all that were not made here */
	int64		max_rows;		/* cut once it has as many */
	XLogRecPtr	ledger_lsn;		/* of the target's ledger, and the server */
	TimestampTz ledger_start;	/* start it was written under */
} DbsyncCutRequest;

/* what happens to a table where a cut says that it takes another shape */
typedef struct DbsyncTurn
{
	bool		copies;			/* its rows have got values that were not captured */
	const char *reason;			/* of the copy */
	List	   *missing;		/* of DbsyncMissing */
} DbsyncTurn;

/* the value of a column that is added, in rows that are there already */
typedef struct DbsyncMissing
{
	AttrNumber	number;
	const char *value;			/* as text */
} DbsyncMissing;

/* how a cut is to be read */
typedef struct DbsyncReadCut
{
	DbsyncRelayWhat what;
	bool		fold;			/* the last state of each key, or without a key how many of each
								 * row; else every row */
	bool		marks;			/* some rows say that columns are untouched ... */
	bool		complete;		/* ... and they are to be filled in from the table */
	int64		after;			/* only what is behind this place; 0: everything */
	int64		before;			/* and only what is before this one; 0: to the end */
} DbsyncReadCut;

/*
 * Lock a table that rows may have to be completed from, without waiting; before S is
 * taken.  table->lock says what came of it.
 */
extern void dbsync_completion_lock(DbsyncTable *table);

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

extern DbsyncLag dbsync_window_lag(const DbsyncWindow *window);

/*
 * What is behind the position now, in the active snapshot; of the transactions passed
 * already in a window that is being worked off, those count that close behind its end.
 */
extern DbsyncLag dbsync_window_waiting(const DbsyncPosition *position,
									   List *header_segments);

/*
 * Is there a header of this transaction with this closing LSN, written by a
 * server that was started at "start" or before?  (One that was put back and does
 * the like of what it did can come to the same id at the same LSN.)
 */
extern bool dbsync_headers_know(List *header_segments, uint64 xid,
								XLogRecPtr closing, TimestampTz start);

/*
 * The next cut, allocated in CurrentMemoryContext; NULL when nothing is left.  Rows of
 * the one before it cannot be read any more.  Does not move the window:
 * dbsync_window_pass() does, once the cut is on the target.  Transactions of one cut
 * share one route.
 *
 * Raises an error if a transaction of a later server start closed at or before
 * ledger_lsn: this server was rolled back and hands positions out again.
 */
extern DbsyncCut *dbsync_window_next(DbsyncWindow *window,
									 const DbsyncCutRequest *request);

extern void dbsync_window_pass(DbsyncWindow *window, const DbsyncCut *cut);

/*
 * Let go of a cut's carried rows, which may be in temporary files: before the
 * transaction ends.
 */
extern void dbsync_cut_free(DbsyncCut *cut);

/* Rows of a table in a cut, but for TRUNCATEs. */
static inline int64
dbsync_cut_table_rows(const DbsyncCutTable *table)
{
	return table->inserts + table->updates + table->deletes + table->resolved;
}

/* Is it certain that no key is in it twice? */
extern bool dbsync_cut_table_is_distinct(const DbsyncCutTable *table);

/*
 * The shape of a table's rows in a cut; its segments are all of one.  Error if they are
 * not, or if there are none.
 */
extern const DbsyncTableShape *dbsync_read_shape(DbsyncSubscription *subscription,
												 const DbsyncTable *table,
												 const DbsyncCutTable *cut_table);

/*
 * What happened to a table in a cut as it took the shapes with ids above "before" and up to
 * "upto", all told; in CurrentMemoryContext, in the current transaction.
 */
extern DbsyncTurn *dbsync_turns_read(const DbsyncCut *cut, int captured_id, int before, int upto);

/*
 * Find out which turns of a cut are not of shapes: they are taken out of the number of turns of
 * their tables, and added to what is gone there.  Connects to SPI itself; allocates in
 * CurrentMemoryContext, which must live as long as the cut.
 */
extern void dbsync_turns_find_gone(DbsyncCut *cut);

/*
 * The place (see dbsync_members_place()) of the last TRUNCATE of a table in the cut; rows
 * before it do not matter.  False if there is none.
 */
extern bool dbsync_read_last_truncate(DbsyncSubscription *subscription,
									  const DbsyncTable *table, const DbsyncCut *cut,
									  const DbsyncCutTable *cut_table, int64 *place);

/*
 * Send the cut's rows of one table to the relay, as the table's owner; of a table that
 * is being copied, only the part copied already.  Raises an error when it does not
 * find exactly the rows that the headers announce.
 */
extern void dbsync_read_cut(DbsyncSubscription *subscription, DbsyncTable *table,
							const DbsyncCut *cut, const DbsyncCutTable *cut_table,
							const DbsyncReadCut *how, DbsyncRelay *relay);

/* Told before the row of a key goes to the relay: which key it is. */
typedef void (*DbsyncLookupEach) (int number, void *arg);

/*
 * Rows of a table that was locked by dbsync_completion_lock(), or as that does it, by their keys (a List of Datum *, none of them
 * twice), as the active snapshot shows them, in any order, to a relay of changes, or of keys.  gone: those that are not
 * there are sent as deletions.  All as the table's owner (dbsync_owner_begin()).  Error if two rows have one key.
 */
extern void dbsync_lookup(const DbsyncTable *table, const DbsyncTableShape *shape, const List *keys, bool gone,
						  DbsyncRelayWhat what, DbsyncRelay *relay, DbsyncLookupEach each, void *arg);

/* Keys from their text (a List of char **), in their order; NULL: none of this table, whose types cannot read it. */
extern List *dbsync_lookup_keys(const DbsyncTableShape *shape, const List *texts);

/* The same, but of keys that are equal one is left, and none that cannot be read. */
extern List *dbsync_lookup_distinct(const DbsyncTableShape *shape, const List *texts);

#endif							/* DBSYNC_WORKER_SOURCE_SOURCE_H */
