/*-------------------------------------------------------------------------
 *
 * worker/work.h
 *	  One subscription being worked on: what batch, copy, ledger, install and
 *	  retention share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_WORK_H
#define DBSYNC_WORKER_WORK_H

#include "extension/settings.h"
#include "worker/driver/driver.h"
#include "worker/source/window.h"
#include "worker/subscription.h"

typedef struct DbsyncWork
{
	MemoryContext context;		/* as long as the worker */
	MemoryContext batch_context;	/* reset for each batch */
	int			subscription_id;
	uint64		run;			/* not 0: works for this run_once call */
	DbsyncSubscription *subscription;

	/* the target; NULL when not connected */
	DbsyncTarget *target;
	MemoryContext target_context;
	char	   *target_identity;	/* who answered, and all whom the target has been: */
	List	   *target_identities;	/* what has been there does not go back */
	List	   *stale_parts;	/* of DbsyncLedgerPart: of tables no longer in it */
	DbsyncLedger ledger;		/* its row, as last read or written */

	/* where the target is, and the window being worked off */
	MemoryContext position_context;
	DbsyncPosition position;
	DbsyncWindow *window;		/* NULL: none begun */
	bool		caught_up;		/* the last round came as far as its own snapshot */
	bool		careful;		/* the last attempt met a unique clash */
	bool		complete;		/* the last attempt missed a row at the target */
	/* further connections, for first copies */
	struct DbsyncSide *sides[DBSYNC_MAX_COPY_CONNECTIONS - 1];
	int			nsides;
	TimestampTz sides_after;	/* one was not to be had; try again then */

	int			blamed;			/* captured id of the table being copied from, or 0 */
	bool		copy_failed;	/* the last attempt did, in a table's copy */

	int			sending;		/* captured id of the table whose rows are under way, or 0 */
	int			suspend_due;	/* of one that has a row too large to be sent, or 0 */
	ErrorData  *suspended_for;	/* what was said of the last such row */

	/* answers to wait_for */
	uint64		asked;			/* tickets known when the window was begun */

	/* retention */
	TimestampTz retention_due;
	bool		retention_needed;	/* something was captured, or was left over */

	int64		rows;			/* applied since start (run_once reports it) */
} DbsyncWork;

/* --- in ledger.c --- */

/*
 * Connect, see who answers, read the ledger and refuse if it is not ours to
 * continue.  Afterwards position and the tables' parts are as the ledger says.
 * Outside a transaction; raises errors.
 */
extern void dbsync_ledger_attach(DbsyncWork *work);

/* Drop the connection and all that was known through it. */
extern void dbsync_ledger_detach(DbsyncWork *work);

/* Has the target's address or user mapping changed since we connected? */
extern bool dbsync_ledger_is_outdated(void);

/* Set the position; copies. */
extern void dbsync_ledger_set_position(DbsyncWork *work, const DbsyncPosition *position);


/* --- in identity.c --- */

/* The identity of this database (extension/route.h), palloc'd. */
extern char *dbsync_identity_own(void);

/* Who has answered?  Error if it is a copy of this database with its identity. */
extern void dbsync_identity_check(DbsyncWork *work);

/*
 * The ledger has been read, or is about to be made: see to it that it knows who the target
 * is, and take all whom it has been for target_identities.  Error if it is damaged.
 */
extern void dbsync_identity_note(DbsyncWork *work);

/* --- in batch.c --- */

/*
 * Apply the next batch, if there is one; false when nothing is left to do now.
 * Raises errors; the caller then detaches.
 */
extern bool dbsync_batch_run(DbsyncWork *work);

/* Write the position as it is to the ledger.  Outside a transaction. */
extern void dbsync_batch_write_position(DbsyncWork *work);

/* --- in copy.c --- */

/* The table whose first copy goes on next, or NULL. */
extern DbsyncTable *dbsync_copy_next_table(DbsyncWork *work);

/* Look up and check the target's table, once per connection. */
extern void dbsync_copy_open_table(DbsyncWork *work, DbsyncTable *table);

/* The same over another connection; NULL: its fault says why not. */
extern DbsyncTargetTable *dbsync_copy_look_up(DbsyncTarget *target, MemoryContext context,
											  const DbsyncTable *table);

/* Before a batch with a table's first chunk: may it be copied into? */
extern void dbsync_copy_check_target(DbsyncWork *work, DbsyncTable *table);

/*
 * Send the next chunk within the batch that is open; returns rows sent.  Unless it
 * goes alone, chunks that follow it go over the further connections.
 */
extern int64 dbsync_copy_send_chunk(DbsyncWork *work, DbsyncTable *table, bool alone);

/*
 * After that batch's commit: the next connection whose chunk is to be committed
 * now, as a batch of its own that lacks fence and ledger; NULL: there is none.
 */
extern DbsyncTarget *dbsync_copy_next_chunk(DbsyncWork *work, DbsyncTable *table, int64 *rows);

/*
 * Note the progress of tables whose note is due in the source's catalog.  After a
 * failure the ledger must have been read again: what was meant to be may not be.
 */
extern void dbsync_copy_note_progress(DbsyncWork *work);

/* Is there progress that is not noted yet? */
extern bool dbsync_copy_note_is_due(const DbsyncWork *work);

/*
 * After an error: if it came from a table's first copy, that copy is tried
 * again later, and the other tables go on meanwhile.  True if so.
 */
extern bool dbsync_copy_put_off(DbsyncWork *work, int sqlstate);

/* Is any table still to be copied, or half copied? */
extern bool dbsync_copy_is_pending(const DbsyncWork *work);

/* Is any copy put off? */
extern bool dbsync_copy_is_put_off(DbsyncWork *work);

/* --- in reverse.c --- */

/* Before every chunk: error if the target has copied, or is copying, its table to ours. */
extern void dbsync_reverse_check(DbsyncWork *work, const DbsyncTable *table);

/* --- in install.c --- */

/*
 * Install capture on tables that lack it, one transaction each.  A table whose
 * lock is not to be had is left for later, unless "insist"; one with a copy is while
 * there is no connection.  Returns true when all tables are captured.
 */
extern bool dbsync_install_tables(DbsyncWork *work, bool insist);

/* --- in uncopied.c --- */

/* Take the start position of tables without a copy that are captured and have none. */
extern void dbsync_uncopied_begin(DbsyncWork *work);

/*
 * The earliest start position of a subscription's tables, palloc'd; NULL: there is none.
 * In a transaction, with a snapshot.
 */
extern DbsyncSnapshot *dbsync_uncopied_earliest(int subscription_id);

/*
 * The table that becomes live next without a copy, and its start position, palloc'd;
 * NULL: there is none.  Error if the position is beyond it.
 */
extern DbsyncTable *dbsync_uncopied_next(DbsyncWork *work, DbsyncSnapshot **start);

/* --- in retention.c --- */

/*
 * Called with a ledger that has just been read: keeps what a target that was put
 * back lacks from being emptied.  Else does nothing.
 */
extern void dbsync_retention_hold(DbsyncWork *work);

/* Close full segments, and empty those that every subscription has passed. */
extern void dbsync_retention_run(DbsyncWork *work);

/* In how many ms there is a reason to look; LONG_MAX: in none, as far as is known. */
extern long dbsync_retention_pause(const DbsyncWork *work);

/* Next time, look at everything: at the start, and after an error. */
extern void dbsync_retention_reset(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_WORK_H */
