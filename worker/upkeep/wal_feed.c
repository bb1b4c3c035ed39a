/*-------------------------------------------------------------------------
 *
 * worker/upkeep/wal_feed.c
 *	  Keys of what has changed, from the WAL into the segments: capture => 'wal'.
 *
 * All tables of a database that are captured so have one replication slot.  Whichever worker has
 * some of them looks into it before it takes S, one at a time, by a lock:
 *
 *	peek at what was committed up to the WAL's end as of now, and write its keys into the segments;
 *	commit, to the disk;
 *	let the slot pass that, in a transaction of its own.
 *
 * After a crash in between the same keys are fed again: batches read the rows, so that is nothing.
 * What is committed between that end and S is in S, and its keys are not: they come next time.  So
 * wait_for() is answered for those who asked before that end was taken.
 *
 * Nobody calls us as such tables are written to: while the WAL grows we look, twice a second, and
 * spend a fifth of our time on it at most, since each look begins where the oldest open
 * transaction does.
 *
 * Where a worker has no such tables and others have, who may be stopped, it looks whether more WAL is kept than
 * dbsync.wal_keep.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "replication/slot.h"
#include "storage/standby.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/batch/wal.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/subscription.h"
#include "worker/upkeep/wal_feed.h"
#include "worker/upkeep/wal_keys.h"

/* so many messages in one transaction, unless one of them has more */
#define MANY_MESSAGES	200000

/* between two looks, in ms, and times as long as the last one took */
#define PAUSE			500
#define PAUSE_TIMES		4

/* while a window is under way, which would have to begin again, in ms */
#define WINDOW_PAUSE	10000

/*
 * Behind so much WAL the server is to write down which transactions are open: a look begins where it did that
 * last, and by itself it does so each quarter of a minute.
 */
#define SNAPSHOT_BYTES	(4 * 1024 * 1024)

/* the end of what was looked at last, when that was, and when we may look again */
static XLogRecPtr last_end = InvalidXLogRecPtr;
static TimestampTz last_at = 0;
static TimestampTz next_at = 0;
static bool failed = false;

/* when we look whether others' tables keep too much */
static TimestampTz watch_at = 0;

/* where the WAL was as the server wrote that down for us */
static XLogRecPtr last_snapshot = InvalidXLogRecPtr;

/*
 * Each look would leave four lines of the server's in its log, twice a second.  What it says with LOG
 * as we look is not for people.
 */
static bool looking = false;
static emit_log_hook_type next_hook = NULL;

/* what peeks give, row by row */
typedef struct Receiver
{
	DestReceiver pub;			/* first: it is cast */
	DbsyncWalKeys keys;
} Receiver;

/* one run of feeding */
typedef struct Feeding
{
	XLogRecPtr	upto;
	bool		more;			/* it has not come so far yet */
} Feeding;

static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * A session lets go of a slot behind an error in its main loop, which we do not have.  One that was being
 * made is gone with it.
 */
static void
let_go_of_slot(XactEvent event, void *arg)
{
	looking = false;
	if (event == XACT_EVENT_ABORT && MyReplicationSlot != NULL)
		ReplicationSlotRelease();
}

static void
say_nothing_of_looks(ErrorData *edata)
{
	if (looking && edata->elevel == LOG)
		edata->output_to_server = false;
	if (next_hook != NULL)
		next_hook(edata);
}

static void
prepare_process(void)
{
	static bool prepared = false;

	if (prepared)
		return;
	RegisterXactCallback(let_go_of_slot, NULL);
	next_hook = emit_log_hook;
	emit_log_hook = say_nothing_of_looks;
	prepared = true;
}

static void
begin(const char *activity)
{
	prepare_process();
	looking = false;
	dbsync_query_begin(false, activity);
	set_local("lock_timeout", psprintf("%d", dbsync_install_lock_timeout));
	/* the slot is saved when it likes to be: what it has passed must be on disk by then */
	set_local("synchronous_commit", "local");
}

static void
pass(void)
{
	begin("passing WAL that was read");
	looking = true;
	dbsync_query_run("SELECT dbsync_internal.advance_wal()", 0, NULL);
	looking = false;
	dbsync_query_commit();
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	DbsyncWalKeys *keys = &((Receiver *) self)->keys;
	bool		isnull[2];
	Datum		lsn = slot_getattr(slot, 1, &isnull[0]);
	Datum		data = slot_getattr(slot, 2, &isnull[1]);
	bytea	   *bytes;

	if (isnull[0] || isnull[1])
		elog(ERROR, "no message in a row of the replication slot");
	bytes = DatumGetByteaPP(data);
	dbsync_wal_keys_take(keys, DatumGetLSN(lsn), VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	if ((Pointer) bytes != DatumGetPointer(data))
		pfree(bytes);
	return true;
}

static void
start(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
finish(DestReceiver *self)
{
}

/* Each message is gone when it has been read: there may be many, and large ones. */
static void
peek(const char *slot, XLogRecPtr upto, Receiver *receiver)
{
	SPIExecuteOptions options = {0};
	char	   *sql = psprintf("SELECT p.lsn, p.data FROM pg_catalog.pg_logical_slot_peek_binary_changes(%s, '%X/%X', %d,"
							   " 'proto_version', '1', 'publication_names', %s) p",
							   quote_literal_cstr(slot), LSN_FORMAT_ARGS(upto), MANY_MESSAGES, quote_literal_cstr(slot));
	int			rc;

	receiver->pub.receiveSlot = receive;
	receiver->pub.rStartup = start;
	receiver->pub.rShutdown = finish;
	receiver->pub.rDestroy = finish;
	receiver->pub.mydest = DestNone;
	options.dest = &receiver->pub;
	looking = true;
	rc = SPI_execute_extended(sql, &options);
	looking = false;
	if (rc < 0)
		elog(ERROR, "could not read from the replication slot: %s", SPI_result_code_string(rc));
}

static void
give_up(int captured_id, const char *reason)
{
	const char *args[2];

	args[0] = psprintf("%d", captured_id);
	args[1] = reason;
	(void) dbsync_query("SELECT dbsync_internal.suspend_wal(c, $2) FROM dbsync.captured_table c"
						" WHERE c.id = $1::pg_catalog.int4 AND c.state = 'active'", 2, args);
}

/* Whose key could not be read is not tried again and again. */
static void
give_up_failed(void)
{
	int			failed_id = dbsync_wal_keys_failed();

	if (failed_id == 0)
		return;
	begin("giving up a table that is read from the WAL");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	give_up(failed_id, "a key that the WAL said of it could not be read");
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
}

/* One transaction's worth of it, in SPI. */
static void
feed_from(const char *slot, Feeding *feeding)
{
	Receiver	receiver = {0};
	const char *args[2];
	XLogRecPtr	end = feeding->upto;

	dbsync_wal_keys_begin(&receiver.keys);
	peek(slot, feeding->upto, &receiver);
	feeding->more = receiver.keys.messages >= MANY_MESSAGES && receiver.keys.end < feeding->upto;
	if (feeding->more)
		end = receiver.keys.end;
	args[0] = psprintf("%X/%X", LSN_FORMAT_ARGS(end));
	args[1] = receiver.keys.messages > 0 ? "true" : "false";
	dbsync_wal_keys_end(&receiver.keys, give_up);
	(void) dbsync_query("SELECT dbsync_internal.end_feeding($1::pg_catalog.pg_lsn, $2::pg_catalog.bool)", 2, args);
}

static void
feed(void *arg)
{
	Feeding    *feeding = arg;

	give_up_failed();
	do
	{
		char	   *slot;

		feeding->more = false;
		begin("reading keys from the WAL");
		SPI_connect();
		PushActiveSnapshot(GetTransactionSnapshot());
		(void) dbsync_query("SELECT dbsync_internal.begin_feeding()", 0, NULL);
		slot = dbsync_query_text(0, 1);
		if (slot != NULL)
			feed_from(slot, feeding);
		PopActiveSnapshot();
		SPI_finish();
		dbsync_query_commit();
		if (slot != NULL)
			pass();
	}
	while (feeding->more);
}

/*
 * The end of what is to be read.  Nothing is decoded that is not on disk, and asynchronous commits can be
 * seen before they are.
 */
static XLogRecPtr
find_end(void)
{
	XLogRecPtr	end = dbsync_wal_end();

	if (XLogLogicalInfoActive() && end - last_snapshot > SNAPSHOT_BYTES)
	{
		(void) LogStandbySnapshot();
		end = last_snapshot = dbsync_wal_end();
	}
	XLogFlush(end);
	return end;
}

static void
watch_kept(void *arg)
{
	begin("looking at the WAL that is kept");
	dbsync_query_run("SELECT dbsync_internal.watch_wal()", 0, NULL);
	dbsync_query_commit();
}

/* Of others' tables; whoever has them does it himself, if he is there. */
static void
watch(void)
{
	last_end = dbsync_wal_end();
	(void) dbsync_query_attempt(watch_kept, NULL);
	watch_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), dbsync_retention_interval);
}

static void
tell_of_lock(bool before)
{
	if (failed && !before)
		ereport(LOG,
				(errmsg("a lock is not to be had, and until it is nothing is read from the WAL for captured tables"),
				 errdetail("Somebody keeps writers out of one of them, or takes long to read for another subscription."),
				 errhint("pg_locks shows who waits. Meanwhile the server keeps its WAL, up to dbsync.wal_keep.")));
}

/* Where a lock is not to be had the other tables go on, and who waits is not answered. */
void
dbsync_wal_feed_run(DbsyncWork *work)
{
	TimestampTz begun = GetCurrentTimestamp();
	bool		before = failed;
	uint64		asked;
	Feeding		feeding = {0};

	if (!dbsync_wal_feed_is_due(work))
		return;
	if (!work->subscription->any_from_wal)
	{
		watch();
		return;
	}
	asked = dbsync_report_asked();
	feeding.upto = find_end();
	failed = true;
	next_at = TimestampTzPlusMilliseconds(begun, PAUSE);
	if (work->run != 0)
	{
		feed(&feeding);
		failed = false;
	}
	else
		failed = !dbsync_query_attempt(feed, &feeding);
	last_at = GetCurrentTimestamp();
	next_at = Max(next_at, last_at + (last_at - begun) * PAUSE_TIMES);
	tell_of_lock(before);
	if (failed)
		return;
	work->fed_asked = asked;
	last_end = feeding.upto;
}

bool
dbsync_wal_feed_is_due(const DbsyncWork *work)
{
	TimestampTz now;

	if (work->subscription == NULL || !work->subscription->any_wal_kept)
		return false;
	now = GetCurrentTimestamp();
	if (!work->subscription->any_from_wal)
		return now >= watch_at && dbsync_wal_end() != last_end;
	if (failed)
		return now >= next_at;
	if (dbsync_report_asked() > work->fed_asked)
		return true;
	if (now < next_at || (work->window != NULL && now < TimestampTzPlusMilliseconds(last_at, WINDOW_PAUSE)))
		return false;
	return dbsync_wal_end() != last_end;
}

long
dbsync_wal_feed_pause(const DbsyncWork *work)
{
	TimestampTz now;

	if (work->subscription == NULL || !work->subscription->any_wal_kept)
		return LONG_MAX;
	now = GetCurrentTimestamp();
	if (!work->subscription->any_from_wal)
		return now < watch_at ? Max(1, TimestampDifferenceMilliseconds(now, watch_at)) : dbsync_retention_interval;
	return now < next_at ? Max(1, TimestampDifferenceMilliseconds(now, next_at)) : PAUSE;
}

static bool
is_to_be_made(void)
{
	bool		answer;

	begin("preparing to read from the WAL");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) dbsync_query("SELECT dbsync_internal.prepare_wal()", 0, NULL);
	answer = dbsync_query_bool(0, 1);
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	return answer;
}

/*
 * The slot is there when all transactions that are writing now have ended.  That keeps nobody waiting but us, so
 * each attempt has more patience than the one before.
 */
void
dbsync_wal_feed_prepare(void)
{
	static int	attempts = 0;

	if (!is_to_be_made())
		return;
	begin("making a replication slot");
	set_local("lock_timeout", psprintf(INT64_FORMAT, dbsync_query_pause(dbsync_install_lock_timeout, ++attempts)));
	dbsync_query_run("SELECT dbsync_internal.create_wal_slot()", 0, NULL);
	dbsync_query_commit();
	attempts = 0;
	begin("making a replication slot");
	dbsync_query_run("SELECT dbsync_internal.begin_wal()", 0, NULL);
	dbsync_query_commit();
}
