/*-------------------------------------------------------------------------
 *
 * worker/source/captured_table.h
 *	  A captured table itself, opened to be read by its key's index.
 *
 * Beside what capture has written the worker reads the tables: chunks of first copies,
 * and large values that were not captured.  It finds them by their oids, and no name
 * comes into it: a table whose name has been given to another, or to a view, is read
 * as what it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_CAPTURED_TABLE_H
#define DBSYNC_WORKER_SOURCE_CAPTURED_TABLE_H

#include "utils/relcache.h"

#include "extension/capture/cache.h"
#include "extension/leaves.h"
#include "worker/shape.h"
#include "worker/table.h"

#include "extension/compat.h"

typedef struct DbsyncCapturedTable
{
	Relation	rel;
	Relation	index;			/* its key's; NULL: it has none */
	DbsyncLeaves *leaves;		/* where its rows lie, with indexes of their own */
	const DbsyncEntry *entry;	/* its columns, as capture knows them */
	AttrNumber *columns;		/* those of the shape, or one of the following */
} DbsyncCapturedTable;

#define DBSYNC_COLUMN_GONE		0
#define DBSYNC_COLUMN_RETYPED	(-1)	/* its values are of another kind by now */

/*
 * Open a table that was locked before the batch's snapshot was taken.  Error if it is
 * not a table of this shape (any more): where it need not be the whole of it, if it has no
 * key of the same columns.  Allocates in CurrentMemoryContext.
 */
extern void dbsync_captured_table_open(DbsyncCapturedTable *source, const DbsyncTable *table,
									   const DbsyncTableShape *shape, bool whole);

/* It is not what it was when its changes were captured; detail: what that is in the way of, for good. */
pg_noreturn extern void dbsync_captured_table_refuse(const DbsyncTable *table, const char *detail);

/* The locks stay to the end of the transaction. */
extern void dbsync_captured_table_close(DbsyncCapturedTable *source);

#endif							/* DBSYNC_WORKER_SOURCE_CAPTURED_TABLE_H */
