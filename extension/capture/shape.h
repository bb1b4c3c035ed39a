/*-------------------------------------------------------------------------
 *
 * extension/capture/shape.h
 *	  What a captured table, or a partition of one, looks like: its columns, its key, and how
 *	  its rows are formed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_SHAPE_H
#define DBSYNC_EXTENSION_CAPTURE_SHAPE_H

#include "access/htup.h"
#include "access/tupdesc.h"

typedef struct DbsyncShape
{
	MemoryContext context;		/* of all that follows */
	TupleDesc	desc;			/* the relation's own, with its missing values */
	int			ncolumns;		/* columns that are captured */
	AttrNumber *columns;		/* their numbers in the relation */
	AttrNumber *numbers;		/* and in the captured table, if this is a partition of it */
	int			nkeys;			/* 0: it has no key, its rows are known by all that is in them */
	int		   *keys;			/* key columns, as indexes into columns */
	AttrNumber	last_key;		/* highest number of a key column */
	int			nlarge;			/* columns that can be out of line, without the key */
	int		   *large;			/* as indexes into columns */
	AttrNumber	last_large;		/* highest number of one of them */
	int2vector *same;			/* room for as many; see dbsync_unchanged_find() */
	Datum	   *values;			/* room for one segment row */
	bool	   *nulls;

	/* how rows are formed; set by dbsync_form_learn() */
	bool		copies;			/* a row's data can be copied as it is */
	int			key_bytes;		/* of a key of fixed width, as a row has it that has nothing else; or 0 */
	bool		key_first;		/* these are the first bytes of the table's rows */
	int		   *key_offsets;	/* where among them each column of the key begins */
	HeapTupleHeader key_row;	/* room for them, behind a header */
	bits8	   *key_nulls;		/* of a segment's row that has the key alone */
	int			head;			/* header of a segment's row */
	int			head_nulls;		/* the same, with a null bitmap */
	int			head_marked;	/* the same, of a row with dbsync_same */
	TupleDesc	unmarked;		/* of rows that say nothing of columns untouched */
} DbsyncShape;

#endif							/* DBSYNC_EXTENSION_CAPTURE_SHAPE_H */
