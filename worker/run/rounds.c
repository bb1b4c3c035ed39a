/*-------------------------------------------------------------------------
 *
 * worker/run/rounds.c
 *	  When a worker may run batches: rounds, as its subscription's policy lets them begin.
 *
 * Planned rounds (cron, interval) are those behind the one that began last, which is noted in
 * dbsync.subscription.last_run when it ends: so what passed while the server was down, the
 * hours were over or another round went on is one round, at once.
 *
 * A table that a round was to scan or to compare, and that was locked just then, has a round begin again soon, which looks at no other
 * table of that kind; later each time that it is locked still.
 *
 * What is pending is counted by commits (extension/wake.h) and, for what tells nobody, by
 * looking at what is behind the position: as the worker starts, as a round breaks off, and
 * when transactions have ended, among which there may be prepared ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/clock.h"
#include "extension/meeting.h"
#include "extension/settings.h"
#include "extension/wake.h"
#include "worker/batch/held.h"
#include "worker/copy/clocks.h"
#include "worker/copy/indexing.h"
#include "worker/copy/schedule.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/run/idle.h"
#include "worker/run/policy.h"
#include "worker/run/rounds.h"
#include "worker/run/snapshotting.h"
#include "worker/run/waiting.h"
#include "worker/subscription.h"
#include "worker/text.h"
#include "worker/upkeep/backlog.h"
#include "worker/upkeep/install.h"

#include "extension/compat.h"

/* Rounds of an interval are noted no oftener: each note is a change of the configuration. */
#define NOTE_INTERVAL	USECS_PER_MINUTE

/* before something that could not be done is tried again, in ms */
#define SHORT_PAUSE		1000

/* why a round begins */
typedef enum Round
{
	ROUND_NONE,
	ROUND_DUE,					/* somebody waits for it, a threshold is passed, or one goes on that was broken off */
	ROUND_PLANNED,				/* it is the policy's, by the clock */
	ROUND_AGAIN,				/* for nothing but what the last one left undone */
	ROUND_FOR_MEETING			/* for a process that verifies: it is none of the policy's, has no table looked at, and puts off no
								 * round by the clock */
} Round;

/* the policy, as it was read last, and from what */
static DbsyncPolicy policy;
static const pg_tz *zone = NULL;
static char *policy_text = NULL;
static char *zone_name = NULL;

/* planned rounds that count are behind this one; as noted in the catalog, or to be */
static TimestampTz last_planned;
static TimestampTz noted;
static bool note_due = false;

static bool under_way = false;
static bool planned;			/* that round was */
static TimestampTz begun = 0;	/* the last round of any kind, */
static TimestampTz begun_at = 0;	/* and by the server's clock */
static bool broken_off = false; /* it goes on as soon as it may */
static int	again = 0;			/* rounds in a row that have begun for what was left undone */

/* where the target was when a round was over, or as we came; NULL: it need not be there again */
static DbsyncSnapshot *reached = NULL;
static bool known = false;		/* that has been looked at */

/* A zone that is not known any more: what is not seen to goes on by another clock. */
static void
take_zone(const DbsyncSubscription *subscription)
{
	zone = dbsync_policy_zone(subscription->time_zone);
	if (zone != NULL)
		return;
	zone = dbsync_policy_zone(NULL);
	ereport(WARNING,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("time zone \"%s\" of subscription \"%s\" is not known any more",
					subscription->time_zone, subscription->name),
			 errdetail("Its policy goes by UTC."),
			 errhint("Name another one: SELECT dbsync.alter_subscription('%s', time_zone => ...).", subscription->name)));
}

/* The configuration may have been read again. */
static void
take_policy(DbsyncWork *work)
{
	const DbsyncSubscription *subscription = work->subscription;
	DbsyncPolicyText fault;

	if (zone == NULL || !dbsync_text_is_same(policy_text, subscription->policy) || !dbsync_text_is_same(zone_name, subscription->time_zone))
	{
		DbsyncPolicy fresh;

		if (!dbsync_policy_read(subscription->policy, &fresh, &fault))
			dbsync_policy_raise("policy", &fault);
		policy = fresh;
		take_zone(subscription);
		/* thresholds know nothing of rows that are found by scans: there these go by their own clock */
		work->scans_by_round = dbsync_policy_is_planned(&policy) ||
			!(policy.immediate || policy.rows > 0 || policy.bytes > 0 || policy.age > 0 || policy.idle > 0);
		dbsync_clocks_begin_round(work);
		dbsync_text_keep(work->context, &policy_text, subscription->policy);
		dbsync_text_keep(work->context, &zone_name, subscription->time_zone);
		dbsync_waiting_look_anew();
		/* what is left of a round waits for what it says now */
		broken_off = false;
		dbsync_idle_forget();
	}
	/* ours, or somebody has said from when on it counts */
	if (subscription->last_run != noted || last_planned == 0)
	{
		noted = subscription->last_run;
		last_planned = noted != 0 ? noted : dbsync_clock_now();
	}
}

static bool
counts_pending(void)
{
	return policy.rows > 0 || policy.bytes > 0 || policy.age > 0 || policy.idle > 0 || policy.interval > 0;
}

static void
tell_commits(bool open)
{
	DbsyncWake *wake = dbsync_report_wake();

	if (!open)
		dbsync_wake_at(wake, 0, 0, false);
	else if (policy.immediate)
		dbsync_wake_always(wake);
	else
		dbsync_wake_at(wake, policy.rows, policy.bytes, policy.age > 0 || policy.idle > 0 || policy.interval > 0);
}

/* Is there a copy to be made, a table to be scanned, or a held one to catch up, that nothing but we keep waiting? */
static bool
has_other_work(DbsyncWork *work)
{
	return dbsync_schedule_next_table(work) != NULL || dbsync_held_is_any_under_way(work) ||
		dbsync_indexing_pause(work) == 0 || dbsync_clocks_pause(work, DBSYNC_CLOCKS_SCAN | DBSYNC_CLOCKS_SHADOW) == 0 ||
		dbsync_snapshotting_pause(work) == 0;
}

/* Has it tables of which nobody tells when they have changed? */
static bool
looks_for_itself(const DbsyncWork *work)
{
	return dbsync_clocks_is_any(work);
}

/* The planned round that is next, by its clock; DT_NOEND: none. */
static TimestampTz
next_planned(TimestampTz now)
{
	TimestampTz next = DT_NOEND;

	last_planned = dbsync_policy_due_behind(last_planned, now);
	if (policy.ncrons > 0)
		next = dbsync_policy_next_cron(&policy, zone, last_planned);
	if (policy.interval > 0)
		next = Min(next, Min(Max(last_planned, begun), now) + policy.interval);
	return next;
}

/* Nothing travels by an interval over which nothing has happened, as far as is known. */
static bool
is_planned_due(DbsyncWork *work, TimestampTz now, bool waiting)
{
	if (!dbsync_policy_is_planned(&policy) || next_planned(now) > now)
		return false;
	if (waiting || policy.interval == 0 || looks_for_itself(work))
		return true;
	return policy.ncrons > 0 && dbsync_policy_next_cron(&policy, zone, last_planned) <= now;
}

static bool
is_threshold_passed(DbsyncWork *work, TimestampTz now, bool others)
{
	const DbsyncWake *wake = dbsync_report_wake();
	int64		rows = dbsync_wake_rows(wake);
	TimestampTz since = dbsync_wake_since(wake);

	/* rows that are there to be copied are more than anybody has waited for */
	if (others && (policy.rows > 0 || policy.bytes > 0 || policy.age > 0))
		return true;
	return (policy.rows > 0 && rows >= policy.rows) ||
		(policy.bytes > 0 && dbsync_wake_bytes(wake) >= policy.bytes) ||
		(policy.age > 0 && since != 0 && since + policy.age <= now);
}

static bool
is_idle(bool waiting)
{
	if (policy.idle == 0)
		return false;
	if (waiting)
		return dbsync_idle_look(policy.idle);
	dbsync_idle_forget();
	return false;
}

static long
pause_until(TimestampTz at, TimestampTz now)
{
	return at <= now ? 0 : TimestampDifferenceMilliseconds(now, at);
}

/* Until there is a round for what the last one has left undone. */
static long
again_pause(const DbsyncWork *work)
{
	long		pause = work->scans_by_round ? dbsync_clocks_undone_pause(work) : LONG_MAX;
	TimestampTz earliest = TimestampTzPlusMilliseconds(begun_at, dbsync_query_pause(SHORT_PAUSE, again + 1));

	return pause == LONG_MAX ? pause : Max(pause, pause_until(earliest, GetCurrentTimestamp()));
}

/* Does a process that verifies wait for us? */
static bool
is_met(const DbsyncWork *work)
{
	DbsyncMeeting asked;

	return dbsync_meeting_is_wanted(work->subscription_id, &asked);
}

/* Is it time for a round, and for which? */
static Round
due_round(DbsyncWork *work, TimestampTz now)
{
	bool		others = has_other_work(work);
	bool		waiting = others || dbsync_wake_rows(dbsync_report_wake()) > 0;

	if (is_planned_due(work, now, waiting))
		return ROUND_PLANNED;
	if (broken_off || dbsync_report_is_awaited() || is_threshold_passed(work, now, others) || is_idle(waiting))
		return ROUND_DUE;
	if (again_pause(work) == 0)
		return ROUND_AGAIN;
	return is_met(work) ? ROUND_FOR_MEETING : ROUND_NONE;
}

static void
note_last_run(void *arg)
{
	DbsyncWork *work = arg;

	dbsync_query_begin(false, "noting when a round began");
	dbsync_subscription_write_last_run(work->subscription, last_planned);
	dbsync_query_commit();
}

/* Later, if somebody has locked the row. */
static void
try_note(DbsyncWork *work)
{
	if (!note_due || !dbsync_query_attempt(note_last_run, work))
		return;
	noted = work->subscription->last_run = last_planned;
	note_due = false;
}

static void
break_off(DbsyncWork *work)
{
	DbsyncLag	none = {0};

	under_way = false;
	broken_off = true;
	/* what the window still holds is pending again */
	dbsync_waiting_look_anew();
	dbsync_report_lag(&none, work->position.after);
	dbsync_report_round(false, begun);
}

static void
keep_reached(DbsyncWork *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->context);

	if (reached != NULL)
		pfree(reached);
	reached = work->position.after ? dbsync_snapshot_copy(work->position.after) : NULL;
	known = true;
	MemoryContextSwitchTo(old);
}

/*
 * A target that has crashed lacks what a round had brought: that round goes on.  What was there as this worker came was
 * brought by rounds, too.
 */
static void
look_at_position(DbsyncWork *work)
{
	if (!known)
		keep_reached(work);
	if (reached == NULL || dbsync_snapshot_covers(work->position.after, reached))
		return;
	pfree(reached);
	reached = NULL;
	break_off(work);
}

static void
begin(DbsyncWork *work, TimestampTz now, Round round)
{
	under_way = true;
	again = round == ROUND_AGAIN ? again + 1 : 0;
	if (round == ROUND_FOR_MEETING)
	{
		planned = false;
		dbsync_report_round(true, begun);
		return;
	}
	if (work->scans_by_round && !broken_off && round != ROUND_AGAIN)
		dbsync_clocks_begin_round(work);
	/* one that goes on is the one that it was */
	planned = round == ROUND_PLANNED || (broken_off && planned);
	broken_off = false;
	begun = now;
	begun_at = GetCurrentTimestamp();
	if (round == ROUND_PLANNED)
		last_planned = Max(now, last_planned);
	dbsync_idle_forget();
	dbsync_report_round(true, begun);
}

bool
dbsync_rounds_go_on(DbsyncWork *work)
{
	TimestampTz now;
	bool		open;
	Round		round;

	if (work->run != 0)
		return true;
	take_policy(work);
	now = dbsync_clock_now();
	open = dbsync_hours_are_open(&policy.hours, zone, now);
	tell_commits(open);
	if (!open && under_way)
		break_off(work);
	if (open && policy.immediate)
	{
		if (!under_way)
			begin(work, now, ROUND_DUE);
		return true;
	}
	if (!under_way)
	{
		try_note(work);
		look_at_position(work);
		if (dbsync_waiting_look_is_due(counts_pending()))
			dbsync_waiting_look(work);
		round = open ? due_round(work, now) : ROUND_NONE;
		if (round == ROUND_NONE)
			return false;
		begin(work, now, round);
	}
	/* what the window that is begun next shows is not pending; it comes before its snapshot */
	if (work->window == NULL)
		dbsync_wake_forget(dbsync_report_wake());
	return true;
}

/* Who waits is answered when all is there, copies that fail now among it. */
static bool
is_waited_for(DbsyncWork *work)
{
	return dbsync_report_is_awaited() &&
		(dbsync_schedule_is_pending(work) || dbsync_held_is_any_under_way(work) || dbsync_backlog_pause(work) != LONG_MAX);
}

bool
dbsync_rounds_is_over(DbsyncWork *work)
{
	return work->run == 0 && under_way && !policy.immediate && work->caught_up &&
		!has_other_work(work) && !dbsync_snapshotting_is_pending(work) && !dbsync_install_goes_on() && !is_waited_for(work);
}

void
dbsync_rounds_end(DbsyncWork *work)
{
	if (!dbsync_rounds_is_over(work))
		return;
	under_way = false;
	keep_reached(work);
	if (planned && (policy.ncrons > 0 || last_planned - noted >= NOTE_INTERVAL || noted > last_planned))
	{
		note_due = true;
		try_note(work);
	}
	/* some of what the round has sent may have been counted behind its snapshot */
	if (!counts_pending() && dbsync_wake_rows(dbsync_report_wake()) > 0)
		dbsync_waiting_look_anew();
	dbsync_report_round(false, begun);
}

bool
dbsync_rounds_wait(const DbsyncWork *work)
{
	return work->run == 0 && zone != NULL && !under_way;
}

long
dbsync_rounds_pause(DbsyncWork *work)
{
	const DbsyncWake *wake = dbsync_report_wake();
	TimestampTz now = dbsync_clock_now();
	TimestampTz opening = dbsync_hours_opening(&policy.hours, zone, now);
	TimestampTz since = dbsync_wake_since(wake);
	bool		waiting = has_other_work(work) || dbsync_wake_rows(wake) > 0;
	long		pause = dbsync_poll_interval;

	/* the configuration may be another then, or the clock */
	if (note_due || dbsync_schedule_is_pending(work))
		pause = Min(pause, SHORT_PAUSE);
	if (opening > now)
		return Min(pause, pause_until(opening, now));
	/* those that go by rounds begin none, but what could not be done is done soon */
	pause = Min(pause, again_pause(work));
	if (!work->scans_by_round)
		pause = Min(pause, Min(dbsync_clocks_pause(work, DBSYNC_CLOCKS_SCAN | DBSYNC_CLOCKS_SHADOW), dbsync_snapshotting_pause(work)));
	if (policy.ncrons > 0 || (policy.interval > 0 && (waiting || looks_for_itself(work))))
		pause = Min(pause, pause_until(next_planned(now), now));
	if (policy.age > 0 && since != 0)
		pause = Min(pause, pause_until(since + policy.age, now));
	if (policy.idle > 0 && waiting)
		pause = Min(pause, dbsync_idle_pause(policy.idle));
	return pause;
}

bool
dbsync_rounds_look(DbsyncWork *work)
{
	TimestampTz now = dbsync_clock_now();

	if (note_due || !dbsync_hours_are_open(&policy.hours, zone, now))
		return note_due;
	/* it opens with something to do */
	if (policy.immediate || broken_off)
		return true;
	if (dbsync_waiting_look_is_due(counts_pending()))
		return true;
	return due_round(work, now) != ROUND_NONE;
}
