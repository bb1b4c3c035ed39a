/*-------------------------------------------------------------------------
 *
 * worker/progress.h
 *	  How far the first copy has come that is under way, and how fast rows go.
 *
 * A worker counts rows as they pass, and tells its slot now and then; whoever looks
 * works out from there how fast it goes (worker/control).  In a process that is no
 * worker nothing is told.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_PROGRESS_H
#define DBSYNC_WORKER_PROGRESS_H

#include "extension/shmem.h"

/* A row has gone to the target, of a first copy or of changes, or was left out of it. */
extern void dbsync_progress_count(bool of_copy, bool excluded, int64 bytes);

/* Tell the slot what has been counted; done now and then without being asked. */
extern void dbsync_progress_publish(void);

/*
 * Rows of first copies that are counted from here on belong to this table, of which so much
 * is on the target.
 */
extern void dbsync_progress_begin_copy(int captured_id, const DbsyncFlow *reached);

/* So much of this table is on the target now, committed.  Counts if it is the one whose rows were counted last. */
extern void dbsync_progress_reach(int captured_id, const DbsyncFlow *reached);

/* What was under way is there, or taken back, and the catalog says how far the table is. */
extern void dbsync_progress_end_copy(void);

#endif							/* DBSYNC_WORKER_PROGRESS_H */
