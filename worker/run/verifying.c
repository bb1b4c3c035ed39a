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
#include "utils/builtins.h"
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

long
dbsync_verifying_pause(const DbsyncWork *work)
{
	TimestampTz due = due_at(work);
	TimestampTz now;

	if (due == DT_NOEND)
		return LONG_MAX;
	now = dbsync_clock_now();
	return due <= now ? 0 : TimestampDifferenceMilliseconds(now, due);
}

static bool
start(const DbsyncWork *work)
{
	DbsyncWorkerArgs args = {.kind = DBSYNC_JOB_VERIFY};
	DbsyncVerifyOrder order = {.sample = 1, .deadline = DT_NOEND, .max_differences = MAX_DIFFERENCES};
	DbsyncTrouble trouble;

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
	if (dbsync_launcher_start_worker(work->subscription_id, &args, NULL))
		return true;
	dbsync_meeting_give_back(args.run, &trouble);
	return false;
}

void
dbsync_verifying_run(DbsyncWork *work)
{
	MemoryContext old = CurrentMemoryContext;

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
