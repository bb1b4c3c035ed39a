/*-------------------------------------------------------------------------
 *
 * worker/batch/sequence_look.h
 *	  Sequences whose values are in no row that travels: they are looked at now and then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_SEQUENCE_LOOK_H
#define DBSYNC_WORKER_BATCH_SEQUENCE_LOOK_H

#include "worker/work.h"

/*
 * When nothing else is to be done: look at all sequences, if transactions have ended since that was
 * done last, and set those that are due by a batch of their own.  Outside a transaction; raises errors.
 */
extern void dbsync_sequence_look(DbsyncWork *work);

/* Would dbsync_sequence_look() do something? */
extern bool dbsync_sequence_look_is_due(const DbsyncWork *work);

#endif							/* DBSYNC_WORKER_BATCH_SEQUENCE_LOOK_H */
