/*-------------------------------------------------------------------------
 *
 * extension/form.h
 *	  Forming a segment's row from a row of the captured table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_FORM_H
#define DBSYNC_EXTENSION_FORM_H

#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "extension/captured.h"
#include "utils/rel.h"

/* our own columns of a row */
typedef struct DbsyncStamp
{
	char		op;
	FullTransactionId xid;
	int64		no;
	int2vector *same;			/* columns untouched; NULL: the row is whole */
} DbsyncStamp;

/* How rows get from the table to the segment; called as the segment is checked. */
extern void dbsync_form_learn(DbsyncEntry *entry, TupleDesc segment);

/*
 * The row of a transition table if a segment row can be copied from it; else
 * NULL, for the slow road.
 */
extern MinimalTuple dbsync_form_source(const DbsyncEntry *entry, char op, TupleTableSlot *slot);

/* How many bytes dbsync_form_copy will write. */
extern Size dbsync_form_size(const DbsyncEntry *entry, char op, MinimalTuple source);

/* The short road: copy the data of the source, into room for that many bytes. */
extern void dbsync_form_copy(const DbsyncEntry *entry, const DbsyncStamp *stamp,
							 MinimalTuple source, HeapTuple tuple, void *room);

/* The slow road, value by value; NULL: a row of nulls.  A fresh tuple. */
extern HeapTuple dbsync_form_values(DbsyncEntry *entry, const DbsyncStamp *stamp,
									TupleTableSlot *slot, TupleDesc segment);

/*
 * Are the keys of both rows the same as they lie there?  False says nothing:
 * they may be stored in different ways.
 */
extern bool dbsync_form_same_key(const DbsyncEntry *entry, TupleTableSlot *a, TupleTableSlot *b);

#endif							/* DBSYNC_EXTENSION_FORM_H */
