/*-------------------------------------------------------------------------
 *
 * extension/capture/transaction.h
 *	  What the current transaction has captured, and its savepoints.
 *
 * Everything here lives in TopTransactionContext and is gone with the
 * transaction.  What a subtransaction did to it is taken back when the
 * subtransaction aborts: whoever changes a struct that begins with a level
 * calls dbsync_transaction_save() first.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_TRANSACTION_H
#define DBSYNC_EXTENSION_CAPTURE_TRANSACTION_H

#include "access/xact.h"
#include "extension/log/header.h"
#include "extension/log/packed.h"
#include "nodes/pg_list.h"

/* busy periods kept apart for the reading at commit; more make the last wider */
#define DBSYNC_MAX_INTERVALS	8

/* what was written into one segment */
typedef struct DbsyncWritten
{
	int			level;			/* first: see dbsync_transaction_save */
	DbsyncPart	part;
	int64		bytes;
	Oid			segment;
	int			shape_id;		/* of the rows in it */
	bool		locked;			/* by us, and the header segment with it */
	struct DbsyncWritten *next;
} DbsyncWritten;

/* statements on one table: how many are open, and which periods to doubt */
typedef struct DbsyncPeriods
{
	int			level;			/* first: see dbsync_transaction_save */
	int			open;			/* statements begun and not ended */
	int			captures;		/* with rows, since the first was begun */
	const void *plan;			/* upsert that opened them all, or NULL */
	int64		first;			/* dbsync_no at which the period began */
	int			nintervals;		/* flagged periods, as inclusive dbsync_no */
	int64		from[DBSYNC_MAX_INTERVALS];
	int64		to[DBSYNC_MAX_INTERVALS];

	/* TRUNCATE: between its BEFORE and AFTER triggers rows may be on either side of it */
	int			truncating;		/* commands begun and not ended */
	int64		truncate_first; /* dbsync_no at which the outermost began */
	int64		truncate_rows;	/* rows captured of the table by then */
	int64		truncated_from; /* rows of this period are all doubted; 0: none */
	int64		truncated_to;
} DbsyncPeriods;

/* one table that the transaction has begun to write to */
typedef struct DbsyncTouched
{
	Oid			relid;
	DbsyncPeriods periods;
	DbsyncWritten *written;		/* the segment written last comes first */
	List	   *truncated;		/* relations of a partitioned table that a TRUNCATE names */
	struct DbsyncTouched *next;
} DbsyncTouched;

/* whether we hold the lock on the header segment */
typedef struct DbsyncHeaderLock
{
	int			level;			/* first: see dbsync_transaction_save */
	bool		held;
} DbsyncHeaderLock;

/* rows that wait for the header */
typedef struct DbsyncCarried
{
	int			level;			/* first: see dbsync_transaction_save */
	Size		used;			/* bytes */
} DbsyncCarried;

typedef struct DbsyncTransaction
{
	uint64		serial;			/* tells this transaction's things from older */
	bool		begun;
	bool		closed;			/* as of commit: nothing more may be captured */
	bool		wake;			/* workers have something to look at */
	bool		header_written;
	uint64		generation;		/* configuration as it began to write */
	DbsyncHeaderLock header_lock;
	DbsyncCarried carried;
	int64		next_no;		/* dbsync_no of the next captured row */
	DbsyncTouched *touched;
} DbsyncTransaction;

extern DbsyncTransaction dbsync_transaction;

/* Make room and register callbacks; called once, from dbsync_commit_init. */
extern void dbsync_transaction_init(void);

/* First use in a transaction: start with a clean slate.  Else does nothing. */
extern void dbsync_transaction_begin(void);

/* A new entry for a table that this transaction has not touched yet. */
extern DbsyncTouched *dbsync_transaction_touch(Oid relid);

/* The table's entry for a segment, made if it is not there. */
extern DbsyncWritten *dbsync_transaction_written(DbsyncTouched *touched, int captured_id,
												 int segment_id, Oid segment, int shape_id);

/* How many rows were written into one segment. */
extern int64 dbsync_transaction_part_rows(const DbsyncPart *part);

/* Forget everything; called as the transaction ends, when its memory is about to go. */
extern void dbsync_transaction_forget(void);

/* Is it worth asking dbsync_transaction_carry? */
extern bool dbsync_transaction_can_carry(void);

/*
 * Have the transaction's header take a row along that would fit into the segment.  False
 * if it has no room for it, or the row has values out of line.
 */
extern bool dbsync_transaction_carry(int segment_id, HeapTuple tuple);

/*
 * Have the header take a row along that does not fit on a page, whatever room there is.
 * Values out of line must have been fetched.  Error beyond 16 MB of such rows.
 */
extern void dbsync_transaction_carry_wide(int segment_id, HeapTuple tuple, const char *table);

/* The rows that the header is to take along, for dbsync_carried_next(); good until the next is put. */
extern DbsyncPacked dbsync_transaction_carried(void);

/* How many rows were captured of the table so far. */
extern int64 dbsync_transaction_rows(const DbsyncTouched *touched);

/* Have the workers woken if this transaction commits. */
extern void dbsync_transaction_wake_at_commit(void);

/* Keep a copy of the object for the abort of the current subtransaction. */
extern void dbsync_transaction_keep(int *level, Size size);

/*
 * To be called before changing an object whose first field is its level.
 * Cheap: only the first change in a subtransaction makes a copy.
 */
#define dbsync_transaction_save(object) \
	do { \
		if (GetCurrentTransactionNestLevel() > (object)->level) \
			dbsync_transaction_keep(&(object)->level, sizeof(*(object))); \
	} while (0)

#endif							/* DBSYNC_EXTENSION_CAPTURE_TRANSACTION_H */
