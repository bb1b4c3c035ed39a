/*-------------------------------------------------------------------------
 *
 * worker/receive/receiver.c
 *	  The process that works on one receiver.
 *
 * One round: take what has arrived; while the next batch is whole, play it; write a receipt, if it says something new;
 * tidy up.  The receiver's policy says when the next round begins.  Every error ends in one place: it is written to the slot, and
 * the connection is thrown away; the next round begins from what the target's ledger says.
 *
 * What cannot go on by itself (a fork, a chain that is broken, a row that is missing, a format that is too new) is an error like
 * others.  The rounds go on, and take what comes: a new chain is the cure of most.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/clock.h"
#include "extension/wake.h"
#include "worker/limit.h"
#include "worker/query.h"
#include "worker/receive/attach.h"
#include "worker/receive/cache.h"
#include "worker/receive/next.h"
#include "worker/receive/receipt.h"
#include "worker/receive/receive.h"
#include "worker/receive/receiver.h"
#include "worker/receive/receiver_config.h"
#include "worker/receive/replay.h"
#include "worker/receive/take.h"
#include "worker/receive/trouble.h"
#include "worker/report.h"
#include "worker/run/crashes.h"
#include "worker/run/launcher.h"
#include "worker/run/policy.h"
#include "worker/run/process.h"
#include "worker/run/sleep.h"
#include "worker/run/waiting.h"
#include "worker/target.h"

#include "extension/compat.h"

/* of a policy that is immediate: nobody calls when a file comes */
#define IMMEDIATE_MS	100

/* for so long batches are played before the inbox is looked at again, in ms */
#define PLAY_MS			1000

static DbsyncReceiving receiving;
static DbsyncWork *work;

/* rounds, by the policy */
static TimestampTz begun = 0;	/* when the last one began, by the clock of policies */

/* --- what it is told --- */

/* The rooms of the worker know a subscription: it has the receiver's name and target, and no tables. */
static void
pose_as_subscription(const DbsyncReceiver *receiver)
{
	DbsyncSubscription *subscription = work->subscription;

	if (subscription == NULL)
		subscription = work->subscription = MemoryContextAllocZero(work->context, sizeof(DbsyncSubscription));
	subscription->id = receiver->id;
	subscription->uid = receiver->subscription;
	subscription->name = receiver->name;
	subscription->target = receiver->target;
	subscription->owner = receiver->owner;
}

/* False: there is no reason to run any more. */
static bool
read_configuration(void)
{
	DbsyncReceiver *old = receiving.receiver;
	DbsyncReceiver *receiver = dbsync_receiver_read(work->context, work->subscription_id);

	if (receiver == NULL || !receiver->adopted || (work->run == 0 && !receiver->enabled))
		return false;
	/* another owner has another user mapping */
	if (old != NULL && (old->owner != receiver->owner || strcmp(old->target, receiver->target) != 0))
		dbsync_receiver_detach(&receiving);
	receiving.receiver = receiver;
	pose_as_subscription(receiver);
	if (old != NULL)
		MemoryContextDelete(old->context);
	/* until the ledger says it */
	if (old == NULL)
	{
		receiving.place.chain = receiver->chain;
		receiving.place.number = receiver->number;
	}
	return true;
}

static void
check_rights(const DbsyncReceiver *receiver)
{
	if (receiver->may_files && receiver->may_wrapper)
		return;
	if (receiver->may_files)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the owner of receiver \"%s\" may not have receivers any more", receiver->name),
				 errhint("A superuser can GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_file TO the owner.")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the owner of receiver \"%s\" may not read and write files of the server", receiver->name),
			 errhint("A superuser can GRANT pg_read_server_files, pg_write_server_files TO the owner.")));
}

/* --- a round --- */

static void
note_waiting(const DbsyncNext *next)
{
	if (next->kind != DBSYNC_NEXT_WAIT)
	{
		receiving.waits_for = 0;
		receiving.waits_since = 0;
		return;
	}
	if (receiving.waits_for == next->number && receiving.waits_chain == next->chain &&
		/* the clock was not put back */
		receiving.waits_since <= GetCurrentTimestamp())
		return;
	receiving.waits_for = next->number;
	receiving.waits_chain = next->chain;
	receiving.waits_since = GetCurrentTimestamp();
}

/* Play what is whole, for a while; true: something was, and there may be more. */
static bool
play_all(void)
{
	TimestampTz start = GetCurrentTimestamp();
	bool		any = false;

	for (;;)
	{
		DbsyncNext	next;

		dbsync_process_exit_if_asked(work);
		CHECK_FOR_INTERRUPTS();
		/* there may be thousands of batches in a round */
		dbsync_query_reset();
		MemoryContextSwitchTo(work->batch_context);
		MemoryContextReset(work->batch_context);
		AcceptInvalidationMessages();
		dbsync_receiver_attach(&receiving);
		next = dbsync_bundles_next(&receiving);
		note_waiting(&next);
		if (next.kind != DBSYNC_NEXT_BATCH && next.kind != DBSYNC_NEXT_CHAIN)
			return any;
		receiving.refused_number = next.number;
		dbsync_receiver_tell(&receiving, next.kind == DBSYNC_NEXT_CHAIN ? "copying" : "receiving");
		dbsync_replay(&receiving, &next);
		receiving.refused_number = 0;
		receiving.stop = DBSYNC_STOP_NONE;
		dbsync_crashes_survived();
		any = true;
		/* more may have come, and somebody may have said something else */
		if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(), PLAY_MS))
			return true;
	}
}

/* What was played is on the target's disk before anybody is told, or the file goes. */
static void
settle(void)
{
	if (receiving.progress_due && receiving.place.chain != 0)
		dbsync_target_confirm(work->target, &receiving.receiver->subscription);
	/* where the disk is full there is room for a receipt only then */
	dbsync_bundles_tidy(&receiving, dbsync_take_lacks_room(&receiving));
	dbsync_receiver_write_progress(&receiving);
	dbsync_receipt_write(&receiving);
}

static bool
run_round(void)
{
	bool		was_known;

	do
	{
		was_known = receiving.place_known;
		if (!read_configuration())
			return false;
		check_rights(receiving.receiver);
		dbsync_receiver_open_folder(&receiving);
		if (receiving.receiver->knows_subscription)
			dbsync_bundles_load(receiving.receiver);
		(void) dbsync_take(&receiving);
		if (!receiving.receiver->knows_subscription)
		{
			/* nothing has come but that: who looks at the status is to know what the silence is */
			if (receiving.too_new != NULL)
				dbsync_bundles_refuse_too_new(&receiving);
			break;
		}
		pose_as_subscription(receiving.receiver);
		/* what it was refused for is said before it is tried again, and what was played before that */
		if (receiving.unsettled)
		{
			receiving.unsettled = false;
			receiving.settling = true;
			dbsync_receiver_attach(&receiving);
			settle();
			receiving.settling = false;
		}
		/* what was not judged is, when the target has said where it is */
	} while (play_all() || (receiving.unjudged > 0 && !was_known));
	if (receiving.receiver->knows_subscription)
		settle();
	dbsync_take_raise(&receiving);
	dbsync_receiver_tell(&receiving, receiving.waits_for != 0 ? psprintf("waiting for number " INT64_FORMAT, receiving.waits_for) : "idle");
	return true;
}

/* --- errors --- */

/* True when all went well; false after an error, with its pause. */
static bool
try_round(long *pause)
{
	sigjmp_buf *save_exception_stack = PG_exception_stack;
	ErrorContextCallback *save_context_stack = error_context_stack;
	sigjmp_buf	buf;

	if (sigsetjmp(buf, 0) != 0)
	{
		PG_exception_stack = save_exception_stack;
		error_context_stack = save_context_stack;
		*pause = dbsync_receiver_after_error(&receiving);
		return false;
	}
	PG_exception_stack = &buf;
	/* what was raised is looked at anew */
	receiving.stop = DBSYNC_STOP_NONE;
	if (!run_round())
		dbsync_process_finish(work);
	PG_exception_stack = save_exception_stack;
	error_context_stack = save_context_stack;
	return true;
}

/* --- when --- */

/* How long until the policy lets a round begin, in ms; 0: now. */
static long
pause_by_policy(void)
{
	const DbsyncReceiver *receiver = receiving.receiver;
	DbsyncPolicy policy;
	DbsyncPolicyText fault;
	const pg_tz *zone = dbsync_policy_zone(NULL);
	TimestampTz now = dbsync_clock_now();
	TimestampTz next;

	if (receiver == NULL || begun == 0)
		return 0;
	if (!dbsync_policy_read(receiver->policy, &policy, &fault))
		return IMMEDIATE_MS * 10;
	next = policy.immediate ? begun + IMMEDIATE_MS * 1000 : dbsync_policy_next(&policy, zone, Min(begun, now));
	if (next != DT_NOEND)
		next = Max(next, dbsync_hours_opening(&policy.hours, zone, Max(next, now)));
	if (next == DT_NOEND)
		return dbsync_poll_interval;
	return next <= now ? 0 : TimestampDifferenceMilliseconds(now, next);
}

/* Until the policy lets a round begin, or somebody has changed what it says. */
static void
wait_for_policy(void)
{
	long		pause;

	while ((pause = pause_by_policy()) > 0)
	{
		dbsync_process_exit_if_asked(work);
		(void) dbsync_sleep_for(work, Min(pause, dbsync_poll_interval), true);
		dbsync_query_reset();
		/* what is never due may become so */
		if (pause >= dbsync_poll_interval && !read_configuration())
			dbsync_process_finish(work);
	}
}

static void
receiver_loop(void)
{
	for (;;)
	{
		long		pause = 0;

		dbsync_query_reset();
		MemoryContextSwitchTo(work->batch_context);
		MemoryContextReset(work->batch_context);
		ResetLatch(MyLatch);
		dbsync_process_exit_if_asked(work);
		dbsync_process_reload();
		begun = dbsync_clock_now();
		if (!try_round(&pause))
		{
			if (pause > 0)
				(void) dbsync_sleep_for(work, pause, true);
			continue;
		}
		dbsync_report_trouble(NULL, 0, 0);
		dbsync_report_state(DBSYNC_WORKER_RUNNING);
		dbsync_receiver_forget_words();
		if (work->run != 0)
			dbsync_process_finish(work);
		wait_for_policy();
	}
}

/* --- the process --- */

static void
leave_stopped(int id)
{
	dbsync_receiver_leave_stopped(id, "the receiver crashed twice in a row, and was left stopped");
	dbsync_crashes_forget(id);
	ereport(LOG,
			(errmsg("dbsync receiver %d crashed twice in a row, and is left stopped", id),
			 errhint("Look for what ended it further up in this log. dbsync.start_receiver() starts it again.")));
	dbsync_report_release();
	proc_exit(0);
}

void
dbsync_receiver_main(Datum arg)
{
	DbsyncWorkerArgs args;
	int			id = DatumGetInt32(arg);

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	dbsync_process_begin(args.database, args.starter);
	switch (dbsync_report_claim(id, args.run, args.owner))
	{
		case DBSYNC_CLAIM_OURS:
			break;
		case DBSYNC_CLAIM_NOT_WANTED:
			proc_exit(0);
		case DBSYNC_CLAIM_LATER:
			proc_exit(1);
	}
	/* commits are nothing to it */
	dbsync_wake_at(dbsync_report_wake(), 0, 0, false);
	/* receive functions read text in it; drivers say for themselves what they speak */
	dbsync_query_speak_utf8();
	if (args.run == 0 && dbsync_crashes_begin(id) >= 2)
		leave_stopped(id);
	work = MemoryContextAllocZero(TopMemoryContext, sizeof(DbsyncWork));
	work->context = AllocSetContextCreate(TopMemoryContext, "dbsync work", ALLOCSET_DEFAULT_SIZES);
	work->batch_context = AllocSetContextCreate(TopMemoryContext, "dbsync batch", ALLOCSET_DEFAULT_SIZES);
	work->subscription_id = id;
	work->run = args.run;
	receiving.work = work;
	dbsync_waiting_is_for(work);
	receiver_loop();
}
