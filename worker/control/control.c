/*-------------------------------------------------------------------------
 *
 * worker/control/control.c
 *	  SQL functions by which people start, stop, wait for and run subscriptions.
 *
 * Starting takes effect at commit (dbsync_pending_start()).  Stopping works at once: the
 * worker may be waiting for what this very transaction holds.
 *
 * run_once() works through a worker of its own, which can commit between
 * tables and cannot see what the caller has not committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "extension/admin.h"
#include "extension/catalog.h"
#include "extension/node.h"
#include "extension/settings.h"
#include "extension/shmem.h"
#include "worker/control/control.h"
#include "worker/control/lacks.h"
#include "worker/control/lookup.h"
#include "worker/control/pending.h"
#include "worker/control/policies.h"
#include "worker/limit.h"
#include "worker/run/crashes.h"
#include "worker/run/launcher.h"

/* of wait_for(), in ms: ten thousand years */
#define LONGEST_WAIT	3.2e14

PG_FUNCTION_INFO_V1(dbsync_start_subscription);
PG_FUNCTION_INFO_V1(dbsync_stop_subscription);
PG_FUNCTION_INFO_V1(dbsync_wait_for);
PG_FUNCTION_INFO_V1(dbsync_run_now);
PG_FUNCTION_INFO_V1(dbsync_run_once);

static void
check_adopted(void)
{
	if (!dbsync_node_is_adopted())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("dbsync is dormant in this database"),
				 errdetail("The database is a copy of the one in which its subscriptions were made."),
				 errhint("If it shall take that one's place, or go its own way, run dbsync.adopt().")));
}

/* The subscription that is the first argument.  Comes before any argument is looked at. */
static DbsyncFound
find_argument(FunctionCallInfo fcinfo)
{
	dbsync_admin_check_arguments(fcinfo);
	return dbsync_lookup_owned(DBSYNC_JOB_SUBSCRIPTION, NameStr(*PG_GETARG_NAME(0)));
}

void
dbsync_control_start(const DbsyncFound *found)
{
	DbsyncSlot *slot;

	check_adopted();
	dbsync_lookup_check_limit(found);
	dbsync_lookup_begin_change();
	dbsync_shmem_lock(true);
	slot = dbsync_shmem_slot(found->id, false);
	if (slot != NULL)
		slot->stop = false;
	dbsync_shmem_unlock();

	dbsync_crashes_forget(found->id);
	dbsync_lookup_set_enabled(found, true);
	dbsync_pending_start(found->id);
}

Datum
dbsync_start_subscription(PG_FUNCTION_ARGS)
{
	DbsyncFound found = find_argument(fcinfo);

	dbsync_control_start(&found);
	PG_RETURN_VOID();
}

static const char *
word_of(const DbsyncFound *found)
{
	return found->kind == DBSYNC_JOB_RECEIVER ? "receiver" : "subscription";
}

static void
refuse_to_wait(const DbsyncFound *found, const char *name, pid_t pid)
{
	ConditionVariableCancelSleep();
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("worker of %s \"%s\" has not ended", word_of(found), name),
			 errdetail("It has been asked to, and process %d is still there.", (int) pid),
			 errhint("It ends as soon as it can; what it waits for is in pg_stat_activity. Call this again then."
					 " dbsync.call_timeout sets how long to wait.")));
}

/* wait for the slot's worker to end; it has been asked to */
static void
wait_until_gone(const DbsyncFound *found, const char *name)
{
	int			id = found->id;
	int			limit = dbsync_call_timeout;
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), limit);

	for (;;)
	{
		DbsyncSlot *slot;
		pid_t		pid = 0;

		dbsync_shmem_lock(false);
		slot = dbsync_shmem_slot(id, false);
		if (slot != NULL)
			pid = slot->pid;
		dbsync_shmem_unlock();
		if (pid == 0)
			break;
		if (limit > 0 && GetCurrentTimestamp() >= until)
			refuse_to_wait(found, name, pid);
		ConditionVariablePrepareToSleep(&slot->changed);
		kill(pid, SIGTERM);
		(void) ConditionVariableTimedSleep(&slot->changed, 100, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

void
dbsync_control_stop(const DbsyncFound *found, const char *name)
{
	DbsyncSlot *slot;

	/* whom it would wait for behind the worker's end, and perhaps in vain */
	dbsync_lookup_begin_change();
	dbsync_pending_cancel_start(found->id);
	dbsync_shmem_lock(true);
	slot = dbsync_shmem_slot(found->id, true);
	if (slot != NULL)
		slot->stop = true;
	dbsync_shmem_unlock();
	wait_until_gone(found, name);
	dbsync_lookup_set_enabled(found, false);
}

Datum
dbsync_stop_subscription(PG_FUNCTION_ARGS)
{
	DbsyncFound found = find_argument(fcinfo);

	dbsync_control_stop(&found, NameStr(*PG_GETARG_NAME(0)));
	PG_RETURN_VOID();
}

/*
 * Milliseconds; months and days as justify_interval() counts them.  No less than none,
 * and no more than can be added to the time of day: intervals reach further than
 * timestamps do.
 */
static int64
interval_ms(const Interval *interval)
{
	double		days = (double) interval->month * DAYS_PER_MONTH + interval->day;
	double		ms = days * SECS_PER_DAY * 1000.0 + interval->time / 1000.0;

	return (int64) Max(0.0, Min(ms, LONGEST_WAIT));
}

/* Draw a ticket and wake the worker; 0 if no worker will ever answer. */
static uint64
ask(const DbsyncFound *found)
{
	DbsyncSlot *slot;
	uint64		ticket = 0;

	dbsync_shmem_lock(true);
	slot = dbsync_shmem_slot(found->id, found->enabled);
	if (slot != NULL && !slot->stop && (found->enabled || slot->pid != 0))
	{
		ticket = ++slot->asked;
		dbsync_shmem_wake(slot);
	}
	dbsync_shmem_unlock();
	return ticket;
}

Datum
dbsync_wait_for(PG_FUNCTION_ARGS)
{
	DbsyncFound found = find_argument(fcinfo);
	int64		timeout = interval_ms(PG_GETARG_INTERVAL_P(1));
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	uint64		ticket;
	bool		reached = false;
	bool		lacks = false;
	bool		holds = false;
	bool		parks = false;

	/* no worker is where it could be answered */
	PreventCommandDuringRecovery("dbsync.wait_for()");
	if (dbsync_pending_is_starting(found.id))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("subscription \"%s\" starts when this transaction commits",
						NameStr(*PG_GETARG_NAME(0))),
				 errhint("Wait for it in another transaction.")));
	if (!dbsync_policies_are_open(NameStr(*PG_GETARG_NAME(0)), &found))
		PG_RETURN_BOOL(false);
	ticket = ask(&found);
	while (ticket != 0)
	{
		DbsyncSlot *slot;
		bool		gone;
		long		left;

		CHECK_FOR_INTERRUPTS();
		dbsync_shmem_lock(false);
		slot = dbsync_shmem_slot(found.id, false);
		gone = slot == NULL || slot->stop;
		reached = slot != NULL && slot->answered >= ticket;
		lacks = slot != NULL && slot->suspended > 0;
		holds = slot != NULL && slot->held > 0;
		parks = slot != NULL && slot->parked > 0;
		dbsync_shmem_unlock();
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
		if (reached || gone || left <= 0)
			break;
		/* its hours may end meanwhile */
		if (!dbsync_policies_are_open(NameStr(*PG_GETARG_NAME(0)), &found))
			break;
		/* look again now and then: the slot may change hands */
		(void) ConditionVariableTimedSleep(&slot->changed, Min(left, 1000), PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	/* not all that is committed is there, and nobody shall think so */
	if (reached && holds)
		dbsync_lacks_check_held(NameStr(*PG_GETARG_NAME(0)), &found);
	if (reached && lacks && dbsync_lacks_suspended(NameStr(*PG_GETARG_NAME(0)), &found))
		reached = false;
	if (reached && parks)
		dbsync_lacks_tell_parked(NameStr(*PG_GETARG_NAME(0)), &found);
	PG_RETURN_BOOL(reached);
}

/* The ticket is for nobody: it is there to be answered. */
Datum
dbsync_run_now(PG_FUNCTION_ARGS)
{
	DbsyncFound found = find_argument(fcinfo);
	char	   *name = NameStr(*PG_GETARG_NAME(0));

	PreventCommandDuringRecovery("dbsync.run_now()");
	check_adopted();
	if (!found.enabled)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("subscription \"%s\" is stopped", name),
				 errhint("Use dbsync.run_once(), or start it with dbsync.start_subscription().")));
	if (!dbsync_policies_are_open(name, &found))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(ask(&found) != 0);
}

/* Repeat the worker's error as our own. */
static void
raise_trouble(const DbsyncTrouble *trouble)
{
	ereport(ERROR,
			(errcode(trouble->sqlstate),
			 errmsg_internal("%s", trouble->message),
			 trouble->detail[0] ? errdetail_internal("%s", trouble->detail) : 0,
			 trouble->hint[0] ? errhint("%s", trouble->hint) : 0));
}

static const char *
name_of_run(const DbsyncFound *found)
{
	return found->kind == DBSYNC_JOB_RECEIVER ? "receive_once" : "run_once";
}

/*
 * What this transaction has written would not be sent, and the worker could wait for
 * it for ever.  Its isolation level does not matter: the worker has one of its own, and
 * sends what is committed by now, which a REPEATABLE READ caller may not see yet.  For
 * some databases that is the level of all transactions.
 */
static void
check_can_run(const char *name, const DbsyncFound *found)
{
	PreventCommandDuringRecovery(psprintf("dbsync.%s()", name_of_run(found)));
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s() cannot be called in a transaction that has written", name_of_run(found)),
				 found->kind == DBSYNC_JOB_RECEIVER ? 0 : errdetail("It sends what is committed; what this transaction has done is not."),
				 errhint("COMMIT first, then call it.")));
	check_adopted();
	if (found->enabled)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s \"%s\" is running", word_of(found), name),
				 errhint(found->kind == DBSYNC_JOB_RECEIVER ? "Stop it first with dbsync.stop_receiver()."
						 : "Use dbsync.wait_for(), or stop it first with dbsync.stop_subscription().")));
}

static void
start_run(const DbsyncFound *found, uint64 run, BackgroundWorkerHandle **handle)
{
	DbsyncWorkerArgs args = {0};

	dbsync_lookup_check_limit(found);
	args.kind = found->kind;
	args.database = MyDatabaseId;
	args.run = run;
	args.owner = dbsync_limited_role(found->owner);
	if (!dbsync_launcher_start_worker(found->id, &args, handle))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a worker for %s()", name_of_run(found)),
				 errdetail("No background worker slot is free."),
				 errhint(DBSYNC_NO_SLOT_HINT)));
}

static int64
run_result(const char *name, const DbsyncFound *found, uint64 run)
{
	DbsyncSlot	copy = {0};
	DbsyncSlot *slot;

	dbsync_shmem_lock(false);
	slot = dbsync_shmem_slot(found->id, false);
	if (slot != NULL)
		copy = *slot;
	dbsync_shmem_unlock();
	if (copy.run != run)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another worker is working on %s \"%s\"", word_of(found), name)));
	if (!copy.run_done && copy.trouble.sqlstate != 0)
		raise_trouble(&copy.trouble);
	if (!copy.run_done)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("the work on %s \"%s\" was broken off", word_of(found), name),
				 errhint("The server log may say more.")));
	return copy.run_rows;
}

/* The postmaster sets our latch when the worker has ended. */
static void
wait_for_run(const DbsyncFound *found, BackgroundWorkerHandle *handle, const Interval *timeout)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout ? interval_ms(timeout) : 0);
	pid_t		pid;

	for (;;)
	{
		long		left = timeout ? TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until) : -1;

		CHECK_FOR_INTERRUPTS();
		if (GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED)
			return;
		if (left == 0)
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("%s() has not come to an end in time", name_of_run(found)),
					 errdetail("What has been committed on the target stays there."),
					 errhint("The next call goes on from there. dbsync.progress shows, while it runs, how far it is and what it waits for.")));
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout ? WL_TIMEOUT : 0), left, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

int64
dbsync_control_run_once(const DbsyncFound *found, const char *name, const Interval *timeout)
{
	uint64		run = dbsync_shmem_next_run();
	BackgroundWorkerHandle *handle;

	check_can_run(name, found);
	start_run(found, run, &handle);
	PG_TRY();
	{
		wait_for_run(found, handle, timeout);
	}
	PG_CATCH();
	{
		TerminateBackgroundWorker(handle);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return run_result(name, found, run);
}

Datum
dbsync_run_once(PG_FUNCTION_ARGS)
{
	DbsyncFound found = find_argument(fcinfo);
	char	   *name = NameStr(*PG_GETARG_NAME(0));
	int64		rows = dbsync_control_run_once(&found, name, PG_ARGISNULL(1) ? NULL : PG_GETARG_INTERVAL_P(1));

	dbsync_lacks_check_held(name, &found);
	(void) dbsync_lacks_suspended(name, &found);
	dbsync_lacks_tell_parked(name, &found);
	PG_RETURN_INT64(rows);
}

