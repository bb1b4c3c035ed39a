/*-------------------------------------------------------------------------
 *
 * worker/batch/choose.h
 *	  What the next batch is to carry.
 *
 * First half of dbsync_batch_run(), which is the only caller but for dbsync_slice_next().
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_CHOOSE_H
#define DBSYNC_WORKER_BATCH_CHOOSE_H

#include "portability/instr_time.h"

#include "extension/meeting.h"
#include "worker/driver/driver.h"
#include "worker/position.h"
#include "worker/snapshot.h"
#include "worker/source/source.h"
#include "worker/table.h"
#include "worker/work.h"

typedef struct DbsyncBatch
{
	DbsyncWork *work;
	DbsyncTarget *target;
	DbsyncTable *copying;		/* locked and to be copied from, or NULL */
	List	   *copies;			/* it, and those that must be copied in the same transaction */
	List	   *beside;			/* small ones (DbsyncTable) that are copied whole in the same batch */
	List	   *scans;			/* those (DbsyncTable) that are locked and to be scanned */
	List	   *retries;		/* those (DbsyncTable) that are locked, and of which parked keys are to be tried again */
	DbsyncTable *held;			/* it is for this table, which catches up, or NULL; */
	List	   *held_with;		/* and for those that do so with it: all of them; */
	DbsyncPosition held_behind; /* then, where that one will be, ... */
	bool		released;		/* ... or whether that is where its subscription is */
	DbsyncCut  *cut;			/* NULL: nothing but a chunk or a note */
	DbsyncSnapshot *now;		/* S: the transaction's own snapshot, or ... */
	bool		past;			/* ... before it, where a table begins without a copy */
	DbsyncPosition position;	/* where the target will be */
	int64		number;			/* as the ledger counts */
	int64		taken;			/* rows of its cuts so far */
	int64		slice;			/* rows of the next cut, about */
	bool		sliced;			/* it has more cuts than the one it began with */
	bool		passed;			/* the window is past the last of them already */
	bool		fresh;			/* the window was begun at the last position, up to S */
	bool		caught_up;		/* the batch reaches S */
	bool		with_chunk;
	bool		with_scans;
	bool		with_retries;
	int64		rows;
	DbsyncTable *current;		/* for the error context */
	uint64		asked;			/* tickets handed out before S was taken */
	List	   *emptied;		/* tables whose copy has yet to come, and that are emptied now */
	bool		stale;			/* S shows more than the configuration read */
	bool		again;			/* a table should have been locked before S */
	DbsyncMeeting *meeting;	/* a process waits for the target to be at S (meet.h), or NULL; */
	DbsyncTable *meeting_table; /* for this table, which is locked */
	DbsyncTable *repairing;		/* the same, of which rows are sent anew, or NULL; */
	bool		with_repair;	/* in this batch; */
	int64		repair_last;	/* the last key (dbsync_internal.repair_key.id) whose row went, */
	int64		repair_rows;	/* how many, */
	int64		repair_absent;	/* of how many the source has no row any more, */
	bool		repair_over;	/* and whether that is all of them */
	bool		repair_doubted; /* the last of them were sent as what may be refused */
	instr_time	begun;
} DbsyncBatch;

/*
 * Must rows of a table be sent whole, though not all of them were captured so?
 * It must have been opened at the target.
 */
extern bool dbsync_choose_completes(const DbsyncWork *work, const DbsyncTable *table,
									const DbsyncCutTable *cut_table);

/* Begin the source transaction: locks first, then the snapshot S. */
extern void dbsync_choose_begin(DbsyncBatch *batch);

extern void dbsync_choose_end(DbsyncBatch *batch);

/* All that the batch copies from, beginning with batch->copying; in CurrentMemoryContext. */
extern List *dbsync_choose_copied(const DbsyncBatch *batch);

/*
 * Choose cut, of about batch->slice rows, and chunk; false when there is nothing to tell
 * the target, or when batch->stale says that the configuration must be read again first.
 */
extern bool dbsync_choose_work(DbsyncBatch *batch);

/*
 * The window's next cut, of about batch->slice rows, in CurrentMemoryContext; it is not
 * batch->cut yet.  NULL: the window is used up.  May set batch->stale.
 */
extern DbsyncCut *dbsync_choose_next_cut(DbsyncBatch *batch);

/* Is there anything in the cut for the target: rows, or tables that change?  NULL: no. */
extern bool dbsync_choose_carries(const DbsyncCut *cut);

/* Where a target is that has the cut; with NULL, all of the window. */
extern DbsyncPosition dbsync_choose_position_behind(DbsyncWork *work, const DbsyncCut *cut);

/* The same, from another position, of a window that began there. */
extern DbsyncPosition dbsync_choose_behind(const DbsyncPosition *before, const DbsyncWindow *window,
										   const DbsyncCut *cut);

/*
 * Keep the cut's segments from being emptied or dropped while they are read.
 * Capture may be taken off a table at any moment: then what was chosen is void, and false
 * is returned.  The locks stay until dbsync_choose_end().
 */
extern bool dbsync_choose_lock_segments(const DbsyncBatch *batch, const DbsyncCut *cut);

/* The window is used up: the position is its end, and waiters are answered. */
extern void dbsync_choose_finish_window(DbsyncWork *work);

/* Has the target all of every table that is not suspended, nor stands still as held? */
extern bool dbsync_choose_all_live(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_BATCH_CHOOSE_H */
