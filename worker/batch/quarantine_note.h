/*-------------------------------------------------------------------------
 *
 * worker/batch/quarantine_note.h
 *	  What is parked at the target, in the source's catalog: for people, and for what they ask for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_QUARANTINE_NOTE_H
#define DBSYNC_WORKER_BATCH_QUARANTINE_NOTE_H

#include "worker/work.h"

/* Copies of rows (List of DbsyncParkedRow), in CurrentMemoryContext. */
extern List *dbsync_quarantine_copy(const List *rows);

/* What was read (work->parked_read), and nothing else, is parked of the subscription; for dbsync_query_attempt(), outside of a transaction. */
extern void dbsync_quarantine_note_all(void *work);

/* What has happened since (work->parked_news), which is forgotten then; for dbsync_query_attempt(). */
extern void dbsync_quarantine_note_news(void *work);

#endif							/* DBSYNC_WORKER_BATCH_QUARANTINE_NOTE_H */
