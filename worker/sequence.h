/*-------------------------------------------------------------------------
 *
 * worker/sequence.h
 *	  The sequences of a subscription: which there are, and what is known of the target's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SEQUENCE_H
#define DBSYNC_WORKER_SEQUENCE_H

#include "nodes/pg_list.h"

#include "worker/driver/driver.h"
#include "worker/sequence_value.h"
#include "worker/work.h"

typedef struct DbsyncSequence
{
	Oid			relid;
	int			captured_id;	/* of the table to whose column it belongs; 0: added by name */
	int			attnum;			/* that column */
	List	   *users;			/* captured ids of tables whose columns take values from it */
	DbsyncSequenceGoal goal;	/* where it goes, and is to be; as sent last */
	bool		left_out;		/* the subscription may not have it, or not now */

	/* found out, moved over when the list is read again */
	bool		known;			/* over this connection: */
	TimestampTz known_at;
	int64		covered;		/* values that the target's gives no more */
	char	   *name;			/* what it is called there; NULL: not found */
	bool		has_value;
	int64		there;
	char	   *note;			/* why it is not set; NULL: it is */
	bool		note_due;		/* the catalog does not know it yet */
	int			failures;		/* attempts in a row to set it that came to nothing */
	TimestampTz retry_at;

	bool		wanted;			/* the batch has rows that may have its values */
	DbsyncSequenceValue value;	/* as read for the batch */
} DbsyncSequence;

typedef struct DbsyncSequences
{
	MemoryContext context;		/* of it and all of "all" */
	List	   *all;			/* of DbsyncSequence */
	List	   *sent;			/* those whose goals are with the target */
	uint64		generation;		/* of the sequences that were added, and ... */
	uint64		heard;			/* ... news, when it was read */
	bool		changed;		/* notes of some that have left are to go */
	/* when all of them were looked at last, and transactions that had ended by then */
	TimestampTz looked_at;
	uint64		completions;
	TimestampTz noted_at;
} DbsyncSequences;

/* Tables of the subscription have changed, and what takes values from which sequence with them. */
extern void dbsync_sequences_outdate(void);

/* They may have changed since the list was read. */
extern bool dbsync_sequences_are_stale(const DbsyncWork *work);

/*
 * Read the list, if it may have changed, into work->sequences.  In a transaction, connected
 * to SPI; it is as of this moment, whatever the transaction's snapshot.
 */
extern void dbsync_sequences_read(DbsyncWork *work);

/* Nothing is known of the target's any more: another connection may lead elsewhere. */
extern void dbsync_sequences_forget(DbsyncWork *work);

/* Set the note, NULL for none; it is to be written if it is another one. */
extern void dbsync_sequence_set_note(DbsyncSequence *sequence, const char *note);

/* Write down what people are to be told, in a transaction of its own; later if a lock is in the way. */
extern void dbsync_sequences_write_notes(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_SEQUENCE_H */
