/*-------------------------------------------------------------------------
 *
 * worker/run/launcher.h
 *	  Starting workers: at commit of start_subscription, after a server start.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_LAUNCHER_H
#define DBSYNC_WORKER_RUN_LAUNCHER_H

#include "postmaster/bgworker.h"

/* what a worker works on; ids are from one sequence */
typedef enum DbsyncJob
{
	DBSYNC_JOB_SUBSCRIPTION,
	DBSYNC_JOB_RECEIVER,
	DBSYNC_JOB_VERIFY			/* of a subscription, beside its worker */
} DbsyncJob;

/* what a worker is told at its start, in bgw_extra */
typedef struct DbsyncWorkerArgs
{
	DbsyncJob	kind;
	Oid			database;
	TransactionId starter;		/* wait for it to end first; 0: none */
	uint64		run;			/* number of a run_once call, or of a verify, or 0 */
	Oid			owner;			/* see dbsync_limited_role() */
	bool		for_verify;		/* of a stopped subscription, there for a verify() alone */
} DbsyncWorkerArgs;

/* Register the launcher; does nothing unless preloaded.  From _PG_init. */
extern void dbsync_launcher_register(void);

/*
 * Start a worker for a subscription, or a receiver, of this database.  False when the server
 * has no worker slot left.
 */
extern bool dbsync_launcher_start_worker(int subscription, const DbsyncWorkerArgs *args,
										 BackgroundWorkerHandle **handle);

/* What to do when it has none. */
#define DBSYNC_NO_SLOT_HINT \
	"Raise max_worker_processes, or stop another subscription."

extern PGDLLEXPORT void dbsync_launcher_main(Datum arg);
extern PGDLLEXPORT void dbsync_scout_main(Datum arg);
extern PGDLLEXPORT void dbsync_worker_main(Datum arg);
extern PGDLLEXPORT void dbsync_verify_main(Datum arg);

#endif							/* DBSYNC_WORKER_RUN_LAUNCHER_H */
