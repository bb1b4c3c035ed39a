/*-------------------------------------------------------------------------
 *
 * worker/row_describe.h
 *	  What a row is called in a message; one that cannot be sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_ROW_DESCRIBE_H
#define DBSYNC_WORKER_ROW_DESCRIBE_H

#include "executor/tuptable.h"

#include "extension/compat.h"
#include "worker/shape.h"
#include "worker/types/form.h"

/*
 * "the row with key (...)", cut short, in CurrentMemoryContext; the key's own output functions make the text,
 * so as the table's owner.  The row has the shape's columns at "place"; keys_only: its key columns alone.
 */
extern char *dbsync_row_describe(const DbsyncTableShape *shape, const int *place, bool keys_only, TupleTableSlot *slot);

/* Error: the table (its name in messages) has a row that no target can take. */
pg_noreturn extern void dbsync_row_refuse(const char *table, const char *detail);

/*
 * Error: a column at the target has no room for a value of a captured table (0: of none).  "row" is as dbsync_row_describe() says it; "expression": what the
 * column is at the source, from which another value can be made; NULL: nothing can be sent in its place.
 */
pg_noreturn extern void dbsync_row_refuse_value(int captured_id, const char *table, const char *column, const char *row, const char *expression,
												const DbsyncFormProblem *problem);

/* Captured id of the table whose value was refused so since this was asked last; 0: none. */
extern int	dbsync_row_take_unfit(void);

#endif							/* DBSYNC_WORKER_ROW_DESCRIBE_H */
