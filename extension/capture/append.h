/*-------------------------------------------------------------------------
 *
 * extension/capture/append.h
 *	  Appending captured rows to the active segment of a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_APPEND_H
#define DBSYNC_EXTENSION_CAPTURE_APPEND_H

#include "access/heapam.h"
#include "executor/tuptable.h"
#include "extension/capture/active.h"
#include "extension/capture/form.h"

/* a row that waits to be written with others */
typedef struct DbsyncAppendRow
{
	TupleTableSlot slot;		/* first: it is cast */
	HeapTupleData tuple;
} DbsyncAppendRow;

/* an append under way; lives on the caller's stack */
typedef struct DbsyncAppend
{
	DbsyncActive active;
	DbsyncStamp stamp;			/* of the row under way */
	const List *assigned;		/* see dbsync_unchanged_find; NIL unless set */
	int64		nrows;			/* put so far */
	bool		grows;			/* from single rows to a batch, as they come */

	/* rows that wait to be written together; unused when rows come singly */
	MemoryContext parent;		/* of the following */
	MemoryContext context;		/* of all this; NULL: singly */
	MemoryContext large;		/* of what is gone when the rows are written */
	DbsyncAppendRow *rows;
	TupleTableSlot **slots;		/* theirs */
	int			max;			/* rows there is room for */
	int			nwaiting;
	Size		waiting;		/* bytes */
	char	   *arena;			/* where they lie, unless large */
	Size		used;			/* of it */
} DbsyncAppend;

/*
 * Lock the active header segment to the end of the transaction, and the table's active
 * segment as soon as it is needed, and get ready to append.  expected: about how many rows
 * will come; 0: nobody knows.  CurrentMemoryContext must live until the end.  False if
 * the table turns out not to be captured any more.
 */
extern bool dbsync_append_begin(DbsyncAppend *append, Relation rel, int64 expected);

/*
 * Append a row.  The slot is one of the captured table's; its values are copied
 * at once.  NULL: a row of nulls (TRUNCATE).  Of a deleted row only the key is
 * kept, nor of any but truncated ones where the captured table's keys are all that is
 * wanted: what was put as another operation goes as KEY then.
 */
extern void dbsync_append_put(DbsyncAppend *append, char op, TupleTableSlot *slot);

/* The same for an UPDATE, with both versions of the row. */
extern void dbsync_append_put_update(DbsyncAppend *append, TupleTableSlot *old, TupleTableSlot *new);

/* Write what waits and let go of everything but the locks. */
extern void dbsync_append_end(DbsyncAppend *append);

#endif							/* DBSYNC_EXTENSION_CAPTURE_APPEND_H */
