/*-------------------------------------------------------------------------
 *
 * worker/source/completion.h
 *	  Large values that were not captured, from the captured table itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_COMPLETION_H
#define DBSYNC_WORKER_SOURCE_COMPLETION_H

#include "worker/subscription.h"

typedef struct DbsyncCompletion DbsyncCompletion;

/*
 * Lock a table to be read, without waiting; before the batch takes its snapshot.
 * table->lock says what came of it.
 */
extern void dbsync_complete_lock(DbsyncTable *table);

/*
 * Open a table that was locked.  Reads are on the active snapshot, and as the table's
 * owner (extension/owner.h).
 */
extern DbsyncCompletion *dbsync_complete_begin(const DbsyncTable *table);

/*
 * Put in the values of untouched columns; unchanged[] is cleared.  They are good
 * until the next call.  False if there is no row of this key (any more).
 */
extern bool dbsync_complete_row(DbsyncCompletion *completion, Datum *values,
								bool *nulls, bool *unchanged);

extern void dbsync_complete_end(DbsyncCompletion *completion);

#endif							/* DBSYNC_WORKER_SOURCE_COMPLETION_H */
