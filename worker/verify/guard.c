/*-------------------------------------------------------------------------
 *
 * worker/verify/guard.c
 *	  Giving way: nobody is to wait for a verification.
 *
 * Its locks are those of a reader, which nothing but ACCESS EXCLUSIVE waits for; and behind that everybody else.
 * (LockHasWaiters() will not do: it looks into locks of the shared table only, and ours need not be
 * there.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/connection.h"
#include "worker/target_compare.h"
#include "worker/verify/guard.h"

/* between two looks, in microseconds */
#define LOOK_EVERY	(500 * INT64CONST(1000))

/* a cancel that was meant for what has just ended may come so much later, in ms */
#define LATE_MS		1000

static DbsyncVerify *watched = NULL;
static TimestampTz ended_at = 0;

/* Is it a table's lock that we have?  Those of tables that a view reads are among them, too. */
static bool
is_ours(const LockData *data, const LOCKTAG *tag)
{
	for (int i = 0; i < data->nelements; i++)
	{
		const LockInstanceData *lock = &data->locks[i];

		if (lock->pid == MyProcPid && lock->holdMask != 0 && memcmp(&lock->locktag, tag, sizeof(LOCKTAG)) == 0)
			return true;
	}
	return false;
}

static bool
is_waited_for_here(void)
{
	LockData   *data = GetLockStatusData();
	bool		waited = false;

	for (int i = 0; i < data->nelements && !waited; i++)
	{
		const LockInstanceData *lock = &data->locks[i];

		waited = lock->waitLockMode == AccessExclusiveLock && lock->locktag.locktag_type == LOCKTAG_RELATION && is_ours(data, &lock->locktag);
	}
	return waited;
}

/*
 * A query that sorts, or counts, shows no row for long, and until it does nobody looks here.  So whoever waits does it himself: behind
 * deadlock_timeout each server process looks who keeps it waiting, and if that is one of autovacuum's it is cancelled, as its work can be
 * done another time.  So can ours, and the flag by which they are known means that, and nothing else but that DROP DATABASE ends them.
 */
static void
set_yielding(bool yields)
{
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	if (yields)
		MyProc->statusFlags |= PROC_IS_AUTOVACUUM;
	else
		MyProc->statusFlags &= ~PROC_IS_AUTOVACUUM;
	ProcGlobal->statusFlags[MyProc->pgxactoff] = MyProc->statusFlags;
	LWLockRelease(ProcArrayLock);
}

/* Over a connection of its own: the worker's session may be among those who wait. */
static bool
is_waited_for_there(DbsyncVerify *v)
{
	bool		in_way = false;

	if (v->watch == NULL || v->watch_lost || v->handle == NULL)
		return false;
	/* one that is lost is no reason to stop */
	if (!dbsync_target_try_read_is_in_way(v->watch, v->handle, &in_way))
		v->watch_lost = true;
	return in_way;
}

static void
break_off(DbsyncVerify *v, DbsyncLeaving leaving)
{
	v->leaving = leaving;
	InterruptPending = true;
	QueryCancelPending = true;
}

static void
look(DbsyncVerify *v)
{
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext scratch;
	MemoryContext old;

	if (v->table == NULL || v->leaving != DBSYNC_STAYS || now < v->look_at)
		return;
	v->look_at = now + LOOK_EVERY;
	dbsync_meeting_tell(&v->progress);
	if (v->order.deadline != DT_NOEND && now >= v->order.deadline)
	{
		break_off(v, DBSYNC_LEAVES_FOR_TIME);
		return;
	}
	scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync locks", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(scratch);
	if (is_waited_for_here() || is_waited_for_there(v))
		break_off(v, DBSYNC_LEAVES_FOR_LOCK);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

/* DbsyncTargetConfig.waits; also called for the other connection, from within itself */
static void
wait_for_target(TimestampTz since)
{
	static bool within = false;

	if (since == 0 || within || watched == NULL)
		return;
	within = true;
	PG_TRY();
	{
		look(watched);
	}
	PG_FINALLY();
	{
		within = false;
	}
	PG_END_TRY();
}

void
dbsync_guard_watch(DbsyncVerify *v)
{
	watched = v;
	dbsync_connection_on_waits(wait_for_target);
}

void
dbsync_guard_begin(void)
{
	set_yielding(true);
}

void
dbsync_guard_end(void)
{
	set_yielding(false);
	ended_at = GetCurrentTimestamp();
}

bool
dbsync_guard_has_yielded(const ErrorData *edata)
{
	if (edata->sqlerrcode != ERRCODE_QUERY_CANCELED)
		return false;
	return is_waited_for_here() || !TimestampDifferenceExceeds(ended_at, GetCurrentTimestamp(), LATE_MS);
}

void
dbsync_guard_look(DbsyncVerify *v)
{
	look(v);
	CHECK_FOR_INTERRUPTS();
}
