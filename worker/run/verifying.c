/*-------------------------------------------------------------------------
 *
 * worker/run/verifying.c
 *	  A subscription is verified by itself, when its verify_policy says so.
 *
 * The worker starts the process that verify() would start, and goes on; the process meets it like any other.  What was
 * missed is one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/clock.h"
#include "extension/meeting.h"
#include "worker/limit.h"
#include "worker/query.h"
#include "worker/run/launcher.h"
#include "worker/run/policy.h"
#include "worker/run/verifying.h"
#include "worker/subscription.h"

/* before one that could not be started is tried again, in ms */
#define LATER_MS		60000

#define MAX_DIFFERENCES	1000

/* not before, as no process was to be had */
static TimestampTz later = 0;

/* the one that was started last, until it has ended: one that never came in has not left its place */
static uint64 started = 0;
static BackgroundWorkerHandle *process = NULL;

/* When it is due, by the clock of policies; DT_NOEND: never. */
static TimestampTz
due_at(const DbsyncWork *work)
{
	const DbsyncSubscription *subscription = work->subscription;
	const pg_tz *zone;
	DbsyncPolicy policy;
	DbsyncPolicyText fault;
	TimestampTz now;
	TimestampTz next;

	if (work->run != 0 || subscription == NULL || subscription->verify_policy == NULL ||
		!dbsync_policy_read(subscription->verify_policy, &policy, &fault))
		return DT_NOEND;
	zone = dbsync_policy_zone(subscription->time_zone);
	if (zone == NULL)
		zone = dbsync_policy_zone(NULL);
	now = dbsync_clock_now();
	next = dbsync_policy_next(&policy, zone, dbsync_policy_due_behind(subscription->last_verify, now));
	if (next == DT_NOEND)
		return next;
	return Max(Max(next, later), dbsync_hours_opening(&policy.hours, zone, Max(next, now)));
}

static bool
has_ended(void)
{
	pid_t		pid;

	return process != NULL && GetBackgroundWorkerPid(process, &pid) == BGWH_STOPPED;
}

long
dbsync_verifying_pause(const DbsyncWork *work)
{
	TimestampTz due = due_at(work);
	TimestampTz now;

	if (has_ended())
		return 0;
	if (due == DT_NOEND)
		return LONG_MAX;
	now = dbsync_clock_now();
	return due <= now ? 0 : TimestampDifferenceMilliseconds(now, due);
}

static void
give_back(void)
{
	DbsyncMeeting last;

	if (!has_ended())
		return;
	dbsync_meeting_give_back(started, &last);
	if (last.run != 0 && !last.ended)
		ereport(LOG,
				(errmsg("the process that was to verify has ended before it began")));
	pfree(process);
	process = NULL;
}

static bool
start(const DbsyncWork *work)
{
	DbsyncWorkerArgs args = {.kind = DBSYNC_JOB_VERIFY};
	DbsyncVerifyOrder order = {.sample = 1, .deadline = DT_NOEND, .max_differences = MAX_DIFFERENCES};
	DbsyncMeeting last;
	MemoryContext old;
	bool		has;

	order.uid = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	order.database = MyDatabaseId;
	order.subscription = work->subscription_id;
	order.caller = work->subscription->owner;
	args.database = MyDatabaseId;
	args.run = dbsync_shmem_next_run();
	args.owner = InvalidOid;
	/* one that somebody has called for is as good */
	switch (dbsync_meeting_make(args.run, &order))
	{
		case DBSYNC_MEETING_BUSY:
			return true;
		case DBSYNC_MEETING_NO_PLACE:
			return false;
		case DBSYNC_MEETING_MADE:
			break;
	}
	if (process != NULL)
		pfree(process);
	process = NULL;
	started = args.run;
	old = MemoryContextSwitchTo(TopMemoryContext);
	has = dbsync_launcher_start_worker(work->subscription_id, &args, &process);
	MemoryContextSwitchTo(old);
	if (has)
		return true;
	process = NULL;
	dbsync_meeting_give_back(args.run, &last);
	return false;
}

void
dbsync_verifying_run(DbsyncWork *work)
{
	MemoryContext old = CurrentMemoryContext;

	give_back();
	if (dbsync_verifying_pause(work) > 0)
		return;
	if (!start(work))
	{
		later = TimestampTzPlusMilliseconds(dbsync_clock_now(), LATER_MS);
		ereport(LOG,
				(errmsg("subscription \"%s\" could not be verified, as no process is to be had", work->subscription->name)));
		return;
	}
	dbsync_query_begin(false, "noting that a subscription is verified");
	dbsync_subscription_write_last_verify(work->subscription, dbsync_clock_now());
	dbsync_query_commit();
	MemoryContextSwitchTo(old);
}
