/*-------------------------------------------------------------------------
 *
 * worker/batch/held.h
 *	  Tables that stand still at a position of their own: which, why, and until when.
 *
 * What the target refuses of one table is no reason for the others to wait.  Such a table
 * is held: its part in the ledger gets the position just before the cut that was refused,
 * windows pass it by, and when the obstacle has gone it catches up in batches of its own.
 *
 *	dbsync_held_ask()		before the target is asked about one table
 *	dbsync_held_answered()	it has not refused
 *	dbsync_held_judge()		after an error: is one table to be held, or to stay so?
 *	dbsync_held_next()		the one whose turn it is to catch up
 *
 * The rest is worker/batch/catch_up.h (holding one, and letting it catch up) and
 * worker/batch/held_note.h (what the source's catalog says of it).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_HELD_H
#define DBSYNC_WORKER_BATCH_HELD_H

#include "worker/table.h"
#include "worker/work.h"

/*
 * From here to dbsync_held_answered(), what the target refuses is because of this table: it is
 * held just before the batch under way.
 */
extern void dbsync_held_ask(DbsyncWork *work, const DbsyncTable *table);
extern void dbsync_held_answered(DbsyncWork *work);

/*
 * After an error, before the target is let go of: does it concern one table alone, so that
 * the others go on?  Then dbsync_catch_up_see_to() holds it, if it is not held already; or it is
 * looked up at the target once more first, as its types may have changed.
 */
extern bool dbsync_held_judge(DbsyncWork *work, const ErrorData *edata);

/* Is it to be held, as soon as it has a place to stand still at? */
extern bool dbsync_held_is_due(const DbsyncWork *work, const DbsyncTable *table);

/* What people are told of a table: why it is held, and what to do; NULL: nothing. */
extern void dbsync_held_say(DbsyncTable *table, const char *reason, const char *action);

/* After an attempt that failed: not before a pause that grows each time. */
extern void dbsync_held_try_later(DbsyncTable *table);

/* How rows of the batch that has just failed are sent: those of the one that caught up, or all others. */
extern DbsyncSendAs *dbsync_held_send_as(DbsyncWork *work);

/* The one that is to catch up next; NULL: none now. */
extern DbsyncTable *dbsync_held_next(const DbsyncWork *work);

/*
 * Has somebody made by hand what the table is held for, by his word?  Good for one attempt
 * that gets on: once its part has moved it says nothing.
 */
extern bool dbsync_held_is_done(const DbsyncTable *table);

/* Does the catalog not know yet whether the table is held, or for what? */
extern bool dbsync_held_lacks_note(const DbsyncTable *table);

/* Is a table catching up, or about to, so that who waits is to wait for it, too? */
extern bool dbsync_held_is_under_way(const DbsyncTable *table);

/* Is any?  And when will one be, in ms?  LONG_MAX: none. */
extern bool dbsync_held_is_any_under_way(const DbsyncWork *work);
extern long dbsync_held_pause(const DbsyncWork *work);

/* Where a held table is; in CurrentMemoryContext. */
extern DbsyncPosition dbsync_held_position(const DbsyncTable *table);

/* It is at this position; NULL: where its subscription is.  To be written with the next batch. */
extern void dbsync_held_set_position(DbsyncWork *work, DbsyncTable *table, const DbsyncPosition *position);

/* Forget how far the one that catches up has come in its window. */
extern void dbsync_held_end_window(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_BATCH_HELD_H */
