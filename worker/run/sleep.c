/*-------------------------------------------------------------------------
 *
 * worker/run/sleep.c
 *	  When a worker sleeps, how long, and what wakes it.
 *
 * Commits that captured something count up the slot's calls and set the latch.  The
 * latch alone would not do, as waits inside a round reset it too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "utils/inval.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "extension/catalog.h"
#include "extension/meeting.h"
#include "extension/settings.h"
#include "worker/batch/held.h"
#include "worker/batch/retry.h"
#include "worker/batch/sequence_look.h"
#include "worker/connection.h"
#include "worker/copy/clocks.h"
#include "worker/copy/indexing.h"
#include "worker/copy/schedule.h"
#include "worker/report.h"
#include "worker/run/process.h"
#include "worker/run/rounds.h"
#include "worker/run/sleep.h"
#include "worker/run/snapshotting.h"
#include "worker/run/target_upkeep.h"
#include "worker/run/verifying.h"
#include "worker/upkeep/backlog.h"
#include "worker/upkeep/retention.h"
#include "worker/upkeep/wal_feed.h"

#include "extension/compat.h"

/* transactions that had ended in this cluster when we last looked for work */
static uint64 completions = 0;

/* and how often we had been called */
static uint32 calls = 0;

/* rounds in a row in which commits came faster than we went; so many are no chance */
static int	rounds_behind = 0;

#define MANY_ROUNDS 8

/* before something that could not be done is tried again, in ms */
#define SHORT_PAUSE 1000

void
dbsync_sleep_forget_wakeups(void)
{
	completions = dbsync_completions_compat();
	calls = dbsync_report_calls();
	ResetLatch(MyLatch);
}

void
dbsync_sleep_tell_passed(void)
{
	dbsync_report_passed(calls);
}

bool
dbsync_sleep_was_woken(void)
{
	return MyLatch->is_set || calls != dbsync_report_calls();
}

void
dbsync_sleep_kept_up(void)
{
	rounds_behind = 0;
}

/*
 * While commits come faster than batches go, the time of one batch four times
 * over is left to them to gather: a row costs several times less in a batch of
 * thousands than alone, and writers want the processors too.  Commits that come
 * close together by chance are no reason yet, but a row of rounds that all ended
 * behind them; and nobody is kept waiting who waits for us.  The latch stays as it
 * is, so that commits do not signal us.
 */
void
dbsync_sleep_let_gather(DbsyncWork *work, instr_time begun)
{
	instr_time	took;
	double		pause;

	if (++rounds_behind <= MANY_ROUNDS)
		return;
	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, begun);
	pause = Min(4 * INSTR_TIME_GET_MILLISEC(took), dbsync_gather_max);
	if (pause < 1 || work->run != 0 || dbsync_schedule_is_pending(work) || dbsync_report_is_awaited() ||
		dbsync_meeting_is_served(work->subscription_id))
		return;
	(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, (long) pause, PG_WAIT_EXTENSION);
}

bool
dbsync_sleep_for(DbsyncWork *work, long timeout, bool through)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);

	dbsync_process_exit_if_asked(work);
	while (timeout > 0)
	{
		int			events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
									   timeout, PG_WAIT_EXTENSION);

		if (events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		dbsync_process_exit_if_asked(work);
		dbsync_process_reload();
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

static long
idle_pause(const DbsyncWork *work)
{
	long		pause = dbsync_poll_interval;

	if (dbsync_schedule_is_pending(work))
		pause = Min(pause, SHORT_PAUSE);
	/* a note of a held table that could not be made waits for somebody else's lock */
	pause = Min(pause, Max(dbsync_held_pause(work), SHORT_PAUSE));
	pause = Min(pause, dbsync_indexing_pause(work));
	pause = Min(pause, dbsync_retry_pause(work));
	pause = Min(pause, dbsync_clocks_pause(work, DBSYNC_CLOCKS_SCAN | DBSYNC_CLOCKS_SHADOW));
	pause = Min(pause, dbsync_backlog_pause(work));
	pause = Min(pause, dbsync_snapshotting_pause(work));
	pause = Min(pause, dbsync_wal_feed_pause(work));
	pause = Min(pause, dbsync_target_upkeep_pause(work));
	pause = Min(pause, dbsync_verifying_pause(work));
	return Min(pause, dbsync_retention_pause(work));
}

/*
 * The poll stands behind what wakes nobody, as COMMIT PREPARED does; where no
 * transaction has ended meanwhile it looks no further.
 */
void
dbsync_sleep_until_wanted(DbsyncWork *work)
{
	while (!dbsync_sleep_was_woken() && dbsync_sleep_for(work, idle_pause(work), false))
	{
		AcceptInvalidationMessages();
		if (dbsync_schedule_is_pending(work) || dbsync_schedule_note_is_due(work) ||
			dbsync_held_is_any_under_way(work) || dbsync_sequence_look_is_due(work) ||
			dbsync_retention_pause(work) == 0 || dbsync_indexing_pause(work) == 0 || dbsync_retry_pause(work) == 0 ||
			dbsync_clocks_pause(work, DBSYNC_CLOCKS_SCAN | DBSYNC_CLOCKS_SHADOW) == 0 || dbsync_backlog_pause(work) == 0 || dbsync_snapshotting_pause(work) == 0 ||
			dbsync_wal_feed_is_due(work) || dbsync_target_upkeep_pause(work) == 0 || dbsync_verifying_pause(work) == 0 ||
			work->subscription->generation != dbsync_catalog_generation() ||
			dbsync_connection_is_outdated() ||
			completions != dbsync_completions_compat())
			return;
	}
}

static long
allowed_pause(DbsyncWork *work)
{
	long		pause = Min(dbsync_rounds_pause(work), dbsync_retention_pause(work));

	pause = Min(pause, dbsync_wal_feed_pause(work));
	pause = Min(pause, dbsync_verifying_pause(work));
	return Max(1, Min(pause, dbsync_target_upkeep_pause(work)));
}

/* Nothing of this opens a transaction, unless there is a reason to look. */
void
dbsync_sleep_until_allowed(DbsyncWork *work)
{
	while (!dbsync_sleep_was_woken() &&
		   dbsync_sleep_for(work, allowed_pause(work), false))
	{
		AcceptInvalidationMessages();
		if (dbsync_rounds_look(work) || dbsync_retention_pause(work) == 0 || dbsync_schedule_is_pending(work) ||
			dbsync_wal_feed_is_due(work) || dbsync_target_upkeep_pause(work) == 0 || dbsync_verifying_pause(work) == 0 ||
			work->subscription->generation != dbsync_catalog_generation() || dbsync_connection_is_outdated())
			return;
	}
}
