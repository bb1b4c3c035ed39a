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
#include "extension/capture/form_source.h"
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

/* Does a row have the key alone?  What is captured of a table without a key is whole. */
static inline bool
dbsync_form_has_key_only(const DbsyncShape *shape, const DbsyncStamp *stamp)
{
	return (stamp->op == DBSYNC_OP_DELETE || stamp->op == DBSYNC_OP_KEY) && shape->nkeys > 0;
}

/* The slot's row, if the segment's row with this stamp can be copied from it. */
extern DbsyncSource dbsync_form_source(const DbsyncShape *shape, const DbsyncStamp *stamp,
									   TupleTableSlot *slot);

/* How many bytes dbsync_form_copy will write. */
extern Size dbsync_form_size(const DbsyncShape *shape, const DbsyncStamp *stamp,
							 DbsyncSource source);

/* The short road: copy the data of the source, into room for that many bytes. */
extern void dbsync_form_copy(const DbsyncShape *shape, const DbsyncStamp *stamp,
							 DbsyncSource source, HeapTuple tuple, void *room);

/* Are all columns that are captured the same in both rows, byte for byte? */
extern bool dbsync_form_same_row(const DbsyncShape *shape, TupleTableSlot *old, TupleTableSlot *new);

#endif							/* DBSYNC_EXTENSION_CAPTURE_FORM_H */
