/*-------------------------------------------------------------------------
 *
 * worker/run/snapshotting.c
 *	  Tables with capture => 'snapshot': having them compared.
 *
 * The worker starts the process that verify() would start, for one table, and goes on.  The process meets it for S, writes down the
 * keys of what differs, and has the worker send their rows, as for any other repair; then it writes down what has come of it
 * (dbsync_internal.scan), and ends.  Where it ends otherwise, whoever ended it, the table is compared again.
 *
 * Nothing of it outlives a worker, which ends its process, too: the next one has the comparison begin anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/catalog.h"
#include "extension/meeting.h"
#include "worker/copy/clocks.h"
#include "worker/copy/snapshots.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/run/launcher.h"
#include "worker/run/process.h"
#include "worker/run/snapshotting.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/text.h"

/* how often the process is looked after, and before one that could not be started is tried again, in ms */
#define LOOK_MS		500
#define LATER_MS	1000

/* a turn that does not come for so long, and for the table's interval, is an error, in microseconds */
#define TURN_AFTER	(10 * USECS_PER_SEC)

/* what is under way */
static uint64 under_way = 0;	/* the run; 0: nothing is */
static pg_uuid_t uid;
static int	captured_id;
static pg_uuid_t attachment;
static uint64 asked_before;		/* tickets that were drawn before it began */
static BackgroundWorkerHandle *handle = NULL;

/* not before, as no process was to be had; which table waits for one, since when, and what of that has been noted */
static TimestampTz later = 0;
static int	waiting_id = 0;
static TimestampTz waiting_since;
static char *waiting_for = NULL;

static bool
has_ended(void)
{
	pid_t		pid;

	return GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED;
}

long
dbsync_snapshotting_pause(const DbsyncWork *work)
{
	long		pause;

	if (work->subscription == NULL)
		return LONG_MAX;
	if (under_way != 0)
		return has_ended() ? 0 : LOOK_MS;
	if (work->for_verify)
		return LONG_MAX;
	pause = dbsync_clocks_pause(work, DBSYNC_CLOCKS_SNAPSHOT);
	if (later != 0 && pause != LONG_MAX)
		pause = Max(pause, TimestampDifferenceMilliseconds(GetCurrentTimestamp(), later));
	return pause;
}

bool
dbsync_snapshotting_is_pending(const DbsyncWork *work)
{
	if (under_way != 0 || work->subscription == NULL || work->for_verify)
		return under_way != 0;
	/* whoever has asked for this run is told when all have been compared */
	return work->run != 0 ? dbsync_clocks_pause(work, DBSYNC_CLOCKS_SNAPSHOT) < INT_MAX : dbsync_clocks_pause(work, DBSYNC_CLOCKS_SNAPSHOT) == 0;
}

/* --- the end --- */

/* As it has written it down itself; in CurrentMemoryContext.  NULL: it has not. */
static char *
read_verdict(char **note)
{
	MemoryContext context = CurrentMemoryContext;
	const char *run = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&uid)));
	char	   *verdict = NULL;

	*note = NULL;
	dbsync_query_begin(false, "reading what has come of a comparison");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (dbsync_query("SELECT c.verdict, pg_catalog.concat_ws(': ', c.note, c.words) FROM dbsync_internal.scan c WHERE c.run = $1::pg_catalog.uuid"
					 " AND c.verdict <> 'running'", 1, &run) > 0)
	{
		verdict = MemoryContextStrdup(context, dbsync_query_text(0, 1));
		if (dbsync_query_text(0, 2) != NULL)
			*note = MemoryContextStrdup(context, dbsync_query_text(0, 2));
	}
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	MemoryContextSwitchTo(context);
	return verdict;
}

/* Somebody else came first, and it is tried again soon: that is no failure. */
static bool
has_given_way(const char *verdict)
{
	return verdict != NULL && strcmp(verdict, "unfinished") == 0;
}

/* Sentences end with one stop, and not with two. */
static const char *
without_stop(const char *text)
{
	int			length = strlen(text);

	return length > 0 && text[length - 1] == '.' ? pnstrdup(text, length - 1) : text;
}

static void
fail(DbsyncWork *work, DbsyncTable *table, const char *verdict, const char *note, const DbsyncMeeting *last)
{
	/* it concerns this table alone */
	work->comparing = table->captured_id;
	/* nothing is to be expected of another attempt soon */
	if (verdict != NULL && strcmp(verdict, "different") == 0)
		table->snapshot->clock.next_at = work->scans_by_round ? DT_NOEND : GetCurrentTimestamp() + table->snapshot->clock.every;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("comparing table %s with its target came to nothing", table->qualified),
			 errdetail_internal("%s.", without_stop(note ? note : last->message[0] ? last->message : "The process that compares was ended")),
			 errhint("It is tried again, and the other tables go on. dbsync.table_status shows this, too.")));
}

static void
conclude(DbsyncWork *work)
{
	DbsyncTable *table = dbsync_subscription_table(work->subscription, captured_id);
	DbsyncMeeting last;
	char	   *verdict;
	char	   *note;

	dbsync_meeting_give_back(under_way, &last);
	under_way = 0;
	pfree(handle);
	handle = NULL;
	verdict = read_verdict(&note);
	/* taken out, or added or copied anew meanwhile */
	if (table == NULL || table->snapshot == NULL || memcmp(&table->uid, &attachment, sizeof(pg_uuid_t)) != 0)
		return;
	if (verdict != NULL && (strcmp(verdict, "equal") == 0 || strcmp(verdict, "repaired") == 0))
		dbsync_table_clock_reached(&table->snapshot->clock, asked_before, work->scans_by_round || work->run != 0);
	else if (has_given_way(verdict))
		table->snapshot->clock.retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LATER_MS);
	else
		fail(work, table, verdict, note, &last);
}

/* --- the beginning --- */

static const char *const no_slot = "no background worker slot is free";

/* In a transaction of its own, and once. */
static void
note_waiting(const DbsyncTable *table, const char *why)
{
	const char *args[2] = {DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid))), why};

	if (waiting_id != table->captured_id)
		waiting_since = GetCurrentTimestamp();
	else if (dbsync_text_is_same(waiting_for, why))
		return;
	dbsync_query_begin(false, "noting that a comparison waits");
	dbsync_query_run("SELECT dbsync_internal.scan_waits($1::pg_catalog.uuid, $2)", 2, args);
	dbsync_query_commit();
	if (waiting_for != NULL)
		pfree(waiting_for);
	waiting_for = MemoryContextStrdup(TopMemoryContext, why);
	waiting_id = table->captured_id;
}

/* True: it does not look as it did, and what is known of it is to be read again. */
static bool
refresh(DbsyncWork *work, const DbsyncTable *table)
{
	const char *args[2] = {psprintf("%d", table->captured_id), psprintf("%u", work->subscription->owner)};
	bool		other;

	dbsync_query_begin(false, "looking at a table that is to be compared");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	dbsync_snapshots_check(work, table);
	(void) dbsync_query("SELECT dbsync_internal.refresh_snapshot($1::pg_catalog.int4, $2::pg_catalog.oid)", 2, args);
	other = dbsync_query_bool(0, 1);
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	return other;
}

/* It can be compared no more: the table says why, too. */
static bool
try_refresh(DbsyncWork *work, const DbsyncTable *table)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool other = false;

	PG_TRY();
	{
		other = refresh(work, table);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		dbsync_query_reset();
		MemoryContextSwitchTo(context);
		if (!dbsync_process_is_ending())
			note_waiting(table, dbsync_report_is_plain(edata->sqlerrcode) ? edata->message
						 : psprintf("error %s", unpack_sql_state(edata->sqlerrcode)));
		MemoryContextSwitchTo(context);
		ReThrowError(edata);
	}
	PG_END_TRY();
	return other;
}

/* Was the target ever made equal, or filled by us? */
static bool
was_good(const DbsyncTable *table)
{
	const char *id = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
	bool		good;

	if (table->part.rows > 0)
		return true;
	dbsync_query_begin(false, "looking at a table that is to be compared");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	good = dbsync_query("SELECT 1 FROM dbsync_internal.scan c WHERE c.attachment = $1::pg_catalog.uuid AND c.good IS NOT NULL", 1, &id) > 0;
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	return good;
}

/* before_shmem_exit: it would wait for a worker that does not come, and a next one begins anew. */
static void
end_process(int code, Datum arg)
{
	DbsyncMeeting last;

	if (under_way == 0)
		return;
	TerminateBackgroundWorker(handle);
	/* where it has not come yet it will not, and nobody else would give its place back */
	dbsync_meeting_give_back(under_way, &last);
}

/* In words; NULL: it has begun. */
static const char *
start(DbsyncWork *work, const DbsyncTable *table, uint64 asked)
{
	static bool ends = false;
	DbsyncWorkerArgs args = {.kind = DBSYNC_JOB_VERIFY};
	DbsyncVerifyOrder order = {.sample = 1, .deadline = DT_NOEND, .max_differences = 1, .scan = true, .repair = true};
	DbsyncMeeting last;
	MemoryContext old;
	bool		started;

	order.may_differ = was_good(table);
	order.may_shrink = table->snapshot->allow_empty;
	order.uid = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	order.database = MyDatabaseId;
	order.subscription = work->subscription_id;
	order.captured_id = table->captured_id;
	order.caller = work->subscription->owner;
	args.database = MyDatabaseId;
	args.run = dbsync_shmem_next_run();
	args.owner = InvalidOid;
	switch (dbsync_meeting_make(args.run, &order))
	{
		case DBSYNC_MEETING_MADE:
			break;
		case DBSYNC_MEETING_BUSY:
			return "a process that was started before is still comparing";
		case DBSYNC_MEETING_NO_PLACE:
			return "all places for comparisons are taken, of which the server has four for all of its databases";
	}
	old = MemoryContextSwitchTo(work->context);
	started = dbsync_launcher_start_worker(work->subscription_id, &args, &handle);
	MemoryContextSwitchTo(old);
	if (!started)
	{
		dbsync_meeting_give_back(args.run, &last);
		return no_slot;
	}
	if (!ends)
		before_shmem_exit(end_process, (Datum) 0);
	ends = true;
	under_way = args.run;
	uid = order.uid;
	captured_id = table->captured_id;
	attachment = table->uid;
	asked_before = asked;
	return NULL;
}

/* A turn is waited for in silence for a while; that there is no process may be so for ever. */
static void
wait_for_turn(const DbsyncTable *table, const char *why)
{
	TimestampTz now = GetCurrentTimestamp();

	later = TimestampTzPlusMilliseconds(now, LATER_MS);
	note_waiting(table, why);
	if (why != no_slot && now - waiting_since < Max(table->snapshot->clock.every, TURN_AFTER))
		return;
	ereport(ERROR,
			/* of a SQLSTATE that concerns one table, and not the server */
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("comparing table %s with its target could not begin", table->qualified),
			 errdetail("It has been due since %s, and waits: %s.", timestamptz_to_str(waiting_since), why),
			 why == no_slot ? errhint(DBSYNC_NO_SLOT_HINT) : errhint("It is tried again. Have fewer tables compared, or less often.")));
}

bool
dbsync_snapshotting_run(DbsyncWork *work)
{
	MemoryContext old = CurrentMemoryContext;
	uint64		asked = dbsync_report_asked();
	DbsyncTable *table;
	bool		other;

	if (under_way != 0)
	{
		if (!has_ended())
			return false;
		conclude(work);
	}
	if (later > GetCurrentTimestamp() || work->for_verify)
		return false;
	table = dbsync_snapshots_due(work, asked);
	if (table == NULL)
		return false;
	work->comparing = table->captured_id;
	other = try_refresh(work, table);
	MemoryContextSwitchTo(old);
	if (!other)
	{
		const char *why = start(work, table, asked);

		if (why != NULL)
			wait_for_turn(table, why);
		else
			later = waiting_id = 0;
	}
	work->comparing = 0;
	MemoryContextSwitchTo(old);
	return other;
}
