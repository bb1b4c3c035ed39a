/*-------------------------------------------------------------------------
 *
 * worker/report.h
 *	  What a worker tells the world about itself, through its slot.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_REPORT_H
#define DBSYNC_WORKER_REPORT_H

#include "extension/shmem.h"
#include "worker/position.h"
#include "worker/snapshot.h"

typedef enum DbsyncClaim
{
	DBSYNC_CLAIM_OURS,
	DBSYNC_CLAIM_NOT_WANTED,	/* there is a worker, it was stopped, or its owner has too many */
	DBSYNC_CLAIM_LATER			/* a run_once is about, or no slot is free */
} DbsyncClaim;

/*
 * Make this process the worker of a subscription.  run: number of a run_once
 * call, or 0.  owner: whose limit of workers counts it, or InvalidOid.  Where the
 * limit is reached the slot says so.
 */
extern DbsyncClaim dbsync_report_claim(int subscription, uint64 run, Oid owner);

/* The subscription has another owner. */
extern void dbsync_report_owner(Oid owner);

/* Give the slot back; also done at process exit. */
extern void dbsync_report_release(void);

extern void dbsync_report_state(DbsyncWorkerState state);

/* Has somebody asked this worker to stop for good? */
extern bool dbsync_report_stop_asked(void);

/*
 * May a message of this SQLSTATE be shown to who only watches (pg_monitor)?  Those of the others, as of data exceptions and of what
 * functions raise, quote values of rows; details of all may.
 */
extern bool dbsync_report_is_plain(int sqlstate);

/* wait_for's tickets: those handed out so far, and those fulfilled. */
extern uint64 dbsync_report_asked(void);

/* How often this worker has been called: by commits, by wait_for. */
extern uint32 dbsync_report_calls(void);

/* All that was committed before the last of so many calls is on the target. */
extern void dbsync_report_passed(uint32 calls);

/* Where to write how it goes (under the lock); NULL: this process is no worker. */
extern DbsyncProgress *dbsync_report_progress(void);

/* Is there a wait_for that has not been answered? */
extern bool dbsync_report_is_awaited(void);

/* Has nobody been told yet of this ticket, or of a later one? */
extern bool dbsync_report_awaits(uint64 ticket);
extern void dbsync_report_answer(uint64 ticket);

/* How many tables of the subscription are suspended, so that no answer speaks of them. */
extern void dbsync_report_suspended(int tables);

/* And how many are held, each at a position of its own. */
extern void dbsync_report_held(int tables);

/* How many keys of its tables are parked at the target. */
extern void dbsync_report_parked(int keys);

/* What becomes of foreign keys at the target. */
extern void dbsync_report_foreign_keys(DbsyncKeys keys);

/* After a window was begun, and after a batch was committed. */
extern void dbsync_report_lag(const DbsyncLag *lag, const DbsyncSnapshot *after);
extern void dbsync_report_batch(int64 rows, double seconds, bool keep_trouble);

/* Since when the target is waited for, if that has lasted; 0: it is not. */
extern void dbsync_report_waits(TimestampTz since);

/* The error just caught; forgets it when edata is NULL.  table: captured id of the one that it has kept, while others go on, or 0. */
extern void dbsync_report_trouble(const ErrorData *edata, TimestampTz retry_at, int table);
extern int	dbsync_report_failures(void);

/* What commits count for this worker. */
extern DbsyncWake *dbsync_report_wake(void);

/* A round has begun, or is not under way any more. */
extern void dbsync_report_round(bool under_way, TimestampTz begun);

/* Of receivers: how it goes. */
extern void dbsync_report_receiving(const DbsyncReceivingReport *told);

/* A run_once has ended well. */
extern void dbsync_report_run_done(int64 rows);

#endif							/* DBSYNC_WORKER_REPORT_H */
