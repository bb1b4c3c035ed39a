/*-------------------------------------------------------------------------
 *
 * worker/run/launcher.c
 *	  Starting workers: at commit of start_subscription, after a server start.
 *
 * When preloaded, a launcher runs once after each server start (and after each
 * crash of a backend).  It knows only that there are databases; into each it
 * sends a scout, which starts the workers of enabled subscriptions and ends.
 * Nobody stays in a database without need, since that would keep it from being
 * dropped or copied.
 *
 * A worker ends with status 0 when it has no reason to run, with 1 when the
 * postmaster shall start it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "extension/catalog.h"
#include "extension/node.h"
#include "extension/shmem.h"
#include "worker/limit.h"
#include "worker/query.h"
#include "worker/run/launcher.h"

/* pause before the postmaster starts a crashed worker again, in seconds */
#define RESTART_TIME 1

/* before workers that found no slot are tried again, in ms */
#define UNSTARTED_PAUSE 10000

static void
fill_worker(BackgroundWorker *worker, const char *function, const char *name)
{
	memset(worker, 0, sizeof(*worker));
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = RESTART_TIME;
	strlcpy(worker->bgw_library_name, "dbsync", BGW_MAXLEN);
	strlcpy(worker->bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker->bgw_name, name, BGW_MAXLEN);
	strlcpy(worker->bgw_type, name, BGW_MAXLEN);
}

void
dbsync_launcher_register(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	fill_worker(&worker, "dbsync_launcher_main", "dbsync launcher");
	RegisterBackgroundWorker(&worker);
}

bool
dbsync_launcher_start_worker(int subscription, const DbsyncWorkerArgs *args,
							 BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *ours;

	if (args->kind == DBSYNC_JOB_RECEIVER)
	{
		fill_worker(&worker, "dbsync_receiver_main", "dbsync receiver");
		snprintf(worker.bgw_name, BGW_MAXLEN, "dbsync receiver %d", subscription);
	}
	else if (args->kind == DBSYNC_JOB_VERIFY)
	{
		fill_worker(&worker, "dbsync_verify_main", "dbsync verify");
		snprintf(worker.bgw_name, BGW_MAXLEN, "dbsync verify of subscription %d", subscription);
	}
	else
	{
		fill_worker(&worker, "dbsync_worker_main", "dbsync worker");
		snprintf(worker.bgw_name, BGW_MAXLEN, "dbsync worker for subscription %d", subscription);
	}
	worker.bgw_main_arg = Int32GetDatum(subscription);
	memcpy(worker.bgw_extra, args, sizeof(*args));
	if (args->run != 0)
	{
		/* its caller waits for it and starts it once only */
		worker.bgw_restart_time = BGW_NEVER_RESTART;
		worker.bgw_notify_pid = MyProcPid;
	}
	return RegisterDynamicBackgroundWorker(&worker, handle ? handle : &ours);
}

/* databases that can be connected to; in the current context */
static List *
list_databases(void)
{
	List	   *result = NIL;
	MemoryContext caller = CurrentMemoryContext;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	dbsync_query_begin(false, "looking for databases");
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!database->datallowconn || database->datistemplate)
			continue;
		old = MemoryContextSwitchTo(caller);
		result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	dbsync_query_commit();
	MemoryContextSwitchTo(caller);
	return result;
}

/* one scout at a time: there may be many databases and few slots */
static void
send_scout(Oid database)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	DbsyncWorkerArgs args = {0};

	fill_worker(&worker, "dbsync_scout_main", "dbsync scout");
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	args.database = database;
	memcpy(worker.bgw_extra, &args, sizeof(args));
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		dbsync_shmem_set_unstarted(true);
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("dbsync could not look for subscriptions in database %u", database),
				 errdetail("No background worker slot is free."),
				 errhint(DBSYNC_NO_SLOT_HINT)));
		return;
	}
	if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED)
		proc_exit(1);
}

/* until somebody else may have given up a worker slot */
static void
wait_a_while(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 UNSTARTED_PAUSE, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

void
dbsync_launcher_main(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	context = AllocSetContextCreate(TopMemoryContext, "dbsync launcher",
									ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		ListCell   *lc;

		MemoryContextSwitchTo(context);
		dbsync_shmem_set_unstarted(false);
		foreach(lc, list_databases())
		{
			CHECK_FOR_INTERRUPTS();
			send_scout(lfirst_oid(lc));
		}
		/* 0: nothing to do until the server starts again */
		if (!dbsync_shmem_unstarted())
			proc_exit(0);
		MemoryContextReset(context);
		dbsync_query_reset();
		wait_a_while();
	}
}

/* one more would take the slot that another subscription waits for */
static bool
has_worker(int subscription)
{
	DbsyncSlot *slot;
	bool		has;

	dbsync_shmem_lock(false);
	slot = dbsync_shmem_slot(subscription, false);
	has = slot != NULL && slot->pid != 0 && !slot->once;
	dbsync_shmem_unlock();
	return has;
}

static void
start_enabled(void)
{
	uint64		n;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	n = dbsync_query("SELECT id, name, dbsync_internal.owner_of(id)::pg_catalog.oid, false"
					 " FROM dbsync.subscription WHERE enabled"
					 " UNION ALL SELECT id, name, dbsync_internal.owner_of(id)::pg_catalog.oid, true"
					 " FROM dbsync.receiver WHERE enabled ORDER BY 1",
					 0, NULL);
	for (uint64 row = 0; row < n; row++)
	{
		DbsyncWorkerArgs args = {0};

		args.kind = dbsync_query_bool(row, 4) ? DBSYNC_JOB_RECEIVER : DBSYNC_JOB_SUBSCRIPTION;
		args.database = MyDatabaseId;
		args.owner = dbsync_limited_role(dbsync_query_oid(row, 3));
		if (has_worker(dbsync_query_int(row, 1)) ||
			dbsync_launcher_start_worker(dbsync_query_int(row, 1), &args, NULL))
			continue;
		dbsync_shmem_set_unstarted(true);
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg(args.kind == DBSYNC_JOB_RECEIVER ? "no worker for receiver \"%s\"" : "no worker for subscription \"%s\"",
						dbsync_query_text(row, 2)),
				 errdetail("No background worker slot is free."),
				 errhint(DBSYNC_NO_SLOT_HINT)));
	}
	PopActiveSnapshot();
	SPI_finish();
}

void
dbsync_scout_main(Datum arg)
{
	DbsyncWorkerArgs args;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(args.database, InvalidOid, 0);

	dbsync_query_begin(false, "looking for subscriptions");
	if (OidIsValid(get_extension_oid("dbsync", true)) && dbsync_node_is_adopted())
		start_enabled();
	dbsync_query_commit();
	proc_exit(0);
}
