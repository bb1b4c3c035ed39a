/*-------------------------------------------------------------------------
 *
 * worker/batch/meet.h
 *	  A worker lets a verify process in, at a position that the target has reached.
 *
 * The worker's part of extension/meeting.h.  A batch for which a process waits copies and scans
 * nothing, and goes on until the target is at its snapshot S: then all that S shows is at the target, and nothing
 * behind it.  There the worker stands until the process has begun to read both sides.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_MEET_H
#define DBSYNC_WORKER_BATCH_MEET_H

#include "worker/batch/choose.h"

/* Before S is taken: does a process wait, and can its table be compared?  Locks the table. */
extern void dbsync_meet_begin(DbsyncBatch *batch);

/* With S: the table's partitions are still those that were locked, and nobody applies the other way; else another time, or never. */
extern void dbsync_meet_check(DbsyncBatch *batch);

/* Is the batch to go on, for the sake of who waits? */
extern bool dbsync_meet_goes_on(const DbsyncBatch *batch, int done);

/* The batches of S have ended, in its transaction: stand there, if the target is at S. */
extern void dbsync_meet_stand(DbsyncBatch *batch);

/* Why a table is none to be compared, by its configuration, in words; NULL: it is one. */
extern const char *dbsync_meet_unfit(const DbsyncTable *table);

#endif							/* DBSYNC_WORKER_BATCH_MEET_H */
