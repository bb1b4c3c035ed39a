/*-------------------------------------------------------------------------
 *
 * worker/source/window.h
 *	  Windows: which transactions come next, and where their rows lie.
 *
 * A window is what is visible in its "upto" and not had yet by a position; a cut is its next piece in closing order.
 *
 * Used by the worker.  Everything here needs an active snapshot that sees at
 * least what "upto" sees.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_WINDOW_H
#define DBSYNC_WORKER_SOURCE_WINDOW_H

#include "worker/position.h"
#include "worker/snapshot.h"
#include "worker/source/cut.h"

typedef struct DbsyncWindow DbsyncWindow;

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
 * The next cut, allocated in CurrentMemoryContext; NULL when nothing is left.  Its
 * transactions are those that dbsync_members_rank() knows until the next call.
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

extern void dbsync_window_pass(DbsyncWindow *window, const DbsyncCut *cut);

#endif							/* DBSYNC_WORKER_SOURCE_WINDOW_H */
