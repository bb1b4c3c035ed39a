/*-------------------------------------------------------------------------
 *
 * worker/control/verify.c
 *	  SQL functions by which people have a subscription verified, and see how that goes.
 *
 * The session makes a place in which process and worker can meet, starts the process, and waits for it.  A stopped subscription
 * gets a worker for the time, as run_once() starts one: it sends what is pending, since a target can be compared
 * only where it is at a position that the source still shows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"
#include "utils/wait_event.h"

#include "extension/meeting.h"
#include "worker/control/lookup.h"
#include "worker/control/policies.h"
#include "worker/limit.h"
#include "worker/run/launcher.h"

PG_FUNCTION_INFO_V1(dbsync_run_verify);
PG_FUNCTION_INFO_V1(dbsync_verify_places);

/*
 * What this transaction has written would not be compared, and the worker could wait for it.  And what it reads later must not
 * be older than what the process writes.
 */
static void
check_transaction(void)
{
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("verify() cannot be called in a transaction that has written"),
				 errdetail("It compares what is committed; what this transaction has done is not."),
				 errhint("COMMIT first, then call it.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("verify() cannot be called in a transaction that is REPEATABLE READ or SERIALIZABLE"),
				 errdetail("It would not see what the process that compares writes down."),
				 errhint("Call it in a transaction that is READ COMMITTED.")));
}

static TimestampTz
deadline_of(const Interval *interval)
{
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
												   IntervalPGetDatum(interval)));
}

static void
make_uuid(pg_uuid_t *uuid)
{
	*uuid = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
}

static void
make_place(const char *name, uint64 run, const DbsyncVerifyOrder *order)
{
	switch (dbsync_meeting_make(run, order))
	{
		case DBSYNC_MEETING_MADE:
			return;
		case DBSYNC_MEETING_BUSY:
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("subscription \"%s\" is being verified already", name),
					 errhint("dbsync.verify_status shows how far that is.")));
			break;
		case DBSYNC_MEETING_NO_PLACE:
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("too many subscriptions are being verified"),
					 errdetail("There can be %d at a time, in all databases.", DBSYNC_MEETINGS),
					 errhint("Try again when one of them is done; dbsync.verify_status shows those of this database.")));
			break;
	}
}

static BackgroundWorkerHandle *
start(const DbsyncFound *found, DbsyncJob kind, uint64 run)
{
	DbsyncWorkerArgs args = {0};
	BackgroundWorkerHandle *handle;

	args.kind = kind;
	args.database = MyDatabaseId;
	args.run = run;
	args.for_verify = kind == DBSYNC_JOB_SUBSCRIPTION;
	args.owner = dbsync_limited_role(found->owner);
	if (!dbsync_launcher_start_worker(found->id, &args, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a process for verify()"),
				 errdetail("No background worker slot is free."),
				 errhint(DBSYNC_NO_SLOT_HINT)));
	return handle;
}

static void
wait_for_end(BackgroundWorkerHandle *handle)
{
	pid_t		pid;

	while (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
give_back(int code, Datum run)
{
	DbsyncMeeting last;

	dbsync_meeting_give_back((uint64) DatumGetInt64(run), &last);
}

/* The process, and where there is none a worker for it. */
static void
run_processes(const DbsyncFound *found, uint64 run)
{
	BackgroundWorkerHandle *volatile worker = NULL;
	BackgroundWorkerHandle *volatile process = NULL;

	PG_TRY();
	{
		if (!found->enabled)
			worker = start(found, DBSYNC_JOB_SUBSCRIPTION, dbsync_shmem_next_run());
		process = start(found, DBSYNC_JOB_VERIFY, run);
		wait_for_end(process);
		/* it may have begun with a copy, which is none of our business */
		if (worker != NULL)
		{
			TerminateBackgroundWorker(worker);
			wait_for_end(worker);
		}
	}
	PG_CATCH();
	{
		if (process != NULL)
			TerminateBackgroundWorker(process);
		if (worker != NULL)
			TerminateBackgroundWorker(worker);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* The process has ended.  Has it done what it was to do? */
static void
check_end(const DbsyncMeeting *last)
{
	if (last->sqlstate != 0)
		ereport(ERROR,
				(errcode(last->sqlstate),
				 errmsg_internal("%s", last->message),
				 last->reason[0] ? errdetail_internal("%s", last->reason) : 0,
				 last->hint[0] ? errhint("%s", last->hint) : 0));
	/* of one that has ended another one may have the place by now */
	if (last->run != 0 && !last->ended)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the process that was to verify has ended before it began"),
				 errhint("The server's log says why. Call dbsync.verify() again.")));
	if (last->progress.tables_done < last->progress.tables)
		ereport(WARNING,
				(errmsg("the process that verifies was ended: %d of %d tables were done",
						last->progress.tables_done, last->progress.tables),
				 errhint("Call dbsync.verify() again.")));
}

static void
verify(const char *name, const DbsyncFound *found, const DbsyncVerifyOrder *order)
{
	uint64		run = dbsync_shmem_next_run();
	DbsyncMeeting last;

	make_place(name, run, order);
	PG_ENSURE_ERROR_CLEANUP(give_back, Int64GetDatum((int64) run));
	{
		run_processes(found, run);
	}
	PG_END_ENSURE_ERROR_CLEANUP(give_back, Int64GetDatum((int64) run));
	dbsync_meeting_give_back(run, &last);
	check_end(&last);
}

Datum
dbsync_run_verify(PG_FUNCTION_ARGS)
{
	DbsyncFound found = dbsync_lookup_id(PG_GETARG_INT32(0));
	DbsyncVerifyOrder order = {0};
	const char *name = NameStr(*PG_GETARG_NAME(7));

	PreventCommandDuringRecovery("dbsync.verify()");
	check_transaction();
	if (found.enabled && !dbsync_policies_are_open(name, &found))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the hours of subscription \"%s\" are over", name),
				 errdetail("To compare its target, what is pending has to go there first."),
				 errhint("Call verify() within its hours, or change its policy.")));
	if (!found.enabled)
		dbsync_lookup_check_limit(&found);
	make_uuid(&order.uid);
	order.database = MyDatabaseId;
	order.subscription = found.id;
	order.captured_id = PG_GETARG_INT32(1);
	order.repair = PG_GETARG_BOOL(2);
	order.sample = PG_GETARG_FLOAT8(3);
	order.deadline = PG_ARGISNULL(4) ? DT_NOEND : deadline_of(PG_GETARG_INTERVAL_P(4));
	order.max_differences = PG_GETARG_INT32(5);
	order.caller = PG_GETARG_OID(6);
	verify(name, &found, &order);
	PG_RETURN_UUID_P(memcpy(palloc(sizeof(pg_uuid_t)), &order.uid, sizeof(pg_uuid_t)));
}

static void
put_place(ReturnSetInfo *rsinfo, const DbsyncMeeting *meeting)
{
	const DbsyncVerifyProgress *progress = &meeting->progress;
	Datum		values[13];
	bool		nulls[13] = {0};

	values[0] = UUIDPGetDatum(&meeting->order.uid);
	values[1] = Int32GetDatum(meeting->order.subscription);
	values[2] = Int32GetDatum(meeting->pid);
	nulls[2] = meeting->pid == 0;
	values[3] = Int32GetDatum(progress->captured_id);
	nulls[3] = progress->captured_id == 0;
	values[4] = CStringGetTextDatum(progress->phase[0] ? progress->phase : "starting");
	values[5] = TimestampTzGetDatum(progress->begun);
	values[6] = TimestampTzGetDatum(meeting->order.deadline);
	nulls[6] = meeting->order.deadline == DT_NOEND;
	values[7] = Int32GetDatum(progress->tables);
	values[8] = Int32GetDatum(progress->tables_done);
	values[9] = Int64GetDatum(progress->rows);
	values[10] = Int64GetDatum(progress->rows_expected);
	values[11] = Int32GetDatum(progress->buckets);
	values[12] = Int64GetDatum(progress->differing);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
dbsync_verify_places(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < DBSYNC_MEETINGS; i++)
	{
		DbsyncMeeting meeting;

		if (dbsync_meeting_read(i, &meeting) && !meeting.ended && meeting.order.database == MyDatabaseId)
			put_place((ReturnSetInfo *) fcinfo->resultinfo, &meeting);
	}
	return (Datum) 0;
}
