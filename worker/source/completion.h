/*-------------------------------------------------------------------------
 *
 * worker/source/completion.h
 *	  Values that were not captured, from the captured table itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_COMPLETION_H
#define DBSYNC_WORKER_SOURCE_COMPLETION_H

#include "worker/shape.h"
#include "worker/table.h"

typedef struct DbsyncCompletion DbsyncCompletion;

/*
 * Open a table that was locked by dbsync_completion_lock(), to complete rows of this shape.
 * Reads are on the active snapshot, and as the table's owner (dbsync_owner_begin()).
 */
extern DbsyncCompletion *dbsync_completion_begin(const DbsyncTable *table,
												 const DbsyncTableShape *shape);

/*
 * Put in the values of untouched columns; unchanged[] is cleared.  They are good
 * until the next call.  Those of columns that are neither sent nor read by what is worked out are left null.  False if there is no row of this key (any more); error if there is no table any more.
 */
extern bool dbsync_completion_row(DbsyncCompletion *completion, Datum *values,
								  bool *nulls, bool *unchanged);

/*
 * The row of a key, which is all that values[] has: the rest, and the key as the row has it, are put in.
 * False if the table has no such row.  Values and errors as above.
 */
extern bool dbsync_completion_find(DbsyncCompletion *completion, Datum *values,
								   bool *nulls, bool *unchanged);

/* Does the subscription send that rows are gone? */
extern bool dbsync_completion_sends_gone(const DbsyncCompletion *completion);

extern void dbsync_completion_end(DbsyncCompletion *completion);

#endif							/* DBSYNC_WORKER_SOURCE_COMPLETION_H */
