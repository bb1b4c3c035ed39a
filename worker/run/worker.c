/*-------------------------------------------------------------------------
 *
 * worker/run/worker.c
 *	  The process that works on one subscription.
 *
 * The loop is: read the configuration if it changed, connect if not connected,
 * install what is not captured yet, run batches until nothing is left, see to
 * the segments, sleep until a commit wakes us.  Every error ends in one place:
 * it is written to the slot, the connection is thrown away, and after a pause
 * that doubles up to dbsync.retry_max the loop begins again from what the
 * target's ledger says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "extension/meeting.h"
#include "extension/settings.h"
#include "extension/shmem.h"
#include "worker/batch/batch.h"
#include "worker/batch/catch_up.h"
#include "worker/batch/confirm.h"
#include "worker/batch/held.h"
#include "worker/batch/ledger.h"
#include "worker/batch/retry.h"
#include "worker/batch/sequence_look.h"
#include "worker/connection.h"
#include "worker/copy/clocks.h"
#include "worker/copy/comparing.h"
#include "worker/copy/creating.h"
#include "worker/copy/indexing.h"
#include "worker/copy/schedule.h"
#include "worker/oversize.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/rights.h"
#include "worker/run/configuration.h"
#include "worker/run/crashes.h"
#include "worker/run/launcher.h"
#include "worker/run/process.h"
#include "worker/run/recovery.h"
#include "worker/run/rounds.h"
#include "worker/run/sleep.h"
#include "worker/run/snapshotting.h"
#include "worker/run/target_upkeep.h"
#include "worker/run/verifying.h"
#include "worker/run/waiting.h"
#include "worker/subscription.h"
#include "worker/ties.h"
#include "worker/upkeep/backlog.h"
#include "worker/upkeep/dropped.h"
#include "worker/upkeep/install.h"
#include "worker/upkeep/retention.h"
#include "worker/upkeep/wal_feed.h"
#include "worker/work.h"

/* so many tables may have been looked into before caches are trimmed */
#define MANY_CACHED 500

static DbsyncWork *work = NULL;

/* What begins without a copy is captured first: for that the target need not be reached. */
static void
attach_if_needed(void)
{
	/* somebody may have found that it begins anew, which is seen to where the ledger is read */
	if (work->target != NULL && (dbsync_connection_is_outdated() || work->subscription->begins_anew ||
								 work->subscription->chain > work->ledger.chain ||
								 (work->subscription->quarantines && !work->parks)))
		dbsync_ledger_detach(work);
	if (work->target != NULL)
		return;
	(void) dbsync_install_tables(work, work->run != 0);
	dbsync_ledger_attach(work);
}

/* Thousands of tables leave more in the caches of a process than is of use later. */
static void
trim_caches(void)
{
	if (work->cached < MANY_CACHED)
		return;
	work->cached = 0;
	dbsync_query_begin(false, "trimming caches");
	dbsync_catalog_trim();
	dbsync_query_commit();
}

/* What goes on while batches wait for the policy; true: something was done. */
static bool
see_to_upkeep(bool *tidied)
{
	if (dbsync_dropped_leave(work))
		return true;
	if (*tidied || !dbsync_retention_is_due(work))
		return false;
	dbsync_retention_run(work);
	*tidied = true;
	return true;
}

/*
 * Work until nothing is left to do at the moment; false when there is no reason
 * to run any more.
 */
static bool
work_through(void)
{
	bool		tidied = false;

	for (;;)
	{
		instr_time	begun;
		bool		did;

		dbsync_sleep_forget_wakeups();
		INSTR_TIME_SET_CURRENT(begun);
		dbsync_process_exit_if_asked(work);
		CHECK_FOR_INTERRUPTS();
		dbsync_process_reload();
		AcceptInvalidationMessages();
		trim_caches();
		if (!dbsync_configuration_read(work))
			return false;
		/* whether or not there is a round, or a target: what is not read keeps WAL from being removed */
		dbsync_wal_feed_run(work);
		if (!dbsync_configuration_read(work))
			return false;
		dbsync_retention_take_in(work);
		if (work->suspend_due != 0)
		{
			dbsync_oversize_suspend(work);
			continue;
		}
		if (!dbsync_rights_ask(work))
			continue;
		attach_if_needed();
		if (dbsync_target_upkeep_run(work))
			continue;
		dbsync_verifying_run(work);
		dbsync_ties_look(work);
		dbsync_catch_up_see_to(work);
		/* some could not be noted before, or the ledger knows of more */
		dbsync_schedule_note_progress(work);
		if (!dbsync_install_tables(work, work->run != 0))
			dbsync_report_state(DBSYNC_WORKER_INSTALLING);
		else
			dbsync_report_state(dbsync_schedule_is_pending(work) ? DBSYNC_WORKER_COPYING : DBSYNC_WORKER_RUNNING);

		/* installing may have changed what we know */
		AcceptInvalidationMessages();
		if (work->subscription->generation != dbsync_catalog_generation())
			continue;
		if (!dbsync_rounds_go_on(work))
		{
			dbsync_report_state(dbsync_install_goes_on() ? DBSYNC_WORKER_INSTALLING : DBSYNC_WORKER_RUNNING);
			if (dbsync_install_goes_on() || see_to_upkeep(&tidied))
				continue;
			return true;
		}
		dbsync_creating_run(work);
		dbsync_comparing_run(work);
		if (dbsync_snapshotting_run(work))
			continue;
		did = dbsync_catch_up_run(work);
		did |= dbsync_batch_run(work);
		dbsync_confirm_answer(work);
		did |= dbsync_indexing_run(work);
		did |= dbsync_install_goes_on();
		dbsync_crashes_survived();
		if (work->caught_up)
			dbsync_sleep_tell_passed();
		if (work->caught_up && dbsync_backlog_copy_anew(work))
			continue;
		/* it may sleep now, for as long as nobody writes */
		if (!dbsync_schedule_is_pending(work))
			dbsync_report_state(DBSYNC_WORKER_RUNNING);
		if (dbsync_dropped_leave(work))
			continue;
		if (!tidied && (dbsync_retention_is_due(work) ||
						(work->retention_needed && dbsync_rounds_is_over(work))))
		{
			/*
			 * It may have waited for the target, and missed a commit's call.  And the next round may
			 * be a day away: segments are sealed now, so that this one passes them before it ends.
			 */
			dbsync_retention_run(work);
			tidied = true;
			continue;
		}
		if (!did || dbsync_rounds_is_over(work))
		{
			dbsync_sequence_look(work);
			dbsync_rounds_end(work);
			dbsync_sleep_kept_up();
			return true;
		}
		tidied = false;
		/* all that this round's snapshot shows is there; who commits later calls us */
		if (work->caught_up && !dbsync_schedule_is_pending(work) && !dbsync_held_is_any_under_way(work) &&
			dbsync_indexing_pause(work) > 0 && dbsync_retry_pause(work) > 0 && dbsync_clocks_pause(work, DBSYNC_CLOCKS_SCAN | DBSYNC_CLOCKS_SHADOW) > 0 &&
			dbsync_snapshotting_pause(work) > 0)
		{
			/* a run was asked for what there was then; others may write on and on */
			if (work->run != 0 || !dbsync_sleep_was_woken())
			{
				dbsync_sequence_look(work);
				dbsync_sleep_kept_up();
				return true;
			}
			dbsync_sleep_let_gather(work, begun);
		}
	}
}

/* The source's disk is not to fill while the target is away. */
static bool
see_to_backlog(void)
{
	AcceptInvalidationMessages();
	if (!dbsync_configuration_read(work))
	{
		/* the next attempt is to find that, too */
		if (work->subscription != NULL)
			dbsync_subscription_forget(work->subscription);
		return true;
	}
	if (work->subscription->any_limit)
		dbsync_retention_run(work);
	return true;
}

/* A round, or another step: true when all went well; false after an error, with its pause. */
static bool
try_step(bool (*step) (void), long *pause)
{
	sigjmp_buf *save_exception_stack = PG_exception_stack;
	ErrorContextCallback *save_context_stack = error_context_stack;
	sigjmp_buf	buf;

	if (sigsetjmp(buf, 0) != 0)
	{
		PG_exception_stack = save_exception_stack;
		error_context_stack = save_context_stack;
		*pause = dbsync_recovery_after_error(work);
		return false;
	}
	PG_exception_stack = &buf;
	if (!step())
		dbsync_process_finish(work);
	PG_exception_stack = save_exception_stack;
	error_context_stack = save_context_stack;
	return true;
}

/* Until the next attempt. */
static void
wait_after_error(long pause)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause);

	while (pause > 0)
	{
		long		due = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), work->retention_due);

		if (due <= 0)
		{
			long		longer = 0;

			if (!try_step(see_to_backlog, &longer))
				until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), longer);
			/* it is another time in any case, where there is no limit, or there was an error */
			work->retention_due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), dbsync_retention_interval);
		}
		else
			(void) dbsync_sleep_for(work, Min(pause, due), true);
		pause = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
	}
}

/* Its caller is told that all is at the target, and nobody comes back to look whether it has stayed there. */
static bool
confirm_run(void)
{
	dbsync_confirm(work);
	return true;
}

static void
worker_loop(void)
{
	for (;;)
	{
		long		pause = 0;

		dbsync_query_reset();
		MemoryContextSwitchTo(work->context);
		ResetLatch(MyLatch);
		if (!try_step(work_through, &pause))
		{
			wait_after_error(pause);
			continue;
		}
		if (!dbsync_schedule_is_put_off(work))
			dbsync_report_trouble(NULL, 0, 0);
		if (work->run != 0 && !dbsync_schedule_is_pending(work) && !dbsync_held_is_any_under_way(work) &&
			!dbsync_meeting_is_served(work->subscription_id) && !dbsync_retry_is_pending(work) && !dbsync_snapshotting_is_pending(work))
		{
			if (try_step(confirm_run, &pause))
				dbsync_process_finish(work);
			wait_after_error(pause);
			continue;
		}
		if (dbsync_rounds_wait(work))
			dbsync_sleep_until_allowed(work);
		else
			dbsync_sleep_until_wanted(work);
	}
}

/*
 * The workers before us have crashed, and everybody's sessions with them: leave the
 * subscription stopped until somebody has looked.
 */
static void
leave_stopped(int subscription)
{
	const char *args[2];

	args[0] = "the worker crashed twice in a row, and was left stopped";
	args[1] = psprintf("%d", subscription);
	dbsync_query_begin(false, "leaving a subscription stopped");
	if (OidIsValid(get_extension_oid("dbsync", true)))
		dbsync_query_run("UPDATE dbsync.subscription SET enabled = false, note = $1"
						 " WHERE id = $2::pg_catalog.int4 AND enabled", 2, args);
	dbsync_query_commit();
	dbsync_crashes_forget(subscription);
	ereport(LOG,
			(errmsg("worker of dbsync subscription %d crashed twice in a row, and is left stopped",
					subscription),
			 errhint("Look for what ended it further up in this log. dbsync.start_subscription() starts it again.")));
	dbsync_report_release();
	proc_exit(0);
}

void
dbsync_worker_main(Datum arg)
{
	DbsyncWorkerArgs args;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	dbsync_process_begin(args.database, args.starter);

	switch (dbsync_report_claim(DatumGetInt32(arg), args.run, args.owner))
	{
		case DBSYNC_CLAIM_OURS:
			break;
		case DBSYNC_CLAIM_NOT_WANTED:
			proc_exit(0);
		case DBSYNC_CLAIM_LATER:
			/* the postmaster starts us again; a run_once is not */
			proc_exit(1);
	}
	/* a run_once that crashes ends its caller, too, who will not go on for ever */
	if (args.run == 0 && dbsync_crashes_begin(DatumGetInt32(arg)) >= 2)
		leave_stopped(DatumGetInt32(arg));
	work = MemoryContextAllocZero(TopMemoryContext, sizeof(DbsyncWork));
	work->context = AllocSetContextCreate(TopMemoryContext, "dbsync work",
										  ALLOCSET_DEFAULT_SIZES);
	work->batch_context = AllocSetContextCreate(TopMemoryContext, "dbsync batch",
												ALLOCSET_DEFAULT_SIZES);
	work->subscription_id = DatumGetInt32(arg);
	work->run = args.run;
	work->for_verify = args.for_verify;
	dbsync_waiting_is_for(work);
	dbsync_retention_reset(work);
	MemoryContextSwitchTo(work->context);
	worker_loop();
}
