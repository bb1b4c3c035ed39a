/*-------------------------------------------------------------------------
 *
 * extension/capture/form.h
 *	  Forming a segment's row from a row of the captured table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_FORM_H
#define DBSYNC_EXTENSION_CAPTURE_FORM_H

#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "extension/capture/shape.h"
#include "extension/log/segment.h"
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
extern void dbsync_form_learn(DbsyncShape *shape, TupleDesc segment);

/* Does a row have the key alone?  What is deleted from a table without a key is whole. */
static inline bool
dbsync_form_has_key_only(const DbsyncShape *shape, const DbsyncStamp *stamp)
{
	return stamp->op == DBSYNC_OP_DELETE && shape->nkeys > 0;
}

/* a row that a segment's row can be copied from; lives as long as the slot has it */
typedef struct DbsyncSource
{
	HeapTupleHeader header;		/* NULL: none, take the slow road */
	Size		data;			/* bytes of its data, or of what is copied of them */
} DbsyncSource;

/* The slot's row, if the segment's row with this stamp can be copied from it. */
extern DbsyncSource dbsync_form_source(const DbsyncShape *shape, const DbsyncStamp *stamp,
									   TupleTableSlot *slot);

/* The slot's row as it lies in memory; the header is NULL where there is none. */
extern DbsyncSource dbsync_form_stored(TupleTableSlot *slot);

/* How many bytes dbsync_form_copy will write. */
extern Size dbsync_form_size(const DbsyncShape *shape, const DbsyncStamp *stamp,
							 DbsyncSource source);

/* The short road: copy the data of the source, into room for that many bytes. */
extern void dbsync_form_copy(const DbsyncShape *shape, const DbsyncStamp *stamp,
							 DbsyncSource source, HeapTuple tuple, void *room);

/* Are the key columns of both rows the same, byte for byte? */
extern bool dbsync_form_same_key(const DbsyncShape *shape, TupleTableSlot *old, TupleTableSlot *new);

/* The same for all columns that are captured. */
extern bool dbsync_form_same_row(const DbsyncShape *shape, TupleTableSlot *old, TupleTableSlot *new);

#endif							/* DBSYNC_EXTENSION_CAPTURE_FORM_H */
