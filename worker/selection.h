/*-------------------------------------------------------------------------
 *
 * worker/selection.h
 *	  What a subscription sends of a table: columns, expressions, a filter, operations.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SELECTION_H
#define DBSYNC_WORKER_SELECTION_H

#include "access/attnum.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "utils/palloc.h"

#include "worker/shape.h"

/* which operations are sent; R of resolved keys counts as both insert and update */
#define DBSYNC_SENDS_INSERT		0x01
#define DBSYNC_SENDS_UPDATE		0x02
#define DBSYNC_SENDS_DELETE		0x04
#define DBSYNC_SENDS_TRUNCATE	0x08
#define DBSYNC_SENDS_ALL		0x0f

/* a target column, and what it gets */
typedef struct DbsyncSelectedColumn
{
	const char *name;
	AttrNumber	number;			/* a column of the table; 0: an expression */
	const char *column;			/* what the column was called when this was chosen */
} DbsyncSelectedColumn;

/* columns and filter, as dbsync_internal.define_selection() has written them down */
typedef struct DbsyncSelection
{
	int			ncolumns;
	DbsyncSelectedColumn *columns;	/* NULL: all of the table's, as they are called */
	int			nread;			/* columns of the table that expressions and filter read, */
	AttrNumber *read;			/* their numbers, */
	const char **read_names;	/* what they are called there, */
	Oid		   *read_types;		/* and what they were then */
	int32	   *read_typmods;
	Oid		   *read_collations;
	const char *query;			/* that works them out, for dbsync_selector_begin(); NULL: there is none */
	Oid			owner;			/* of the subscription */
	bool		running;		/* its code is: so what has failed is because of it */
} DbsyncSelection;

/*
 * Read the selection of a table, in the context; within SPI, on a fresh snapshot.  "id" is the
 * subscription's, as text.
 */
extern DbsyncSelection *dbsync_selection_read(MemoryContext context, const char *id, int captured_id, Oid owner);

/* As dbsync.subscription_table has them: an array's text, or NULL for all. */
extern int	dbsync_selection_operations(const char *operations);

/* Has it an expression or a filter, so that rows are not sent as they are? */
extern bool dbsync_selection_runs(const DbsyncSelection *selection);

/*
 * Which of the shape's columns are sent, in the order of the selection's; -1: an expression.  Error if
 * the shape lacks a column that it needs, its key included; "table" is for that.
 */
extern int *dbsync_selection_columns(const DbsyncSelection *selection, const DbsyncTableShape *shape, const char *table);

/* The same for what expressions and filter read. */
extern int *dbsync_selection_read_columns(const DbsyncSelection *selection, const DbsyncTableShape *shape, const char *table);

/* Types of the expressions, in their order, for rows of the shape. */
extern TupleDesc dbsync_selection_describe(DbsyncSelection *selection, const DbsyncTableShape *shape, const char *table);

/* Has a column that is sent as it is another name by now than when that was chosen? */
extern bool dbsync_selection_is_renamed(const DbsyncSelection *selection, const DbsyncTableShape *shape);

/* --- running it, row by row --- */

typedef struct DbsyncSelecting DbsyncSelecting;

/*
 * Rows that come are described by "desc", and have the shape's columns at "place".  sent: columns of the
 * shape that are sent, -1 where an expression is; NULL: all.  As the table's owner (dbsync_owner_begin()), in a
 * transaction with an active snapshot; allocates in CurrentMemoryContext.
 */
extern DbsyncSelecting *dbsync_selecting_begin(DbsyncSelection *selection, const DbsyncTableShape *shape, const char *table,
											   TupleDesc desc, const int *place, const int *sent, int nsent);

/* Of rows as they are sent. */
extern TupleDesc dbsync_selecting_desc(const DbsyncSelecting *selecting);

/* The row as it is sent, good until the next one; NULL: the filter is not true of it. */
extern TupleTableSlot *dbsync_selecting_row(DbsyncSelecting *selecting, TupleTableSlot *slot);

/* The same with nothing in it but the key. */
extern TupleTableSlot *dbsync_selecting_key(DbsyncSelecting *selecting, TupleTableSlot *slot);

extern void dbsync_selecting_end(DbsyncSelecting *selecting);

#endif							/* DBSYNC_WORKER_SELECTION_H */
