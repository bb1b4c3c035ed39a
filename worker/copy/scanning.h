/*-------------------------------------------------------------------------
 *
 * worker/copy/scanning.h
 *	  Scans of tables that are read by a column of their own.
 *
 * In the order of the calls, once a batch: look, lock, (S), open, send, (commit), reach.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_SCANNING_H
#define DBSYNC_WORKER_COPY_SCANNING_H

#include "worker/table.h"
#include "worker/work.h"

/*
 * Before the batch's transaction, in one of its own: if a table is due to be scanned, or its first copy to
 * begin, see since when others' transactions have been open.  Error if that cannot be seen.  asked: tickets
 * of wait_for() that were drawn before.
 */
extern void dbsync_scanning_look(DbsyncWork *work, uint64 asked);

/* Lock those that are due, without waiting; in CurrentMemoryContext. */
extern List *dbsync_scanning_lock(DbsyncWork *work, uint64 asked);

/*
 * Error if its rows come from elsewhere, or the target checks foreign keys of it: what cannot be known before, or
 * may have changed since it was added.
 */
extern void dbsync_scanning_check(const DbsyncTable *table);

/* With S taken: open them at the target, and see how many rows there are. */
extern void dbsync_scanning_open(DbsyncWork *work, List *tables);
extern int64 dbsync_scanning_expected(const List *tables);

/* Send their rows within the batch that is open; returns how many. */
extern int64 dbsync_scanning_send(DbsyncWork *work, List *tables);

/* The target has committed them. */
extern void dbsync_scanning_reach(DbsyncWork *work, List *tables, uint64 asked);

/* Where scans go on, or begin: in place of what the part says of the key, or behind it. */
extern void dbsync_scanning_mark(const DbsyncTable *table, DbsyncLedgerPart *part, bool complete);

#endif							/* DBSYNC_WORKER_COPY_SCANNING_H */
