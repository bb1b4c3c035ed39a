/*-------------------------------------------------------------------------
 *
 * worker/verify/stand.c
 *	  Getting to read both ends as of one moment.
 *
 * The worker has locked the table, taken S and brought the target there, and stands still for us.  We take our own lock, so
 * that nobody alters the table when the worker has gone on; then S, for which no snapshot may have been taken before;
 * then the target's lock and snapshot.  Then it may go on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "worker/query.h"
#include "worker/run/process.h"
#include "worker/snapshot.h"
#include "worker/subscription_versions.h"
#include "worker/table_lock.h"
#include "worker/target.h"
#include "worker/target_compare.h"
#include "worker/verify/stand.h"

/* how often the worker is called again, in ms */
#define CALL_MS			500

/* a worker that is not there may be on its way for so long, in ms */
#define COMING_MS		15000

/* attempts of the worker that fail in a row, but for those that concern another table alone, until it is not waited for any more */
#define MANY_FAILURES	3

static void
refuse_worker(const DbsyncVerify *v, const DbsyncTrouble *trouble)
{
	const char *name = v->work->subscription->name;

	if (trouble->sqlstate != 0)
		ereport(ERROR,
				(errcode(trouble->sqlstate),
				 errmsg("subscription \"%s\" does not reach a position at which it could be verified", name),
				 errdetail("Its worker has met this: %s", trouble->message),
				 trouble->hint[0] ? errhint("%s", trouble->hint) : 0));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the worker of subscription \"%s\" has ended", name),
			 errhint("Applying was not touched. Call dbsync.verify() again.")));
}

/* A worker that is not there: will it not come any more?  One of a stopped subscription comes once. */
static bool
has_gone(const DbsyncVerify *v, const DbsyncTrouble *trouble, TimestampTz came, TimestampTz now)
{
	if (v->work->subscription->enabled)
		return TimestampDifferenceExceeds(came, now, COMING_MS * 4);
	/* what has ended one before was another's */
	return TimestampDifferenceExceeds(came, now, COMING_MS) ||
		(trouble->sqlstate != 0 && trouble->at > v->progress.begun);
}

/* How often it has failed in what matters to us.  *seen: of any kind, as we looked last; *ours: of these, those of our table. */
static int
count_failures(const DbsyncVerify *v, const DbsyncTrouble *trouble, int *seen, int *ours)
{
	if (*seen >= 0 && trouble->failures > *seen && trouble->table == v->table->captured_id)
		(*ours)++;
	*seen = trouble->failures;
	return trouble->failures_of_all + *ours;
}

bool
dbsync_stand_wait(DbsyncVerify *v, DbsyncMeeting *meeting)
{
	TimestampTz came = GetCurrentTimestamp();
	TimestampTz called = came;
	int			failures = -1;	/* as they were at first */
	int			seen = -1;
	int			ours = 0;

	for (;;)
	{
		TimestampTz now;
		DbsyncTrouble trouble;
		int			count;

		CHECK_FOR_INTERRUPTS();
		if (dbsync_meeting_look(meeting) != DBSYNC_MEETING_ASKED)
			return true;
		now = GetCurrentTimestamp();
		if (v->order.deadline != DT_NOEND && now >= v->order.deadline)
		{
			dbsync_meeting_drop();
			return false;
		}
		if (TimestampDifferenceExceeds(called, now, CALL_MS))
		{
			called = now;
			if (dbsync_meeting_call(&trouble))
				came = now;
			else if (has_gone(v, &trouble, came, now))
				refuse_worker(v, &trouble);
			count = count_failures(v, &trouble, &seen, &ours);
			if (failures < 0 || count < failures)
				failures = count;
			if (count >= failures + MANY_FAILURES)
				refuse_worker(v, &trouble);
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, CALL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* Has the table's configuration, its shape among it, been at S what we have read? */
static bool
is_of_now(const DbsyncVerify *v)
{
	DbsyncTableVersion *versions;
	int			n = dbsync_subscription_versions(v->order.subscription, &versions);

	for (int i = 0; i < n; i++)
	{
		if (versions[i].captured_id == v->table->captured_id)
			return versions[i].writers[0] == v->table->version[0] && versions[i].writers[1] == v->table->version[1];
	}
	return false;
}

/* The worker stands: take over from it. */
static DbsyncStood
take_over(DbsyncVerify *v, const DbsyncMeeting *meeting, const char **reason)
{
	dbsync_query_begin(true, "verifying");
	MemoryContextSwitchTo(v->context);
	*reason = "somebody waits for a lock on it";
	if (!dbsync_table_lock(v->table))
		return DBSYNC_STOOD_LATER;
	ImportSnapshot(meeting->snapshot);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!dbsync_target_try_read_begin(v->work->target, v->handle, &v->form))
	{
		*reason = "the target's table is locked";
		if (dbsync_target_fault_is(v->work->target, DBSYNC_FAULT_LOCKED))
			return DBSYNC_STOOD_LATER;
		*reason = "the target's table was altered meanwhile";
		if (dbsync_target_fault_is(v->work->target, DBSYNC_FAULT_TABLE_CHANGED))
			return DBSYNC_STOOD_LATER;
		dbsync_target_raise(v->work->target, "beginning to read the target's table");
	}
	*reason = "the worker went on meanwhile";
	if (!dbsync_meeting_take())
		return DBSYNC_STOOD_LATER;
	*reason = "it was altered meanwhile";
	if (!dbsync_table_lock_is_of_now(v->table) || !is_of_now(v))
		return DBSYNC_STOOD_LATER;
	v->position = dbsync_snapshot_text(dbsync_snapshot_from(GetActiveSnapshot()));
	return DBSYNC_STOOD;
}

DbsyncStood
dbsync_stand_take(DbsyncVerify *v, const char **reason)
{
	DbsyncMeeting meeting;

	strlcpy(v->progress.phase, "waiting for the worker", sizeof(v->progress.phase));
	dbsync_meeting_tell(&v->progress);
	dbsync_meeting_ask(DBSYNC_WISH_COMPARE, v->table->captured_id, 0);
	if (!dbsync_stand_wait(v, &meeting))
		return DBSYNC_STOOD_TIMELY;
	switch (meeting.state)
	{
		case DBSYNC_MEETING_REFUSED:
			*reason = MemoryContextStrdup(v->context, meeting.reason);
			return DBSYNC_STOOD_REFUSED;
		case DBSYNC_MEETING_STANDING:
			return take_over(v, &meeting, reason);
		default:
			*reason = "it is locked";
			return DBSYNC_STOOD_LATER;
	}
}
