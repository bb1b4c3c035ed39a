/*-------------------------------------------------------------------------
 *
 * worker/worker.c
 *	  The process that works on one subscription.
 *
 * The loop is: read the configuration if it changed, connect if not connected,
 * install what is not captured yet, run batches until nothing is left, see to
 * the segments, sleep until a commit wakes us.  Every error ends in one place:
 * it is written to the slot, the connection is thrown away, and after a pause
 * that doubles up to dbsync.retry_max the loop begins again from what the
 * target's ledger says.
 *
 * SIGTERM interrupts whatever is going on.  The process then ends for good if
 * it was asked to stop through its slot, else the postmaster starts it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xact.h"
#include "commands/extension.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "extension/settings.h"
#include "worker/launcher.h"
#include "worker/pins.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/work.h"

#include "extension/compat.h"

/* first pause after a failure, in ms */
#define RETRY_MIN 200

static DbsyncWork *work = NULL;
static uint64 run = 0;			/* not 0: works for this run_once call */

/* transactions that had ended in this cluster when we last looked for work */
static uint64 completions = 0;

/* rounds in a row in which commits came faster than we went; so many are no chance */
static int	rounds_behind = 0;

#define MANY_ROUNDS 8

/* and how often we had been called; the latch is reset by other waits, too */
static uint32 calls = 0;

static volatile sig_atomic_t got_sigterm = false;
static bool connecting = false;

/* Break off the query or wait that is going on; the loop sees the flag. */
static void
on_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	got_sigterm = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
	errno = save_errno;
}

static void
exit_if_asked(void)
{
	bool		stop;

	if (!got_sigterm)
		return;
	stop = run != 0 || dbsync_report_stop_asked();
	dbsync_ledger_detach(work);
	dbsync_report_release();
	proc_exit(stop ? 0 : 1);
}

/* a worker that was started in a transaction sees its rows once that has ended */
static void
wait_for_starter(TransactionId starter)
{
	if (!TransactionIdIsValid(starter))
		return;
	dbsync_query_begin(false, "waiting for the starting transaction");
	XactLockTableWait(starter, NULL, NULL, XLTW_None);
	dbsync_query_commit();
}

/* false: there is no reason to run (any more) */
static bool
read_configuration(void)
{
	DbsyncSubscription *old = work->subscription;

	if (old != NULL && old->generation == dbsync_catalog_generation())
		return true;
	dbsync_query_begin(false, "reading the configuration");
	if (OidIsValid(get_extension_oid("dbsync", true)))
		work->subscription = dbsync_subscription_read(work->context,
													  work->subscription_id, old);
	else
		work->subscription = NULL;
	dbsync_query_commit();
	if (work->subscription == NULL || !work->subscription->adopted)
		return false;

	/* segments may have been closed, and wait for our position */
	work->retention_needed = true;

	/* tables may have begun to flow; a window is cheap to begin again */
	if (work->window != NULL)
		dbsync_window_end(work->window);
	work->window = NULL;

	return run != 0 || work->subscription->enabled;
}

static void
reload_settings(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}

static bool
copies_pending(void)
{
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->state != DBSYNC_TABLE_SUSPENDED && !table->part.live)
			return true;
	}
	return false;
}

/* What wakes us from here on is about what is not seen yet. */
static void
forget_wakeups(void)
{
	completions = dbsync_completions_compat();
	calls = dbsync_report_calls();
	ResetLatch(MyLatch);
}

static bool
was_woken(void)
{
	return MyLatch->is_set || calls != dbsync_report_calls();
}

/*
 * While commits come faster than batches go, the time of one batch four times
 * over is left to them to gather: a row costs several times less in a batch of
 * thousands than alone, and writers want the processors too.  Commits that come
 * close together by chance are no reason yet, but a row of rounds that all ended
 * behind them; and nobody is kept waiting who waits for us.  The latch stays as it
 * is, so that commits do not signal us.
 */
static void
let_commits_gather(instr_time begun)
{
	instr_time	took;
	double		pause;

	if (++rounds_behind <= MANY_ROUNDS)
		return;
	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, begun);
	pause = Min(4 * INSTR_TIME_GET_MILLISEC(took), dbsync_gather_max);
	if (pause < 1 || run != 0 || copies_pending() || dbsync_report_is_awaited())
		return;
	(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, (long) pause, PG_WAIT_EXTENSION);
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

		forget_wakeups();
		INSTR_TIME_SET_CURRENT(begun);
		exit_if_asked();
		CHECK_FOR_INTERRUPTS();
		reload_settings();
		AcceptInvalidationMessages();
		if (!read_configuration())
			return false;
		dbsync_copy_note_progress(work);
		if (work->target != NULL && dbsync_ledger_is_outdated())
			dbsync_ledger_detach(work);
		if (work->target == NULL)
		{
			dbsync_ledger_attach(work);
			/* the ledger may know of more than was noted */
			dbsync_copy_note_progress(work);
		}
		if (!dbsync_install_tables(work, run != 0))
			dbsync_report_state(DBSYNC_WORKER_INSTALLING);
		else
			dbsync_report_state(copies_pending() ? DBSYNC_WORKER_COPYING : DBSYNC_WORKER_RUNNING);

		/* installing may have changed what we know */
		AcceptInvalidationMessages();
		if (work->subscription->generation != dbsync_catalog_generation())
			continue;
		did = dbsync_batch_run(work);
		if (!tidied && work->retention_due <= GetCurrentTimestamp())
		{
			/* it may have waited for the target, and missed a commit's call */
			dbsync_retention_run(work);
			tidied = true;
			continue;
		}
		if (!did)
		{
			rounds_behind = 0;
			return true;
		}
		tidied = false;
		/* all that this round's snapshot shows is there; who commits later calls us */
		if (work->caught_up && !copies_pending())
		{
			if (!was_woken())
			{
				rounds_behind = 0;
				return true;
			}
			let_commits_gather(begun);
		}
	}
}

/* half of the pause is chance, so that many workers do not come at once */
static long
pause_after(int failures)
{
	double		pause = RETRY_MIN;

	for (int i = 1; i < failures && pause < dbsync_retry_max; i++)
		pause *= 2;
	pause = Min(pause, dbsync_retry_max);
	return (long) (pause / 2 + pg_prng_double(&pg_global_prng_state) * pause / 2);
}

/*
 * Everything that goes wrong arrives here.  Returns the pause before the next
 * attempt in ms; does not return when the process shall end.
 */
static long
recover_from_error(void)
{
	ErrorData  *edata;
	MemoryContext context = MemoryContextSwitchTo(work->batch_context);
	long		pause;
	bool		clash;
	bool		lacking;
	bool		put_off;

	HOLD_INTERRUPTS();
	edata = CopyErrorData();
	clash = edata->sqlerrcode == ERRCODE_UNIQUE_VIOLATION ||
		edata->sqlerrcode == ERRCODE_EXCLUSION_VIOLATION;

	lacking = work->target != NULL && work->target->fault.incomplete;

	/*
	 * Two rows that swap a unique value: once more, deleting first.  A row that is
	 * not there: once more, with all of its values.
	 */
	if (work->target != NULL && ((clash && !work->careful) || (lacking && !work->complete)))
	{
		work->careful |= clash;
		work->complete |= lacking;
		FlushErrorState();
		AbortCurrentTransaction();
		dbsync_ledger_detach(work);
		RESUME_INTERRUPTS();
		MemoryContextSwitchTo(context);
		return 0;
	}
	work->careful = work->complete = false;
	if (!got_sigterm)
		EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
	dbsync_ledger_detach(work);
	dbsync_retention_reset(work);
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
	exit_if_asked();

	pause = pause_after(dbsync_report_failures() + 1);
	put_off = run == 0 && dbsync_copy_put_off(work, edata->sqlerrcode);
	if (put_off)
		pause = RETRY_MIN;
	dbsync_report_trouble(edata, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause));
	if (!put_off)
		dbsync_report_state(DBSYNC_WORKER_RETRYING);
	MemoryContextSwitchTo(work->context);
	MemoryContextReset(work->batch_context);
	if (run != 0)
	{
		dbsync_report_release();
		proc_exit(0);
	}
	return pause;
}

/*
 * Sleep until woken, or until something is due: true.  While a failure is being
 * slept off, commits do not wake us.
 */
static bool
sleep_for(long timeout, bool through)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);

	exit_if_asked();
	while (timeout > 0)
	{
		int			events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
									   timeout, PG_WAIT_EXTENSION);

		if (events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		exit_if_asked();
		reload_settings();
		/* others wait for us to drop or copy a database */
		if (ProcSignalBarrierPending)
			ProcessProcSignalBarrier();
		if (events & WL_TIMEOUT)
			return true;
		if (!through)
			return false;
		timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
	}
	return true;
}

/* progress of a copy that could not be noted yet */
static bool
notes_due(void)
{
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		if (((DbsyncTable *) lfirst(lc))->note_due)
			return true;
	}
	return false;
}

static long
idle_pause(void)
{
	long		pause = dbsync_poll_interval;

	if (copies_pending())
		pause = Min(pause, 1000);
	return Min(pause, dbsync_retention_pause(work));
}

/*
 * Sleep until there may be something to do.  The poll stands behind what wakes
 * nobody, as COMMIT PREPARED does; where no transaction has ended meanwhile it
 * looks no further.
 */
static void
sleep_until_wanted(void)
{
	while (!was_woken() && sleep_for(idle_pause(), false))
	{
		AcceptInvalidationMessages();
		if (copies_pending() || notes_due() || dbsync_retention_pause(work) == 0 ||
			work->subscription->generation != dbsync_catalog_generation() ||
			dbsync_ledger_is_outdated() ||
			completions != dbsync_completions_compat())
			return;
	}
}

static void
finish(void)
{
	if (run != 0)
		dbsync_report_run_done(work->rows);
	dbsync_ledger_detach(work);
	dbsync_report_release();
	proc_exit(0);
}

/* One round: true when all went well; false after an error, with its pause. */
static bool
one_round(long *pause)
{
	sigjmp_buf *save_exception_stack = PG_exception_stack;
	ErrorContextCallback *save_context_stack = error_context_stack;
	sigjmp_buf	buf;

	if (sigsetjmp(buf, 0) != 0)
	{
		PG_exception_stack = save_exception_stack;
		error_context_stack = save_context_stack;
		*pause = recover_from_error();
		return false;
	}
	PG_exception_stack = &buf;
	if (!work_through())
		finish();
	PG_exception_stack = save_exception_stack;
	error_context_stack = save_context_stack;
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
		if (!one_round(&pause))
		{
			(void) sleep_for(pause, true);
			continue;
		}
		if (!dbsync_copy_is_put_off(work))
			dbsync_report_trouble(NULL, 0);
		if (run != 0 && !copies_pending())
			finish();
		sleep_until_wanted();
	}
}

/*
 * A database that has been dropped is found out by a FATAL error, after which
 * the postmaster would start us again and again.
 */
static void
give_up_connecting(int code, Datum arg)
{
	if (connecting)
		_exit(0);
}

static void
connect_to_database(Oid database)
{
	connecting = true;
	on_proc_exit(give_up_connecting, (Datum) 0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	connecting = false;
}

void
dbsync_worker_main(Datum arg)
{
	DbsyncWorkerArgs args;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	run = args.run;
	pqsignal(SIGTERM, on_sigterm);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	connect_to_database(args.database);
	dbsync_pin_settings();
	wait_for_starter(args.starter);

	switch (dbsync_report_claim(DatumGetInt32(arg), run))
	{
		case DBSYNC_CLAIM_OURS:
			break;
		case DBSYNC_CLAIM_NOT_WANTED:
			proc_exit(0);
		case DBSYNC_CLAIM_LATER:
			/* the postmaster starts us again; a run_once is not */
			proc_exit(1);
	}
	work = MemoryContextAllocZero(TopMemoryContext, sizeof(DbsyncWork));
	work->context = AllocSetContextCreate(TopMemoryContext, "dbsync work",
										  ALLOCSET_DEFAULT_SIZES);
	work->batch_context = AllocSetContextCreate(TopMemoryContext, "dbsync batch",
												ALLOCSET_DEFAULT_SIZES);
	work->subscription_id = DatumGetInt32(arg);
	dbsync_retention_reset(work);
	MemoryContextSwitchTo(work->context);
	worker_loop();
}
