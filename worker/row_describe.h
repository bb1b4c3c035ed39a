/*-------------------------------------------------------------------------
 *
 * worker/row_describe.h
 *	  What a row is called in a message; one that is too large.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_ROW_DESCRIBE_H
#define DBSYNC_WORKER_ROW_DESCRIBE_H

#include "executor/tuptable.h"

#include "extension/compat.h"
#include "worker/shape.h"

/*
 * "the row with key (...)", cut short, in CurrentMemoryContext; the key's own output functions make the text,
 * so as the table's owner.  The row has the shape's columns at "place"; keys_only: its key columns alone.
 */
extern char *dbsync_row_describe(const DbsyncTableShape *shape, const int *place, bool keys_only, TupleTableSlot *slot);

/* Error: the table (its name in messages) has a row that no target can take. */
pg_noreturn extern void dbsync_row_refuse(const char *table, const char *detail);

#endif							/* DBSYNC_WORKER_ROW_DESCRIBE_H */
