/*-------------------------------------------------------------------------
 *
 * worker/shape.h
 *	  What a captured table looked like when rows of it were captured.
 *
 * A shape is a row of dbsync.shape and never changes.  Rows are read, folded and sent by the
 * shape of the segment that they were captured in, whatever the table is by now.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SHAPE_H
#define DBSYNC_WORKER_SHAPE_H

#include "access/attnum.h"
#include "nodes/pg_list.h"

typedef struct DbsyncTableShape
{
	int			id;				/* first: shapes are found by it */
	int			captured_id;
	MemoryContext context;		/* of all of it */

	/* columns that are in a segment, in its order: those that travel */
	int			ncolumns;
	const char **columns;
	AttrNumber *numbers;		/* in the table */
	Oid		   *types;			/* without domains */
	int32	   *typmods;
	Oid		   *collations;
	bool	   *not_null;
	const char **defaults;		/* as text; NULL: none, or none that means the same elsewhere */
	int			ngenerated;
	const char **generated;		/* columns that the source generates */

	int			nkeys;
	int		   *keys;			/* indexes into columns */
	Oid		   *key_before;		/* the operators "<" of the key's index */
	Oid		   *key_collations;
} DbsyncTableShape;

/* Of a table whose capture has not begun yet: no columns, no key. */
extern const DbsyncTableShape dbsync_shape_none;

/*
 * The shapes of all tables of a subscription, in the order of their ids.  Those that are
 * among "known" are taken from there; the others are read, each in a context of its own below
 * "parent", where the list is, too.  In the current transaction, SPI connected.
 */
extern List *dbsync_shapes_read(MemoryContext parent, int subscription_id, const List *known);

/* From now on they live as long as "parent", also those that were known before. */
extern void dbsync_shapes_take(MemoryContext parent, const List *shapes);

/* The one with this id, or NULL. */
extern const DbsyncTableShape *dbsync_shapes_find(const List *shapes, int id);

/* The place of the column with this number, which a table never gives twice; -1: it has none. */
extern int	dbsync_shape_find_column(const DbsyncTableShape *shape, AttrNumber number);

/*
 * Has the type of a column been dropped since?  That goes only with all columns that are of it, and not while there
 * are rows in segments that have them: so a later shape has this column no more, and nobody needs it at the target.
 */
extern bool dbsync_shape_column_is_gone(const DbsyncTableShape *shape, int column);

/* The number of the column with this name; InvalidAttrNumber: it has none. */
extern AttrNumber dbsync_shape_find_number(const DbsyncTableShape *shape, const char *name);

/* The one that its table had before, or NULL. */
extern const DbsyncTableShape *dbsync_shapes_before(const List *shapes, const DbsyncTableShape *shape);

#endif							/* DBSYNC_WORKER_SHAPE_H */
