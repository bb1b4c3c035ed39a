/*-------------------------------------------------------------------------
 *
 * extension/shmem.h
 *	  What sessions, workers and the launcher share: one slot per subscription, or receiver.
 *
 * The state is small enough to be made at first use without preloading (it
 * fits the slack that the server keeps); slots outlive their worker, so that
 * status can still say why it ended.
 *
 * Locking: everything is under one LWLock, except the wake-up, which every
 * commit makes: it reads database and latch (and how many slots were ever
 * taken) without a lock, and counts by atomics.  A stale latch is
 * harmless, it belongs to a PGPROC that stays mapped and waiting loops expect
 * to be woken for nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_SHMEM_H
#define DBSYNC_EXTENSION_SHMEM_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"

#define DBSYNC_SLOTS			48
#define DBSYNC_MESSAGE_SIZE		400

/* bytes for all places at which processes meet */
#define DBSYNC_MEETINGS_SIZE	(12 * 1024)

typedef enum DbsyncWorkerState
{
	DBSYNC_WORKER_STOPPED,
	DBSYNC_WORKER_STARTING,
	DBSYNC_WORKER_INSTALLING,
	DBSYNC_WORKER_COPYING,
	DBSYNC_WORKER_RUNNING,
	DBSYNC_WORKER_RETRYING
} DbsyncWorkerState;

/* what went wrong last; sqlstate 0: nothing */
typedef struct DbsyncTrouble
{
	int			sqlstate;
	TimestampTz at;
	TimestampTz retry_at;
	int			failures;		/* in a row, of any kind; */
	int			failures_of_all;	/* those of them that kept the whole subscription from going on; */
	int			table;			/* captured id: the last one has kept that table alone; 0: it was of the former kind */
	char		message[DBSYNC_MESSAGE_SIZE];
	char		detail[DBSYNC_MESSAGE_SIZE];
	char		hint[DBSYNC_MESSAGE_SIZE];
} DbsyncTrouble;

/* what becomes of foreign keys at the target */
typedef enum DbsyncKeys
{
	DBSYNC_KEYS_UNKNOWN,		/* not connected yet, or not said by its driver */
	DBSYNC_KEYS_REPLICA,		/* they are not checked */
	DBSYNC_KEYS_ORDERED			/* they are, and rows come in an order that they allow */
} DbsyncKeys;

/* rows that are on their way, or there */
typedef struct DbsyncFlow
{
	int64		rows;			/* those that were left out counted */
	int64		excluded;		/* left out by the table's filter, or refused by the target */
	int64		bytes;			/* of the values that were sent */
} DbsyncFlow;

/*
 * What has been sent, and the same at two moments before that: "since" is 5 to 10
 * seconds old while rows go, and "next" is to take its place.
 */
typedef struct DbsyncMeter
{
	DbsyncFlow	sent;			/* since the worker began, also what was taken back */
	TimestampTz since_at;		/* 0: nothing has been sent lately */
	TimestampTz next_at;
	DbsyncFlow	since;
	DbsyncFlow	next;
} DbsyncMeter;

/* the table that is being copied at first */
typedef struct DbsyncCopying
{
	int			table;			/* by its captured_id; 0: none, the catalog says how far each is */
	DbsyncFlow	reached;		/* committed at the target */
	DbsyncFlow	under_way;		/* behind that: sent, and taken back if it fails */
} DbsyncCopying;

/* how it goes; written by the worker only */
typedef struct DbsyncProgress
{
	int64		batches;
	int64		rows;
	int64		lag_transactions;
	int64		lag_rows;
	int64		lag_bytes;
	TimestampTz oldest;			/* 0: nothing pending */
	TimestampTz last_batch;		/* 0: none yet */
	TimestampTz waits_since;	/* for the target's answer; 0: not, or not for long */
	double		rows_per_second;
	bool		passed;			/* of this worker's rounds one came as far as its snapshot; */
	uint32		passed_calls;	/* the last of those began when there had been so many calls */
	DbsyncCopying copying;
	DbsyncMeter copied;			/* rows of first copies */
	DbsyncMeter applied;		/* rows of changes */
	char		position[128];	/* clipped text of "after" */
	DbsyncKeys	foreign_keys;
} DbsyncProgress;

/*
 * When commits call the worker, and what is pending for it meanwhile: extension/wake.h.
 * Written and read without the lock.
 */
typedef struct DbsyncWake
{
	pg_atomic_uint32 counts;	/* 0: each commit calls, and nothing is counted */
	pg_atomic_uint32 at_first;	/* not 0: it is called when something becomes pending, */
	pg_atomic_uint64 at_rows;	/* and when so much is; 0: never */
	pg_atomic_uint64 at_bytes;
	pg_atomic_uint64 rows;		/* pending */
	pg_atomic_uint64 bytes;
	pg_atomic_uint64 since;		/* TimestampTz; 0: nothing is pending */
} DbsyncWake;

/* How a worker goes by its subscription's policy; written by the worker only, under the lock. */
typedef struct DbsyncRound
{
	bool		under_way;
	TimestampTz begun;			/* the last one, by the clock of policies; 0: none by this worker */
} DbsyncRound;

/*
 * How a receiver goes; written by its process only, under the lock.  Of a subscription whose target is a folder: what receivers
 * lack, in "missing", a sentence; "number", the bundle that is not there; and "chain", which another one must be higher than, 1: any.
 */
typedef struct DbsyncReceivingReport
{
	char		state[64];		/* in words; empty: it has not told yet */
	int64		chain;			/* where the target is; 0: nowhere yet */
	int64		number;
	int64		batch;
	TimestampTz time;			/* at the source, when that batch began; 0: not since it started */
	int			cached;			/* bundles that are to be played */
	int64		rejected;		/* files, since it started, */
	int			rejected_last;	/* and since a good one came */
	int64		duplicates;
	int			partial;		/* files that have been incomplete for too long */
	int			older;			/* of chains that came before, and are not known */
	TimestampTz waits_since;	/* when the number was missed for that it waits for; 0: for none */
	bool		inbox_made;		/* it had gone, was made anew, and nothing good has come into it */
	char		missing[192];	/* numbers, clipped */
} DbsyncReceivingReport;

typedef struct DbsyncSlot
{
	Oid			database;		/* InvalidOid: slot is free */
	int			subscription;
	pid_t		pid;			/* 0: no worker */
	Oid			owner;			/* whose limit of workers counts it; InvalidOid: nobody's */
	Latch	   *latch;			/* the worker's, NULL with pid 0 */
	pg_atomic_uint32 calls;		/* by whoever sets the latch, before that */
	bool		stop;			/* asked to stop and not to come back */
	bool		once;			/* works for run_once */
	uint64		run;			/* which run_once call it works for */
	bool		run_done;		/* that run ended without error */
	int64		run_rows;
	uint64		asked;			/* tickets handed out to wait_for */
	uint64		answered;		/* tickets up to this one are fulfilled */
	int			suspended;		/* tables that answers do not speak of */
	int			held;			/* tables that they may not speak of: see there */
	int			parked;			/* keys of rows that the target has refused */
	ConditionVariable changed;	/* pid, answered or state changed */
	DbsyncWorkerState state;
	DbsyncTrouble trouble;
	DbsyncProgress progress;
	DbsyncWake	wake;
	DbsyncRound round;
	DbsyncReceivingReport receiving;
} DbsyncSlot;

/* Called from _PG_init: when preloaded, ask for the memory in time. */
extern void dbsync_shmem_init(void);

/* Attach to the shared state; capture does so before it may have to wake. */
extern void dbsync_shmem_attach(void);

/* Take and release the lock on all slots (attaches at first use). */
extern void dbsync_shmem_lock(bool exclusive);
extern void dbsync_shmem_unlock(void);

/*
 * The slot of a subscription of this database, or NULL; with "create" a free
 * or the longest stopped one is taken, NULL only when all work.  Lock held
 * (exclusive with create).
 */
extern DbsyncSlot *dbsync_shmem_slot(int subscription, bool create);

/* The i-th slot, for listing; 0 <= i < DBSYNC_SLOTS.  Lock held. */
extern DbsyncSlot *dbsync_shmem_slot_at(int i);

/* Memory for places to meet (extension/meeting.h), all zero at first.  Lock held. */
extern void *dbsync_shmem_meetings(void);

/* Was one ever made?  Takes no lock.  Now one is: lock held. */
extern bool dbsync_shmem_has_meetings(void);
extern void dbsync_shmem_note_meeting(void);

/* Copy one, for who only looks.  Takes the lock. */
extern void dbsync_shmem_read_slot(int i, DbsyncSlot *copy);

/* Slots of an owner that have a worker, in all databases or in all but this one.  Lock held. */
extern int	dbsync_shmem_workers_of(Oid owner, bool elsewhere);

/*
 * Wake the slot's worker, if it has one.  The latch alone is not enough: whatever
 * waits for something else on the worker's way resets it.
 */
extern void dbsync_shmem_wake(DbsyncSlot *slot);

/* A number nobody else has: identifies one run_once call. */
extern uint64 dbsync_shmem_next_run(void);

/* Copy a string into a field of DBSYNC_MESSAGE_SIZE, clipped at a character. */
extern void dbsync_shmem_put_text(char *field, const char *text);

/* Scouts tell the launcher that a worker could not be started for want of a slot. */
extern void dbsync_shmem_set_unstarted(bool unstarted);
extern bool dbsync_shmem_unstarted(void);

/* Was the library loaded by shared_preload_libraries? */
extern bool dbsync_shmem_preloaded(void);

/*
 * Slots from this one on were never taken; 0 where this process is not attached.  Neither takes
 * a lock nor fails.
 */
extern int	dbsync_shmem_used(void);

#endif							/* DBSYNC_EXTENSION_SHMEM_H */
