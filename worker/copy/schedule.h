/*-------------------------------------------------------------------------
 *
 * worker/copy/schedule.h
 *	  Which table is copied next, which one again later, and how far copies have come.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_SCHEDULE_H
#define DBSYNC_WORKER_COPY_SCHEDULE_H

#include "worker/table.h"
#include "worker/work.h"

/* The table whose first copy goes on next, or NULL. */
extern DbsyncTable *dbsync_schedule_next_table(DbsyncWork *work);

/* It, and those (DbsyncTable) that must be copied in the same batch, whole: a circle of foreign keys. */
extern List *dbsync_schedule_with(DbsyncWork *work, DbsyncTable *table);

/*
 * It, and those that are emptied before its first chunk, as their rows reference its own and will be copied
 * after it: parents first.  Error if rows would be lost that are not copied anew.
 */
extern List *dbsync_schedule_emptied_with(DbsyncWork *work, DbsyncTable *table);

/* Error: the table cannot be emptied, as rows of the other one reference it, and stay. */
pg_noreturn extern void dbsync_schedule_refuse_emptying(const DbsyncWork *work, const DbsyncTable *table, const DbsyncTable *child);

/*
 * Those that are emptied now, though their copy waits for what they reference; none of "but".  Once for each connection.
 */
extern List *dbsync_schedule_to_empty(DbsyncWork *work, const List *but);

/*
 * Error if its rows need those of a table that does not come by itself, or if rows need its own that are not
 * copied anew.
 */
extern void dbsync_schedule_check_ties(const DbsyncWork *work, const DbsyncTable *table);

/*
 * Tables whose first copy has not begun, and that may be small enough to be copied together with
 * the first, which is one of them; in CurrentMemoryContext.  Not too many for one transaction's locks.
 */
extern List *dbsync_schedule_more_tables(DbsyncWork *work, const DbsyncTable *first);

/* Is it such a one, and has so few pages that it is to be copied whole?  It must be locked. */
extern bool dbsync_schedule_is_small(const DbsyncTable *table);

/*
 * Note the progress of tables whose note is due in the source's catalog.  After a
 * failure the ledger must have been read again: what was meant to be may not be.
 */
extern void dbsync_schedule_note_progress(DbsyncWork *work);

/* Is there progress that is not noted yet? */
extern bool dbsync_schedule_note_is_due(const DbsyncWork *work);

/*
 * After an error, before the target is let go of: if it came from a table's first copy, that copy is tried
 * again later, and the other tables go on meanwhile.  True if so.
 */
extern bool dbsync_schedule_put_off(DbsyncWork *work, const ErrorData *edata);

/* Is any table still to be copied, or half copied, and not held? */
extern bool dbsync_schedule_is_pending(const DbsyncWork *work);

/* Is any copy put off? */
extern bool dbsync_schedule_is_put_off(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_COPY_SCHEDULE_H */
