/*-------------------------------------------------------------------------
 *
 * extension/meeting.h
 *	  Where a verify process and a subscription's worker meet.
 *
 * Both sides can be compared while they work only if both are read as of one moment.  That takes
 * two processes: the worker takes S, has the target reach it, and stands there for a moment; the
 * verify process takes over S, and begins to read the target, before the worker goes on.
 *
 *	process: ASKED		"let me in, at a position, for this table"
 *	worker:  STANDING	"the target is at S, which is called so"		or REFUSED, with a reason
 *	process: TAKEN		"I have both"									or the worker: LATE
 *
 * There are few places, in the memory that all share, each for one call of verify().  A session
 * makes one, its process enters it, and the session gives it back; of a session that has gone the
 * next one that needs a place takes it.  All functions take the lock on slots themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_MEETING_H
#define DBSYNC_EXTENSION_MEETING_H

#include "datatype/timestamp.h"
#include "storage/latch.h"
#include "utils/uuid.h"

#include "extension/shmem.h"

/* so many calls of verify() at a time, in all databases; and so many comparisons on a schedule: neither keeps the other out */
#define DBSYNC_MEETINGS_OF_A_KIND	4
#define DBSYNC_MEETINGS				(2 * DBSYNC_MEETINGS_OF_A_KIND)

/* names that the server gives to snapshots that it exports are shorter */
#define DBSYNC_SNAPSHOT_NAME	64

typedef enum DbsyncMeetingState
{
	DBSYNC_MEETING_IDLE,		/* nothing is asked for */
	DBSYNC_MEETING_ASKED,
	DBSYNC_MEETING_STANDING,
	DBSYNC_MEETING_TAKEN,
	DBSYNC_MEETING_LATE,		/* nobody came in time; or what came was not to be had */
	DBSYNC_MEETING_REFUSED,
	DBSYNC_MEETING_REPAIRED		/* what was to be repaired is */
} DbsyncMeetingState;

/* what the process asks for */
typedef enum DbsyncMeetingWish
{
	DBSYNC_WISH_COMPARE,
	DBSYNC_WISH_REPAIR,			/* rows of the table */
	DBSYNC_WISH_SEQUENCES		/* have sequences looked at anew */
} DbsyncMeetingWish;

/* what the process is told by the session */
typedef struct DbsyncVerifyOrder
{
	pg_uuid_t	uid;			/* of the run, for whoever reads about it later */
	Oid			database;
	int			subscription;
	Oid			caller;
	int			captured_id;	/* the table; 0: all of them */
	bool		repair;
	double		sample;			/* part of the buckets, above 0; 1: all of them */
	TimestampTz deadline;		/* DT_NOEND: none */
	int			max_differences;
	bool		scan;			/* of a table with capture => 'snapshot', on its schedule; then: */
	bool		may_shrink;		/* also where the source has less than half of the target's rows, */
	bool		may_differ;		/* and where nearly all rows differ */
} DbsyncVerifyOrder;

/* how far it is, for people */
typedef struct DbsyncVerifyProgress
{
	int			captured_id;	/* of the table that is being compared; 0: none */
	char		phase[32];
	TimestampTz begun;
	int			tables;
	int			tables_done;
	int64		rows;			/* of the source's that were read in this phase */
	int64		rows_expected;
	int			buckets;
	int64		differing;		/* of them */
} DbsyncVerifyProgress;

typedef struct DbsyncMeeting
{
	uint64		run;			/* 0: free */
	pid_t		pid;			/* of the process; 0: it has not come, or has gone */
	bool		ended;			/* it has gone */
	Latch	   *latch;			/* its own */
	DbsyncVerifyOrder order;

	DbsyncMeetingState state;
	DbsyncMeetingWish wish;
	uint32		round;			/* counts what was asked for */
	int			table;			/* captured id: for which table that is */
	char		snapshot[DBSYNC_SNAPSHOT_NAME];
	char		reason[DBSYNC_MESSAGE_SIZE];	/* why it is refused */
	int64		repaired;		/* rows that the worker has sent */
	int64		absent;			/* of those that the source had as they were compared, so many it had not any more */
	int64		rows_there;		/* with a wish for repair: of the target, which a source with less than half of them is not to take along; 0: it may */

	DbsyncVerifyProgress progress;

	/* what the process has ended with, and its detail in "reason"; sqlstate 0: nothing */
	int			sqlstate;
	char		message[DBSYNC_MESSAGE_SIZE];
	char		hint[DBSYNC_MESSAGE_SIZE];
} DbsyncMeeting;

/* --- for sessions --- */

typedef enum DbsyncMeetingMade
{
	DBSYNC_MEETING_MADE,
	DBSYNC_MEETING_NO_PLACE,
	DBSYNC_MEETING_BUSY			/* the subscription is being verified already */
} DbsyncMeetingMade;

extern DbsyncMeetingMade dbsync_meeting_make(uint64 run, const DbsyncVerifyOrder *order);

/* Give it back; its process has ended, or will not come in any more.  What it looked like at last is copied; run 0: it had gone. */
extern void dbsync_meeting_give_back(uint64 run, DbsyncMeeting *last);

/* Copy the i-th place, 0 <= i < DBSYNC_MEETINGS, for who only looks; false: it is free. */
extern bool dbsync_meeting_read(int i, DbsyncMeeting *copy);

/* --- for the process --- */

/* Come in; false: nobody waits for it any more.  It leaves as it exits. */
extern bool dbsync_meeting_enter(uint64 run, DbsyncVerifyOrder *order);

/*
 * Ask for a meeting, and have the worker come round: also where it waits for its policy.  One that is not there
 * yet finds what was asked for when it comes.
 */
extern void dbsync_meeting_ask(DbsyncMeetingWish wish, int captured_id, int64 rows_there);

/* Call it once more, in case that it could not; false: there is no worker.  trouble: what it has met last. */
extern bool dbsync_meeting_call(DbsyncTrouble *trouble);

/* What has come of it; reads what the worker has said. */
extern DbsyncMeetingState dbsync_meeting_look(DbsyncMeeting *copy);

/* Both are taken; false: the worker has gone on, and they are not of one moment. */
extern bool dbsync_meeting_take(void);

/* Nothing is wanted any more of what was asked for. */
extern void dbsync_meeting_drop(void);

extern void dbsync_meeting_tell(const DbsyncVerifyProgress *progress);
extern void dbsync_meeting_fail(const ErrorData *edata);

/* --- for the subscription's worker --- */

/* Does a process ask for a meeting?  Cheap where there is none. */
extern bool dbsync_meeting_is_wanted(int subscription, DbsyncMeeting *copy);

/* Is there a process at all, that may ask yet? */
extern bool dbsync_meeting_is_served(int subscription);

extern void dbsync_meeting_refuse(const DbsyncMeeting *asked, const char *reason);

/* Not this time; the process may ask again. */
extern void dbsync_meeting_put_off(const DbsyncMeeting *asked);

/* Stand at S, for so many ms at most.  True: it was taken. */
extern bool dbsync_meeting_stand(const DbsyncMeeting *asked, const char *snapshot, int timeout);

/* So many rows more were repaired, of which so many were absent; "done": those were all. */
extern void dbsync_meeting_repaired(const DbsyncMeeting *asked, int64 rows, int64 absent, bool done);

#endif							/* DBSYNC_EXTENSION_MEETING_H */
