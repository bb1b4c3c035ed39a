/*-------------------------------------------------------------------------
 *
 * worker/run/process.h
 *	  A worker as a process: how it comes to its database, and how it ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_PROCESS_H
#define DBSYNC_WORKER_RUN_PROCESS_H

#include "extension/compat.h"
#include "worker/work.h"

/*
 * First thing in the process: take over signals, connect to the database, and wait for
 * the transaction that started us, if it is still under way, so that we see its rows.
 */
extern void dbsync_process_begin(Oid database, TransactionId starter);

/* Have we been told to end?  What was interrupted is over then. */
extern bool dbsync_process_is_ending(void);

/* End here, if we have been told to. */
extern void dbsync_process_exit_if_asked(DbsyncWork *work);

/* End for good: there is no reason to run any more. */
pg_noreturn extern void dbsync_process_finish(DbsyncWork *work);

/* Read configuration files again, if they have changed. */
extern void dbsync_process_reload(void);

#endif							/* DBSYNC_WORKER_RUN_PROCESS_H */
