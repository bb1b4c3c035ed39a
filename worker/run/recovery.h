/*-------------------------------------------------------------------------
 *
 * worker/run/recovery.h
 *	  What a worker does about an error, whatever it was doing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_RECOVERY_H
#define DBSYNC_WORKER_RUN_RECOVERY_H

#include "worker/work.h"

/*
 * Everything that goes wrong in the worker's loop arrives here, by the handler that has caught it; the
 * error is the last one raised.  It is told (log, status), or the table that caused it is held, the transaction and the connection are
 * given up.  Returns the pause before the next attempt in ms; does not return when the process shall end.
 */
extern long dbsync_recovery_after_error(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_RUN_RECOVERY_H */
