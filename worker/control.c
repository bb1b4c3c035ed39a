/*-------------------------------------------------------------------------
 *
 * worker/control.c
 *	  SQL functions by which people start, stop, wait for and run subscriptions.
 *
 * A worker that is started must see the rows of the transaction that starts it,
 * so it is registered just before that commits and waits for it to end; where
 * it cannot be registered the transaction fails, with a hint.  Stopping works
 * at once: the worker may be waiting for what this very transaction holds.
 *
 * run_once() works through a worker of its own, which can commit between
 * tables and cannot see what the caller has not committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "extension/catalog.h"
#include "extension/shmem.h"
#include "worker/launcher.h"
#include "worker/query.h"
#include "worker/subscription.h"
#include "worker/target_config.h"

/* subscriptions to start when this transaction commits */
static List *starting = NIL;

/* subscriptions to delete from their targets' ledgers when it commits */
typedef struct Forgotten
{
	int			id;
	pg_uuid_t	uid;
	bool		force;
	DbsyncTargetConfig *config;
} Forgotten;

static List *forgetting = NIL;
static bool callback_registered = false;

/*
 * Become the owner of the extension, whose tables these are; returns who we
 * were.  An error puts it right by itself.
 */
static void
become_owner(Oid *user, int *security)
{
	HeapTuple	tuple;
	Oid			schema = dbsync_catalog_schema();

	GetUserIdAndSecContext(user, security);
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "schema of dbsync has gone");
	SetUserIdAndSecContext(((Form_pg_namespace) GETSTRUCT(tuple))->nspowner,
						   *security | SECURITY_LOCAL_USERID_CHANGE);
	ReleaseSysCache(tuple);
}

typedef struct Found
{
	int			id;
	bool		enabled;
	bool		has_run;
	Oid			owner;
	char	   *target;
	pg_uuid_t	uid;
} Found;

static void
read_found(const char *where, const char *arg, Found *found)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		isnull;
	Oid			user;
	int			security;

	memset(found, 0, sizeof(*found));
	become_owner(&user, &security);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	if (dbsync_query(psprintf("SELECT id, enabled, position IS NOT NULL, owner::pg_catalog.oid, target, uid"
							  " FROM dbsync.subscription WHERE %s", where), 1, &arg) == 1)
	{
		found->id = dbsync_query_int(0, 1);
		found->enabled = dbsync_query_bool(0, 2);
		found->has_run = dbsync_query_bool(0, 3);
		found->owner = dbsync_query_oid(0, 4);
		found->target = MemoryContextStrdup(caller, dbsync_query_text(0, 5));
		found->uid = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0],
												  SPI_tuptable->tupdesc, 6, &isnull));
	}
	PopActiveSnapshot();
	SPI_finish();
	SetUserIdAndSecContext(user, security);
}

/* The subscription, if there is one and the caller may command it. */
static Found
find_subscription(const char *name)
{
	Found		found;

	read_found("name = $1::pg_catalog.name", name, &found);
	if (found.id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("subscription \"%s\" does not exist", name),
				 errhint("dbsync.status lists the subscriptions of this database.")));
	if (!has_privs_of_role(GetUserId(), found.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of subscription \"%s\"", name)));
	return found;
}

static void
write_enabled(int id, bool enabled)
{
	Oid			user;
	int			security;
	const char *args[2];

	args[0] = enabled ? "true" : "false";
	args[1] = psprintf("%d", id);
	become_owner(&user, &security);
	dbsync_query_run("UPDATE dbsync.subscription SET enabled = $1::pg_catalog.bool"
					 " WHERE id = $2::pg_catalog.int4", 2, args);
	SetUserIdAndSecContext(user, security);
}

static void
start_pending(void)
{
	ListCell   *lc;

	foreach(lc, starting)
	{
		DbsyncWorkerArgs args = {0};

		args.database = MyDatabaseId;
		args.starter = GetTopTransactionId();
		if (!dbsync_launcher_start_worker(lfirst_int(lc), &args, NULL))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("could not start the worker of a subscription"),
					 errdetail("No background worker slot is free."),
					 errhint(DBSYNC_NO_SLOT_HINT)));
	}
	starting = NIL;
}

/*
 * Delete the ledger's rows of a subscription that this transaction has dropped;
 * with force a target that does not do it is only a warning.
 */
static void
forget_one(const Forgotten *forgotten)
{
	const DbsyncDriver *driver = dbsync_driver_find(forgotten->config->driver);
	DbsyncTarget *volatile target = NULL;
	bool		ok;

	PG_TRY();
	{
		target = driver->open(forgotten->config, &ok);
		ok = ok && driver->ledger_forget(target, &forgotten->uid);
		if (!ok && !forgotten->force)
			dbsync_fault_raise(target, "deleting the subscription from the target's ledger");
		if (!ok)
			ereport(WARNING,
					(errmsg("could not delete the subscription from the ledger on target \"%s\"",
							forgotten->config->name),
					 errdetail("%s", target->fault.message)));
	}
	PG_FINALLY();
	{
		if (target != NULL)
			target->driver->close(target);
	}
	PG_END_TRY();
}

/*
 * Only now, as the transaction commits: the target cannot roll back with us.  A
 * subscription that is there again was dropped in a savepoint.
 */
static void
forget_pending(void)
{
	ListCell   *lc;

	foreach(lc, forgetting)
	{
		Forgotten  *forgotten = lfirst(lc);
		Found		found;

		read_found("id = $1::pg_catalog.int4", psprintf("%d", forgotten->id), &found);
		if (found.id == 0)
			forget_one(forgotten);
	}
	forgetting = NIL;
}

static void
on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			start_pending();
			forget_pending();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (starting != NIL || forgetting != NIL)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has started or dropped a subscription")));
			break;
		case XACT_EVENT_ABORT:
			starting = NIL;
			forgetting = NIL;
			break;
		default:
			break;
	}
}

static void
register_callback(void)
{
	if (!callback_registered)
		RegisterXactCallback(on_transaction, NULL);
	callback_registered = true;
}

PG_FUNCTION_INFO_V1(dbsync_start_subscription);
PG_FUNCTION_INFO_V1(dbsync_stop_subscription);
PG_FUNCTION_INFO_V1(dbsync_wait_for);
PG_FUNCTION_INFO_V1(dbsync_run_once);
PG_FUNCTION_INFO_V1(dbsync_slots);
PG_FUNCTION_INFO_V1(dbsync_forget_at_target);
PG_FUNCTION_INFO_V1(dbsync_is_preloaded);

static void
check_adopted(void)
{
	if (!dbsync_catalog_is_adopted())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("dbsync is dormant in this database"),
				 errdetail("The database is a copy of the one in which its subscriptions were made."),
				 errhint("If it shall take that one's place, or go its own way, run dbsync.adopt().")));
}

Datum
dbsync_start_subscription(PG_FUNCTION_ARGS)
{
	Found		found = find_subscription(NameStr(*PG_GETARG_NAME(0)));
	DbsyncSlot *slot;
	MemoryContext old;

	check_adopted();
	dbsync_shmem_lock(true);
	slot = dbsync_shmem_slot(found.id, false);
	if (slot != NULL)
		slot->stop = false;
	dbsync_shmem_unlock();

	register_callback();
	write_enabled(found.id, true);
	old = MemoryContextSwitchTo(TopTransactionContext);
	starting = list_append_unique_int(starting, found.id);
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}

/* wait for the slot's worker to end; it has been asked to */
static void
wait_until_gone(int id)
{
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
		ConditionVariablePrepareToSleep(&slot->changed);
		kill(pid, SIGTERM);
		(void) ConditionVariableTimedSleep(&slot->changed, 100, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

Datum
dbsync_stop_subscription(PG_FUNCTION_ARGS)
{
	Found		found = find_subscription(NameStr(*PG_GETARG_NAME(0)));
	DbsyncSlot *slot;

	starting = list_delete_int(starting, found.id);
	dbsync_shmem_lock(true);
	slot = dbsync_shmem_slot(found.id, true);
	if (slot != NULL)
		slot->stop = true;
	dbsync_shmem_unlock();
	wait_until_gone(found.id);
	write_enabled(found.id, false);
	PG_RETURN_VOID();
}

/* milliseconds; months and days as justify_interval() counts them */
static int64
interval_ms(const Interval *interval)
{
	int64		days = (int64) interval->month * DAYS_PER_MONTH + interval->day;

	return days * SECS_PER_DAY * INT64CONST(1000) + interval->time / 1000;
}

/* Draw a ticket and wake the worker; 0 if no worker will ever answer. */
static uint64
ask(const Found *found)
{
	DbsyncSlot *slot;
	uint64		ticket = 0;

	dbsync_shmem_lock(true);
	slot = dbsync_shmem_slot(found->id, found->enabled);
	if (slot != NULL && !slot->stop && (found->enabled || slot->pid != 0))
	{
		ticket = ++slot->asked;
		if (slot->latch != NULL)
			SetLatch(slot->latch);
	}
	dbsync_shmem_unlock();
	return ticket;
}

Datum
dbsync_wait_for(PG_FUNCTION_ARGS)
{
	Found		found = find_subscription(NameStr(*PG_GETARG_NAME(0)));
	int64		timeout = interval_ms(PG_GETARG_INTERVAL_P(1));
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);
	uint64		ticket;
	bool		reached = false;

	if (list_member_int(starting, found.id))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("subscription \"%s\" starts when this transaction commits",
						NameStr(*PG_GETARG_NAME(0))),
				 errhint("Wait for it in another transaction.")));
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
		dbsync_shmem_unlock();
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
		if (reached || gone || left <= 0)
			break;
		/* look again now and then: the slot may change hands */
		(void) ConditionVariableTimedSleep(&slot->changed, Min(left, 1000), PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	PG_RETURN_BOOL(reached);
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

static void
check_can_run(const char *name, const Found *found)
{
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()) || IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("run_once() cannot be called in a transaction that has written, or is REPEATABLE READ"),
				 errdetail("It sends what is committed; what this transaction has done or sees is something else."),
				 errhint("Call it in a transaction of its own.")));
	if (found->enabled)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("subscription \"%s\" is running", name),
				 errhint("Use dbsync.wait_for(), or stop it first with dbsync.stop_subscription().")));
	check_adopted();
}

static void
start_run(const Found *found, uint64 run, BackgroundWorkerHandle **handle)
{
	DbsyncWorkerArgs args = {0};

	args.database = MyDatabaseId;
	args.run = run;
	if (!dbsync_launcher_start_worker(found->id, &args, handle))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a worker for run_once()"),
				 errdetail("No background worker slot is free."),
				 errhint(DBSYNC_NO_SLOT_HINT)));
}

static int64
run_result(const char *name, const Found *found, uint64 run)
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
				 errmsg("another worker is working on subscription \"%s\"", name)));
	if (!copy.run_done && copy.trouble.sqlstate != 0)
		raise_trouble(&copy.trouble);
	if (!copy.run_done)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("the work on subscription \"%s\" was broken off", name),
				 errhint("The server log may say more.")));
	return copy.run_rows;
}

Datum
dbsync_run_once(PG_FUNCTION_ARGS)
{
	char	   *name = NameStr(*PG_GETARG_NAME(0));
	Found		found = find_subscription(name);
	uint64		run = dbsync_shmem_next_run();
	BackgroundWorkerHandle *handle;

	check_can_run(name, &found);
	start_run(&found, run, &handle);
	PG_TRY();
	{
		if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED)
			proc_exit(1);
	}
	PG_CATCH();
	{
		TerminateBackgroundWorker(handle);
		PG_RE_THROW();
	}
	PG_END_TRY();
	PG_RETURN_INT64(run_result(name, &found, run));
}

static const char *
state_text(const DbsyncSlot *slot)
{
	static const char *const names[] = {"stopped", "starting", "installing", "copying",
	"running", "waiting to retry"};

	return names[slot->state];
}

static Datum
time_or_null(TimestampTz time, bool *isnull)
{
	*isnull = (time == 0);
	return TimestampTzGetDatum(time);
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = (text[0] == '\0');
	return *isnull ? (Datum) 0 : CStringGetTextDatum(text);
}

/* while it cannot work, a worker does not look at what is waiting either */
static bool
lag_is_known(const DbsyncSlot *slot)
{
	return slot->state == DBSYNC_WORKER_INSTALLING ||
		slot->state == DBSYNC_WORKER_COPYING || slot->state == DBSYNC_WORKER_RUNNING;
}

static void
put_slot(ReturnSetInfo *rsinfo, const DbsyncSlot *slot)
{
	Datum		values[18];
	bool		nulls[18] = {0};
	const DbsyncProgress *progress = &slot->progress;
	const DbsyncTrouble *trouble = &slot->trouble;

	values[0] = Int32GetDatum(slot->subscription);
	values[1] = Int32GetDatum(slot->pid);
	nulls[1] = slot->pid == 0;
	values[2] = CStringGetTextDatum(state_text(slot));
	values[3] = Int64GetDatum(progress->batches);
	values[4] = Int64GetDatum(progress->rows);
	values[5] = Int64GetDatum(progress->lag_rows);
	values[6] = Int64GetDatum(progress->lag_bytes);
	values[7] = time_or_null(progress->oldest, &nulls[7]);
	nulls[5] = nulls[6] = !lag_is_known(slot);
	nulls[7] |= nulls[5];
	values[8] = time_or_null(progress->last_batch, &nulls[8]);
	values[9] = Float8GetDatum(progress->rows_per_second);
	values[10] = text_or_null(trouble->sqlstate ? unpack_sql_state(trouble->sqlstate) : "", &nulls[10]);
	values[11] = text_or_null(trouble->message, &nulls[11]);
	values[12] = text_or_null(trouble->detail, &nulls[12]);
	values[13] = text_or_null(trouble->hint, &nulls[13]);
	values[14] = time_or_null(trouble->at, &nulls[14]);
	values[15] = Int32GetDatum(trouble->failures);
	values[16] = time_or_null(trouble->retry_at, &nulls[16]);
	values[17] = text_or_null(progress->position, &nulls[17]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
dbsync_slots(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < DBSYNC_SLOTS; i++)
	{
		DbsyncSlot	copy;

		dbsync_shmem_lock(false);
		copy = *dbsync_shmem_slot_at(i);
		dbsync_shmem_unlock();
		if (copy.database == MyDatabaseId)
			put_slot((ReturnSetInfo *) fcinfo->resultinfo, &copy);
	}
	return (Datum) 0;
}

Datum
dbsync_forget_at_target(PG_FUNCTION_ARGS)
{
	Found		found;
	Forgotten  *forgotten;
	MemoryContext old;

	read_found("id = $1::pg_catalog.int4", psprintf("%d", PG_GETARG_INT32(0)), &found);
	if (found.id == 0 || !found.has_run)
		PG_RETURN_VOID();

	/* server and user mapping may be dropped by the time of the commit */
	register_callback();
	old = MemoryContextSwitchTo(TopTransactionContext);
	forgotten = palloc0(sizeof(Forgotten));
	forgotten->id = found.id;
	forgotten->uid = found.uid;
	forgotten->force = PG_GETARG_BOOL(1);
	forgotten->config = dbsync_target_config(found.target, found.owner);
	forgotten->config->application_name = "dbsync";
	if (dbsync_driver_find(forgotten->config->driver) == NULL)
		elog(ERROR, "no driver \"%s\"", forgotten->config->driver);
	forgetting = lappend(forgetting, forgotten);
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}

Datum
dbsync_is_preloaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dbsync_shmem_preloaded());
}
