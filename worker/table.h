/*-------------------------------------------------------------------------
 *
 * worker/table.h
 *	  One table of a subscription.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TABLE_H
#define DBSYNC_WORKER_TABLE_H

#include "utils/uuid.h"

#include "extension/shmem.h"
#include "worker/driver/driver.h"
#include "worker/selection.h"
#include "worker/shape.h"
#include "worker/table_scan.h"
#include "worker/table_clock.h"

typedef enum DbsyncTableState
{
	DBSYNC_TABLE_NEW,
	DBSYNC_TABLE_COPYING,
	DBSYNC_TABLE_INDEXING,		/* live, and its target gets further indexes */
	DBSYNC_TABLE_LIVE,
	DBSYNC_TABLE_SUSPENDED
} DbsyncTableState;

/* as the source's catalog has it; error if it has another word */
extern const char *dbsync_table_state_name(DbsyncTableState state);
extern DbsyncTableState dbsync_table_parse_state(const char *name);

/* of the table itself, to be read beside its changes; asked for batch by batch */
typedef enum DbsyncTableLock
{
	DBSYNC_LOCK_NOT_WANTED,
	DBSYNC_LOCK_HELD,
	DBSYNC_LOCK_NOT_HAD
} DbsyncTableLock;

/* of a table that is held, or was: see worker/batch/held.h */
typedef struct DbsyncTableHold
{
	/* as the source's catalog has it */
	char	   *noted;			/* pg_snapshot text: what is kept for it; NULL: it is not held */
	int64		mark;			/* the checksum that its part had then */
	char	   *reason;			/* why, and what helps; as will be noted */
	char	   *action;
	bool		done;			/* somebody says that he has done that */
	bool		blind;			/* has to: what is asked for just now cannot be told by looking */
	char	   *asked;			/* when resume_table() was called last; NULL: never */

	/* state of the work, moved over when the configuration is read again */
	bool		note_due;		/* the catalog does not know of the reason yet */
	TimestampTz retry_at;
	int			failures;
} DbsyncTableHold;

/* of a table whose target was made by the worker: see worker/copy/indexing.h */
typedef struct DbsyncTableIndexing
{
	bool		due;			/* it lacks indexes, as the source's catalog has it */
	List	   *seen;			/* names of those that were made or refused (char *) */
	char	   *note;			/* of what was refused, and why; NULL: nothing was */
	TimestampTz after;			/* something was in the way; try again then */
	int			failures;
} DbsyncTableIndexing;

/* of a table that foreign keys are checked of at the target: see worker/ties.h */
typedef struct DbsyncTableTies
{
	bool		checked;		/* it has such keys, or is referenced by some */
	bool		circle;			/* it is among its own ancestors */
	int			rank;			/* above 0; less than that of its children; one circle's tables have one */
	int			group;			/* above 0; tables that are tied over any number of keys have one */
	List	   *parents;		/* other tables (DbsyncTable) of the subscription that it references, */
	List	   *children;		/* and that reference it */
	bool		emptied;		/* before its copy, as rows of it are in the way of those that it references */
	bool		blocked;		/* held, and what it waits for does not come by itself */
	bool		seen;			/* while they are walked through */
	int			number;
	int			low;
} DbsyncTableTies;

/* of a table whose changes nobody tells, and that is compared with the target on a schedule: capture => 'snapshot' */
typedef struct DbsyncTableSnapshot
{
	DbsyncTableClock clock;
	bool		allow_empty;	/* also where the source has lost most of its rows */
	bool		has_rows;		/* the target has, which are compared: nothing is copied */
} DbsyncTableSnapshot;

typedef struct DbsyncTable
{
	/* from the catalogs */
	int			captured_id;
	MemoryContext context;		/* of all of it, but for the shape and what is the connection's */
	bool		fresh;			/* nobody has asked for rights since it was read */
	TransactionId version[2];	/* who wrote its rows of subscription_table and captured_table */
	Oid			relid;
	bool		captured;		/* triggers are there and active */
	pg_uuid_t	uid;			/* of this attachment */
	const char *target_schema;
	const char *target_table;
	bool		copy_data;
	char	   *start;			/* pg_snapshot text; without a copy, what it does not show is
								 * sent; NULL: with a copy, or not captured yet */
	const char *existing_rows;	/* NULL, "keep", "truncate" */
	DbsyncTableState state;		/* as the source remembers it */
	uint64		dropped;		/* not 0: the table is no more; the transaction that dropped it */
	char	   *discarded;		/* pg_snapshot text or NULL */
	const char *qualified;		/* source name, quoted, as last heard; never read by it */
	NameData	name;			/* what qualified is made of */
	Oid			schema;
	Oid			owner;			/* as last heard: see dbsync_table_owner() */
	const DbsyncTableShape *shape;	/* the one it has now */
	DbsyncSelection *selection; /* what is sent of its rows; NULL: everything */
	int			operations;		/* and of what happens to them: DBSYNC_SENDS_... */
	bool		keys_only;		/* keys are captured, and its rows read again */
	bool		from_wal;		/* by a worker, who does so later than what they tell of is to be seen */
	bool		recorded;		/* by the application, which says no more than that something happened to a key */
	bool		awaits_copy;	/* what was kept for it has been given up: see worker/upkeep/backlog.h */

	/* state of the work, moved over when the configuration is read again */
	DbsyncLedgerPart part;		/* what the target's ledger says */
	bool		part_found;
	bool		part_dirty;		/* to be written with the next batch */
	DbsyncTargetTable *handle;	/* NULL: not looked up yet, or given up */
	int64		used;			/* when a batch used it last, as DbsyncWork.uses counts */
	bool		is_there;		/* the target has it, as this connection has found when nothing was copied yet */
	int			handle_shape;	/* for rows of this shape, */
	int			nsent;			/* of which it has so many columns, */
	const int  *sent;			/* these, -1 where an expression is; NULL: all of them */
	TupleDesc	expressions;	/* types of the expressions, in their order */
	TimestampTz install_after;	/* lock was not to be had; try again then */
	int			install_failures;
	TimestampTz copy_after;		/* copying failed; try again then */
	int			copy_failures;
	int			oversized;		/* attempts in a row that a too large row has ended */
	bool		note_due;		/* progress is to be noted in the catalog */
	DbsyncFlow	copied;			/* by the first copy, that are on the target; rows are as in part */
	DbsyncFlow	copied_next;	/* the same, if what was sent last is there, too */
	int			copied_told;	/* of a doubted chunk: from this number on the driver tells of its rows (DbsyncTarget.parked); counted from 1 */
	char	   *copied_for;		/* why it is copied anew, in words; NULL: it is not, */
	bool		copied_for_noted;	/* or that is in the catalog */
	bool		reads_again;	/* rows of it have been, so that the target has some that are of a later S */
	int64		missing;		/* rows that the target lacked, to be noted in the catalog */
	struct DbsyncParkedKeys *parked;	/* keys that are parked at the target (worker/parked.h), in the connection's memory; NULL: none is */
	char	   *parked_asked;	/* when somebody has asked last to have some of them tried again, as the catalog has it; NULL: that is done */
	TimestampTz parked_after;	/* that was not possible; try again then */
	DbsyncTableLock lock;
	List	   *leaves;			/* partitions that were locked with it, in the batch's memory */
	DbsyncTableHold hold;
	DbsyncTableIndexing indexing;
	char	   *creation_note;	/* why its target could not be made, as the catalog has it; NULL: it
								 * could, or was not tried */
	DbsyncTableTies ties;
	DbsyncTableScan *scan;		/* it is read by a column of its own; NULL: its changes are captured */
	DbsyncTableSnapshot *snapshot;	/* it is compared with the target; NULL: its changes are captured */
	DbsyncTableClock *shadow;	/* they are found by comparing it with a copy; NULL: they are told */
} DbsyncTable;

/* Learn name and owner of the table; in CurrentMemoryContext.  False if it is gone. */
extern bool dbsync_table_read_name(DbsyncTable *table);

/*
 * The role that owns the table now: as whom to read its values (dbsync_owner_begin()).
 * Of a table that is gone, who had it last.  Its name in messages is put right too.
 */
extern Oid	dbsync_table_owner(DbsyncTable *table);

/* Do rows that its target table had before the first copy stay? */
extern bool dbsync_table_keeps_rows(const DbsyncTable *table);

/* Do they go, instead? */
extern bool dbsync_table_empties(const DbsyncTable *table);

/* Does somebody say which columns are sent, and under which names?  Then they are no matter of the shape alone. */
static inline bool
dbsync_table_has_chosen_columns(const DbsyncTable *table)
{
	return table->selection != NULL && table->selection->columns != NULL;
}

/* Do rows of this table travel (wholly or in part)?  Those of a held one will, later. */
extern bool dbsync_table_flows(const DbsyncTable *table);

/*
 * Does it stand still at a position of its own, which its part has, while the rest of the
 * subscription goes on?
 */
static inline bool
dbsync_table_is_held(const DbsyncTable *table)
{
	return table->part.after != NULL && table->state != DBSYNC_TABLE_SUSPENDED;
}

/*
 * What the ledger says of the table, or will say; a copy that lives as long as the table, in
 * place of the one before, whose boundary and position may be the new one's.
 */
extern void dbsync_table_set_part(DbsyncTable *table, const DbsyncLedgerPart *part);

#endif							/* DBSYNC_WORKER_TABLE_H */
