/*-------------------------------------------------------------------------
 *
 * worker/verify/verifier.c
 *	  The process that compares a subscription's tables with the target's.
 *
 * It is started by a session, which waits for it, and works through the tables, each at an S of its own.  One that somebody else
 * waits for is let go of, and taken again behind the others.  What goes wrong with a table ends that
 * one; applying is never touched.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "worker/batch/meet.h"
#include "worker/kept.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/run/launcher.h"
#include "worker/run/process.h"
#include "worker/subscription.h"
#include "worker/target.h"
#include "worker/target_compare.h"
#include "worker/verify/compare.h"
#include "worker/verify/ends.h"
#include "worker/verify/guard.h"
#include "worker/verify/outcome.h"
#include "worker/verify/repair.h"
#include "worker/verify/sequences.h"
#include "worker/verify/stand.h"
#include "worker/verify/verify.h"

/* attempts at a table that is in somebody's way, or locked, and the pause before the next one, in ms */
#define MANY_ATTEMPTS	8
#define PAUSE_MS		500

/* a table that is to be compared yet */
typedef struct Due
{
	int			captured_id;
	int64		id;				/* of its verification; 0: not begun */
	int			attempts;
} Due;

static DbsyncVerify *v;

/* --- one table --- */

static bool
differs(void)
{
	return v->found.missing + v->found.extra + v->found.different + v->found.parked > 0 || v->behind != NULL;
}

/* Sums that differ, and no row that does: one of both is not true. */
static void
check_answers(void)
{
	const DbsyncFindings *found = &v->found;

	if (found->missing + found->extra + found->different + found->parked + found->kept == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table %s or target table \"%s.%s\" contradicts itself: sums differ, and none of the rows",
						v->table->qualified, v->table->target_schema, v->table->target_table),
				 errhint("What is read may be another thing each time, as a view with random() or now() is, or a foreign table whose source "
						 "has no snapshots. Else an index may be corrupted at one end: REINDEX the key, and verify again.")));
}

static void
compare(void)
{
	bool		any;

	dbsync_guard_begin();
	v->keeps = dbsync_kept_rows(v->work->subscription, v->table);
	dbsync_compare_prepare(v);
	any = dbsync_compare_buckets(v);
	dbsync_repair_judge_rows(v);
	if (any)
	{
		List	   *candidates = dbsync_compare_images(v);

		/* on a schedule nobody looks at them, but where that is what stops it */
		if (!v->order.scan || (v->found.all_differ && !v->may_differ))
			dbsync_compare_rows(v, candidates);
		check_answers();
	}
	dbsync_repair_judge_differences(v);
	dbsync_verify_sequences_compare(v);
	PopActiveSnapshot();
	dbsync_guard_end();
	dbsync_query_commit();
	MemoryContextSwitchTo(v->context);
	dbsync_target_read_end(v->work->target);
}

static void
conclude(void)
{
	const char *note = NULL;
	DbsyncMeeting meeting;

	if (!differs())
		dbsync_outcome_end(v, "equal", NULL);
	else if (dbsync_repair_run(v, &note))
		dbsync_outcome_end(v, "repaired", note);
	else
	{
		/* what the target has said as it refused rows */
		if (dbsync_meeting_look(&meeting) == DBSYNC_MEETING_REFUSED && meeting.wish == DBSYNC_WISH_REPAIR)
		{
			note = "not repaired";
			v->words = MemoryContextStrdup(v->context, meeting.reason);
		}
		dbsync_outcome_end(v, "different", note);
	}
}

/* Why there is no need to ask the worker, or to look at the target; NULL: there is. */
static const char *
obstacle_of(const DbsyncTable *table)
{
	if (table == NULL)
		return "it is not in the subscription any more";
	/* that is in the ledger, which the worker has read */
	if (table->dropped == 0 && (table->state == DBSYNC_TABLE_NEW || table->state == DBSYNC_TABLE_COPYING))
		return "it is being copied";
	if (table->hold.noted != NULL)
		return "it is held";
	return dbsync_meet_unfit(table);
}

/* True: there is nothing more to be done with it; false: later. */
static bool
attempt(const Due *due, const char **reason)
{
	const char *obstacle;

	if (v->order.deadline != DT_NOEND && GetCurrentTimestamp() >= v->order.deadline)
	{
		v->leaving = DBSYNC_LEAVES_FOR_TIME;
		return false;
	}
	dbsync_ends_read_configuration(v);
	obstacle = obstacle_of(dbsync_subscription_table(v->work->subscription, due->captured_id));
	if (obstacle != NULL)
	{
		dbsync_outcome_end(v, "skipped", obstacle);
		return true;
	}
	dbsync_ends_connect(v);
	dbsync_verify_sequences_read(v);
	*reason = "the target's table is not as the source's yet";
	if (!dbsync_ends_look_up(v, due->captured_id, v->order.scan || due->attempts >= MANY_ATTEMPTS))
		return false;
	switch (dbsync_stand_take(v, reason))
	{
		case DBSYNC_STOOD:
			compare();
			conclude();
			return true;
		case DBSYNC_STOOD_REFUSED:
			dbsync_outcome_end(v, "skipped", *reason);
			return true;
		case DBSYNC_STOOD_TIMELY:
			*reason = NULL;
			v->leaving = DBSYNC_LEAVES_FOR_TIME;
			return false;
		default:
			return false;
	}
}

/* What was under way is over, at both ends. */
static void
let_go(void)
{
	AbortCurrentTransaction();
	dbsync_guard_end();
	/* what was to break it off has been overtaken, perhaps */
	QueryCancelPending = dbsync_process_is_ending();
	dbsync_meeting_drop();
	dbsync_ends_close(v);
	/* it may be another one, of which nobody has told us */
	if (v->work->subscription != NULL)
		dbsync_subscription_forget(v->work->subscription);
	MemoryContextSwitchTo(v->context);
}

/* Why it was left, and how far it had come. */
static const char *
say_left(void)
{
	const char *why = v->leaving == DBSYNC_LEAVES_FOR_TIME ? "the deadline came first" : "somebody waited for a lock on it";

	if (v->progress.rows == 0)
		return why;
	return psprintf("%s, after " INT64_FORMAT " of about " INT64_FORMAT " rows (%s)", why,
					v->progress.rows, v->progress.rows_expected, v->progress.phase);
}

/* An error while a table was compared; what becomes of the process. */
static void
end_badly(ErrorData *edata)
{
	if (dbsync_process_is_ending())
	{
		dbsync_outcome_end(v, "broken off", "the process was ended");
		proc_exit(0);
	}
	if (dbsync_report_is_plain(edata->sqlerrcode))
	{
		v->words = edata->detail;
		dbsync_outcome_end(v, "broken off", edata->message);
		return;
	}
	v->words = edata->detail ? psprintf("%s: %s", edata->message, edata->detail) : edata->message;
	dbsync_outcome_end(v, "broken off", psprintf("error %s", unpack_sql_state(edata->sqlerrcode)));
}

/* False: it is to be taken again. */
static bool
verify_table(Due *due)
{
	volatile bool done = false;
	const char *volatile reason = NULL;

	MemoryContextReset(v->context);
	MemoryContextSwitchTo(v->context);
	dbsync_query_reset();
	memset(&v->found, 0, sizeof(v->found));
	v->obstacle = NULL;
	v->may_shrink = v->may_differ = false;
	v->shown = v->words = NULL;
	v->table = NULL;
	v->position = NULL;
	v->behind = NULL;
	v->parked = NULL;
	v->leaving = DBSYNC_STAYS;
	v->id = due->id;
	v->progress.captured_id = due->captured_id;
	v->progress.rows = v->progress.rows_expected = v->progress.differing = 0;
	due->attempts++;
	if (due->id == 0)
	{
		dbsync_outcome_begin(v, due->captured_id);
		due->id = v->id;
	}
	PG_TRY();
	{
		const char *words = NULL;

		done = attempt(due, &words);
		reason = words;
		if (!done)
			let_go();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(v->context);
		edata = CopyErrorData();
		FlushErrorState();
		if (v->leaving == DBSYNC_STAYS && !dbsync_process_is_ending() && dbsync_guard_has_yielded(edata))
			v->leaving = DBSYNC_LEAVES_FOR_LOCK;
		if (v->leaving != DBSYNC_STAYS)
			reason = say_left();
		let_go();
		if (v->leaving == DBSYNC_STAYS)
		{
			end_badly(edata);
			done = true;
		}
	}
	PG_END_TRY();
	v->table = NULL;
	if (done)
		return true;
	/* on a schedule others have their turn first */
	if (v->leaving != DBSYNC_LEAVES_FOR_TIME && due->attempts < MANY_ATTEMPTS && !v->order.scan)
		return false;
	dbsync_outcome_end(v, "unfinished", reason ? reason : say_left());
	return true;
}

/* --- all of them --- */

static List *
list_tables(void)
{
	List	   *due = NIL;
	ListCell   *lc;

	MemoryContextSwitchTo(v->work->context);
	foreach(lc, v->work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);
		Due		   *one;

		if (v->order.captured_id != 0 && table->captured_id != v->order.captured_id)
			continue;
		one = palloc0(sizeof(Due));
		one->captured_id = table->captured_id;
		due = lappend(due, one);
	}
	MemoryContextSwitchTo(v->context);
	return due;
}

static void
verify_all(void)
{
	List	   *due;

	dbsync_ends_read_configuration(v);
	dbsync_ends_connect(v);
	due = list_tables();
	v->progress.tables = list_length(due);
	dbsync_meeting_tell(&v->progress);
	while (due != NIL)
	{
		Due		   *one = linitial(due);
		MemoryContext old;

		due = list_delete_first(due);
		if (verify_table(one))
		{
			v->progress.tables_done++;
			dbsync_meeting_tell(&v->progress);
			continue;
		}
		old = MemoryContextSwitchTo(v->work->context);
		due = lappend(due, one);
		MemoryContextSwitchTo(old);
		(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE_MS, PG_WAIT_EXTENSION);
	}
}

void
dbsync_verify_main(Datum arg)
{
	DbsyncWorkerArgs args;
	DbsyncMeeting meeting;

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	dbsync_process_begin(args.database, args.starter);
	v = MemoryContextAllocZero(TopMemoryContext, sizeof(DbsyncVerify));
	if (!dbsync_meeting_enter(args.run, &v->order))
		proc_exit(0);
	v->context = AllocSetContextCreate(TopMemoryContext, "dbsync verify", ALLOCSET_DEFAULT_SIZES);
	v->work = MemoryContextAllocZero(TopMemoryContext, sizeof(DbsyncWork));
	v->work->context = AllocSetContextCreate(TopMemoryContext, "dbsync work", ALLOCSET_DEFAULT_SIZES);
	v->work->subscription_id = v->order.subscription;
	(void) dbsync_meeting_look(&meeting);
	v->progress = meeting.progress;
	dbsync_guard_watch(v);
	MemoryContextSwitchTo(v->context);
	PG_TRY();
	{
		verify_all();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(v->context);
		edata = CopyErrorData();
		dbsync_meeting_fail(edata);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		dbsync_ends_close(v);
		proc_exit(0);
	}
	PG_END_TRY();
	dbsync_ends_close(v);
	proc_exit(0);
}
