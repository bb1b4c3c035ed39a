/*-------------------------------------------------------------------------
 *
 * extension/meeting.c
 *	  Where a verify process and a subscription's worker meet.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "extension/meeting.h"

/* how often a worker that stands looks whether the process is still there, in ms */
#define LOOK_MS		100

static DbsyncMeeting *mine = NULL;

/* Lock held. */
static DbsyncMeeting *
place_at(int i)
{
	StaticAssertStmt(sizeof(DbsyncMeeting) * DBSYNC_MEETINGS <= DBSYNC_MEETINGS_SIZE, "there is room for all places");
	return (DbsyncMeeting *) dbsync_shmem_meetings() + i;
}

/* The place of a run; lock held. */
static DbsyncMeeting *
find(uint64 run)
{
	for (int i = 0; i < DBSYNC_MEETINGS; i++)
	{
		DbsyncMeeting *meeting = place_at(i);

		if (meeting->run == run)
			return meeting;
	}
	return NULL;
}

static bool
is_of(const DbsyncMeeting *meeting, int subscription)
{
	return meeting->run != 0 && !meeting->ended && meeting->order.database == MyDatabaseId &&
		meeting->order.subscription == subscription;
}

/* --- for sessions --- */

DbsyncMeetingMade
dbsync_meeting_make(uint64 run, const DbsyncVerifyOrder *order)
{
	DbsyncMeeting *place = NULL;
	DbsyncMeetingMade made = DBSYNC_MEETING_MADE;
	int			of_this_kind = 0;

	dbsync_shmem_lock(true);
	for (int i = 0; i < DBSYNC_MEETINGS; i++)
	{
		DbsyncMeeting *meeting = place_at(i);

		if (is_of(meeting, order->subscription) && meeting->order.scan == order->scan)
			made = DBSYNC_MEETING_BUSY;
		of_this_kind += meeting->run != 0 && !meeting->ended && meeting->order.scan == order->scan;
		if (place == NULL && (meeting->run == 0 || meeting->ended))
			place = meeting;
	}
	if (made == DBSYNC_MEETING_MADE && (place == NULL || of_this_kind >= DBSYNC_MEETINGS_OF_A_KIND))
		made = DBSYNC_MEETING_NO_PLACE;
	if (made == DBSYNC_MEETING_MADE)
	{
		memset(place, 0, sizeof(*place));
		place->run = run;
		place->order = *order;
		place->progress.begun = GetCurrentTimestamp();
		dbsync_shmem_note_meeting();
	}
	dbsync_shmem_unlock();
	return made;
}

void
dbsync_meeting_give_back(uint64 run, DbsyncMeeting *last)
{
	DbsyncMeeting *meeting;

	memset(last, 0, sizeof(*last));
	dbsync_shmem_lock(true);
	meeting = find(run);
	if (meeting != NULL)
	{
		*last = *meeting;
		/* one that is still there leaves by itself */
		if (meeting->pid == 0)
			meeting->run = 0;
	}
	dbsync_shmem_unlock();
}

bool
dbsync_meeting_read(int i, DbsyncMeeting *copy)
{
	dbsync_shmem_lock(false);
	*copy = *place_at(i);
	dbsync_shmem_unlock();
	return copy->run != 0;
}

/* --- for the process --- */

/*
 * Have the worker come round; what was asked for has it begin a round, whatever its policy says.  No ticket is drawn: tickets have
 * all tables looked at anew that are compared or scanned.  False: there is none.  Lock held.
 */
static bool
call_worker(const DbsyncMeeting *meeting)
{
	DbsyncSlot *slot = dbsync_shmem_slot(meeting->order.subscription, false);

	if (slot == NULL || slot->pid == 0)
		return false;
	dbsync_shmem_wake(slot);
	return true;
}

static void
leave(int code, Datum arg)
{
	if (mine == NULL)
		return;
	dbsync_shmem_lock(true);
	mine->state = DBSYNC_MEETING_IDLE;
	mine->pid = 0;
	mine->latch = NULL;
	mine->ended = true;
	/* it may stand, or be there for us alone */
	call_worker(mine);
	dbsync_shmem_unlock();
	mine = NULL;
}

bool
dbsync_meeting_enter(uint64 run, DbsyncVerifyOrder *order)
{
	DbsyncMeeting *meeting;

	dbsync_shmem_lock(true);
	meeting = find(run);
	if (meeting != NULL)
	{
		meeting->pid = MyProcPid;
		meeting->latch = MyLatch;
		*order = meeting->order;
		mine = meeting;
	}
	dbsync_shmem_unlock();
	if (meeting != NULL)
		before_shmem_exit(leave, (Datum) 0);
	return meeting != NULL;
}

void
dbsync_meeting_ask(DbsyncMeetingWish wish, int captured_id, int64 rows_there)
{
	dbsync_shmem_lock(true);
	mine->state = DBSYNC_MEETING_ASKED;
	mine->wish = wish;
	mine->table = captured_id;
	mine->round++;
	mine->repaired = mine->absent = 0;
	mine->rows_there = rows_there;
	mine->reason[0] = mine->snapshot[0] = '\0';
	(void) call_worker(mine);
	dbsync_shmem_unlock();
}

bool
dbsync_meeting_call(DbsyncTrouble *trouble)
{
	const DbsyncSlot *slot;
	bool		has;

	memset(trouble, 0, sizeof(*trouble));
	dbsync_shmem_lock(true);
	has = call_worker(mine);
	slot = dbsync_shmem_slot(mine->order.subscription, false);
	if (slot != NULL)
		*trouble = slot->trouble;
	dbsync_shmem_unlock();
	return has;
}

DbsyncMeetingState
dbsync_meeting_look(DbsyncMeeting *copy)
{
	dbsync_shmem_lock(false);
	*copy = *mine;
	dbsync_shmem_unlock();
	return copy->state;
}

bool
dbsync_meeting_take(void)
{
	bool		taken;

	dbsync_shmem_lock(true);
	taken = mine->state == DBSYNC_MEETING_STANDING;
	if (taken)
		mine->state = DBSYNC_MEETING_TAKEN;
	(void) call_worker(mine);
	dbsync_shmem_unlock();
	return taken;
}

void
dbsync_meeting_drop(void)
{
	dbsync_shmem_lock(true);
	mine->state = DBSYNC_MEETING_IDLE;
	dbsync_shmem_unlock();
}

void
dbsync_meeting_tell(const DbsyncVerifyProgress *progress)
{
	dbsync_shmem_lock(true);
	mine->progress = *progress;
	dbsync_shmem_unlock();
}

void
dbsync_meeting_fail(const ErrorData *edata)
{
	dbsync_shmem_lock(true);
	mine->sqlstate = edata->sqlerrcode;
	dbsync_shmem_put_text(mine->message, edata->message);
	dbsync_shmem_put_text(mine->reason, edata->detail);
	dbsync_shmem_put_text(mine->hint, edata->hint);
	dbsync_shmem_unlock();
}

/* --- for the subscription's worker --- */

bool
dbsync_meeting_is_wanted(int subscription, DbsyncMeeting *copy)
{
	bool		wanted = false;

	if (!dbsync_shmem_has_meetings())
		return false;
	dbsync_shmem_lock(false);
	for (int i = 0; i < DBSYNC_MEETINGS && !wanted; i++)
	{
		const DbsyncMeeting *meeting = place_at(i);

		wanted = is_of(meeting, subscription) && meeting->state == DBSYNC_MEETING_ASKED;
		if (wanted)
			*copy = *meeting;
	}
	dbsync_shmem_unlock();
	return wanted;
}

bool
dbsync_meeting_is_served(int subscription)
{
	bool		served = false;

	if (!dbsync_shmem_has_meetings())
		return false;
	dbsync_shmem_lock(false);
	for (int i = 0; i < DBSYNC_MEETINGS; i++)
		served |= is_of(place_at(i), subscription);
	dbsync_shmem_unlock();
	return served;
}

/* The place, if what was asked for is still asked for, or is what we stand for; lock held. */
static DbsyncMeeting *
find_asked(const DbsyncMeeting *asked)
{
	DbsyncMeeting *meeting = find(asked->run);

	if (meeting == NULL || meeting->ended || meeting->round != asked->round ||
		(meeting->state != DBSYNC_MEETING_ASKED && meeting->state != DBSYNC_MEETING_STANDING))
		return NULL;
	return meeting;
}

static void
answer(const DbsyncMeeting *asked, DbsyncMeetingState state, const char *reason, const char *snapshot)
{
	DbsyncMeeting *meeting;

	dbsync_shmem_lock(true);
	meeting = find_asked(asked);
	if (meeting != NULL)
	{
		meeting->state = state;
		dbsync_shmem_put_text(meeting->reason, reason);
		strlcpy(meeting->snapshot, snapshot, sizeof(meeting->snapshot));
		if (meeting->latch != NULL)
			SetLatch(meeting->latch);
	}
	dbsync_shmem_unlock();
}

void
dbsync_meeting_refuse(const DbsyncMeeting *asked, const char *reason)
{
	answer(asked, DBSYNC_MEETING_REFUSED, reason, "");
}

void
dbsync_meeting_put_off(const DbsyncMeeting *asked)
{
	answer(asked, DBSYNC_MEETING_LATE, "", "");
}

/* Has the process not answered yet? */
static bool
is_standing(const DbsyncMeeting *asked)
{
	DbsyncMeeting *meeting;
	bool		standing;

	dbsync_shmem_lock(false);
	meeting = find_asked(asked);
	standing = meeting != NULL && meeting->state == DBSYNC_MEETING_STANDING;
	dbsync_shmem_unlock();
	return standing;
}

static bool
was_taken(const DbsyncMeeting *asked)
{
	const DbsyncMeeting *meeting;
	bool		taken;

	dbsync_shmem_lock(false);
	meeting = find(asked->run);
	taken = meeting != NULL && meeting->round == asked->round && meeting->state == DBSYNC_MEETING_TAKEN;
	dbsync_shmem_unlock();
	return taken;
}

bool
dbsync_meeting_stand(const DbsyncMeeting *asked, const char *snapshot, int timeout)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);

	answer(asked, DBSYNC_MEETING_STANDING, "", snapshot);
	while (is_standing(asked))
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

		if (left <= 0)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(left, LOOK_MS), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	/* from here on it cannot be taken any more */
	answer(asked, DBSYNC_MEETING_LATE, "", "");
	return was_taken(asked);
}

void
dbsync_meeting_repaired(const DbsyncMeeting *asked, int64 rows, int64 absent, bool done)
{
	DbsyncMeeting *meeting;

	dbsync_shmem_lock(true);
	meeting = find_asked(asked);
	if (meeting != NULL)
	{
		meeting->repaired += rows;
		meeting->absent += absent;
		if (done)
			meeting->state = DBSYNC_MEETING_REPAIRED;
		else
			(void) call_worker(meeting);
		if (meeting->latch != NULL)
			SetLatch(meeting->latch);
	}
	dbsync_shmem_unlock();
}
