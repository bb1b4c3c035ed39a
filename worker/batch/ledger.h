/*-------------------------------------------------------------------------
 *
 * worker/batch/ledger.h
 *	  A subscription's ledger on the target: connecting, reading it, going on from there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_LEDGER_H
#define DBSYNC_WORKER_BATCH_LEDGER_H

#include "worker/position.h"
#include "worker/work.h"

/*
 * Connect, see who answers, read the ledger and refuse if it is not ours to
 * continue.  Afterwards position and the tables' parts are as the ledger says.
 * Outside a transaction; raises errors.
 */
extern void dbsync_ledger_attach(DbsyncWork *work);

/* Drop the connection and all that was known through it. */
extern void dbsync_ledger_detach(DbsyncWork *work);

/* Set the position; copies. */
extern void dbsync_ledger_set_position(DbsyncWork *work, const DbsyncPosition *position);

#endif							/* DBSYNC_WORKER_BATCH_LEDGER_H */
