/*-------------------------------------------------------------------------
 *
 * extension/capture/form_source.h
 *	  What a segment's row is copied from: a row as it is stored, or its key alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_FORM_SOURCE_H
#define DBSYNC_EXTENSION_CAPTURE_FORM_SOURCE_H

#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "extension/capture/shape.h"

/* a row that a segment's row can be copied from; lives as long as the slot has it */
typedef struct DbsyncSource
{
	HeapTupleHeader header;		/* NULL: none, take the slow road */
	Size		data;			/* bytes of its data, or of what is copied of them */
} DbsyncSource;

static inline char *
dbsync_form_data(DbsyncSource source)
{
	return (char *) source.header + source.header->t_hoff;
}

/* The slot's row as it lies in memory; the header is NULL where there is none. */
extern DbsyncSource dbsync_form_stored(TupleTableSlot *slot);

/* Do values lie in both columns in the same way? */
extern bool dbsync_form_same_layout(Form_pg_attribute theirs, Form_pg_attribute ours);

/* For dbsync_form_learn(), once for each shape, in its context. */
extern void dbsync_form_key_learn(DbsyncShape *shape, TupleDesc segment);

/*
 * The bytes of a row's key; the header is NULL where that is not simple.  Good until the next
 * key is asked for, or as long as the slot has the row.
 */
extern DbsyncSource dbsync_form_key_source(const DbsyncShape *shape, TupleTableSlot *slot);

/* Are the key columns of both rows the same, byte for byte? */
extern bool dbsync_form_same_key(const DbsyncShape *shape, TupleTableSlot *old, TupleTableSlot *new);

#endif							/* DBSYNC_EXTENSION_CAPTURE_FORM_SOURCE_H */
