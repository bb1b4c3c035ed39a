/*-------------------------------------------------------------------------
 *
 * worker/batch/quarantine.h
 *	  Rows that the target refuses for what they are, on_error => 'quarantine'.
 *
 * A batch that is refused because of a row is sent once more, as a doubted one (DBSYNC_SEND_DOUBTED): the driver finds the
 * row, and parks its key at the target in the batch's own transaction.  Which keys are parked is read from there as
 * the worker connects; later rows of theirs are caught on their way (worker/parked.h) and tried alone.
 *
 *	dbsync_quarantine_finds()	after an error: is the batch to be sent so?
 *	dbsync_quarantine_gather()	behind the commit: what has become of keys
 *	dbsync_quarantine_note()	the same for people, in the source's catalog
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_QUARANTINE_H
#define DBSYNC_WORKER_BATCH_QUARANTINE_H

#include "worker/shape.h"
#include "worker/table.h"
#include "worker/work.h"

/* With the ledger read: what is parked there.  Outside of a transaction. */
extern void dbsync_quarantine_attach(DbsyncWork *work);

/* After an error: has a row been refused for what it is, where keys of such rows are parked?  It has no other cure. */
extern bool dbsync_quarantine_finds(const DbsyncWork *work);

/* After one of a doubted batch: was it found by a check that came too late, which is to come sooner the next time? */
extern bool dbsync_quarantine_checks_sooner(DbsyncWork *work);

/* The attempt was the last one of its kind.  Doubted: of a table whose rows were refused all the same the keys cannot be parked. */
extern void dbsync_quarantine_failed(DbsyncWork *work, bool doubted);

/*
 * Before further rows go, within a batch: what it has parked so far.  Rows of a table come in parts where it is altered, and a
 * later part may have the key once more.  What has been freed stays known until the commit.
 */
extern void dbsync_quarantine_see(DbsyncWork *work);

/*
 * A table has got another shape, from the one before it (NULL: that is not known): raises where its key has other columns, and keys
 * are parked.  They would be taken for others, or never be found again.
 */
extern void dbsync_quarantine_check_key(DbsyncWork *work, const DbsyncTable *table, const DbsyncTableShape *before,
										const DbsyncTableShape *shape);

/* The target has committed a batch. */
extern void dbsync_quarantine_gather(DbsyncWork *work);

/* Outside of a transaction; nothing where there are no news. */
extern void dbsync_quarantine_note(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_BATCH_QUARANTINE_H */
