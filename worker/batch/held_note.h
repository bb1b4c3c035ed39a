/*-------------------------------------------------------------------------
 *
 * worker/batch/held_note.h
 *	  Held tables in the source's catalog: what is kept for them, and what people are told.
 *
 * The truth is the table's row in the target's ledger.  The note follows it, but never gets
 * ahead of what the target has on its disk: segments are emptied by it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_HELD_NOTE_H
#define DBSYNC_WORKER_BATCH_HELD_NOTE_H

#include "worker/snapshot.h"
#include "worker/work.h"

/*
 * Note what is not noted yet.  Outside of a transaction and of a batch; false: somebody holds
 * a row of ours, later then.  No later position of the subscription may be stored before it
 * is done.
 */
extern bool dbsync_held_note(DbsyncWork *work);

/*
 * As the ledger is read: does it say of any table that it is held further back than is noted?
 * Then, in a transaction that keeps those out who empty segments, note it.
 */
extern bool dbsync_held_is_put_back(const DbsyncWork *work);
extern void dbsync_held_note_put_back(DbsyncWork *work);

/* Is all still there that its held tables lack?  Else *table is one where it is not. */
extern bool dbsync_held_has_all(const DbsyncWork *work, const DbsyncTable **table);

#endif							/* DBSYNC_WORKER_BATCH_HELD_NOTE_H */
