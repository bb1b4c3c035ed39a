/*-------------------------------------------------------------------------
 *
 * worker/copy/scanning.c
 *	  Scans of tables that are read by a column of their own.
 *
 * A scan is like a chunk of a first copy with another WHERE: rows of the table as of S that the column
 * says were written at "low" or later, sent as upserts in the transaction of the batch that reaches S.  The next
 * "low" goes to the ledger in that very transaction.
 *
 * A plain "later than the latest that I have" would lose what was written by a transaction that was open
 * then and commits later, with an earlier time.  So "low" is the start of the oldest transaction that was
 * open before S was taken: all that S does not show was written after that.  The order is what it rests on:
 * sessions first, then prepared transactions, then S (dbsync_internal.scan_mark()).  What remains is the time between a statement's
 * arrival, which now() tells, and its being shown: "overlap" covers that, and clocks of others.
 *
 * The first copy goes by the key.  Its low is that of before its first S, so the first scan brings what was changed
 * behind it meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/catcher.h"
#include "worker/copy/chunk.h"
#include "worker/copy/clocks.h"
#include "worker/copy/reverse.h"
#include "worker/copy/scanning.h"
#include "worker/driver/driver.h"
#include "worker/query.h"
#include "worker/relay.h"
#include "worker/source/timestamp.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/table_lock.h"
#include "worker/target.h"
#include "worker/target_table.h"

/* so many rows are counted before they are sent; more are many */
#define MANY_ROWS		2000

/* before a table that somebody has locked is tried again, in ms */
#define LOCKED_PAUSE	1000

static bool
is_due(const DbsyncTable *table, uint64 asked, TimestampTz now)
{
	return dbsync_clocks_of(table, DBSYNC_CLOCKS_SCAN) != NULL && table->part.live && dbsync_table_clock_due(&table->scan->clock, asked) <= now;
}

/* Its first copy is to begin, and needs to know from when on scans are to look. */
static bool
is_to_begin(const DbsyncTable *table, TimestampTz now)
{
	return dbsync_clocks_of(table, DBSYNC_CLOCKS_SCAN) != NULL && !table->part.live && table->part.nkeys == 0 && table->copy_after <= now;
}

/* A table of them, or NULL. */
static DbsyncTable *
needs_mark(const DbsyncWork *work, uint64 asked)
{
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (is_due(table, asked, now) || is_to_begin(table, now))
			return table;
	}
	return NULL;
}

static TimestampTz
moment(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	if (isnull)
		elog(ERROR, "no start of open transactions");
	return DatumGetTimestampTz(value);
}

void
dbsync_scanning_look(DbsyncWork *work, uint64 asked)
{
	const char *owner = psprintf("%u", work->subscription->owner);
	DbsyncTable *table;
	ListCell   *lc;

	/* one futile look after the other would leave the others no batch */
	if (work->scan_failed || !work->subscription->any_scanned ||
		(table = needs_mark(work, asked)) == NULL)
		return;
	work->blamed = table->captured_id;
	dbsync_query_begin(false, "looking at open transactions");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) dbsync_query("SELECT m.seen, m.low, m.unsure FROM dbsync_internal.scan_mark($1::pg_catalog.oid) m", 1, &owner);
	work->mark.seen = moment(1);
	work->mark.low = moment(2);
	work->mark.sure = dbsync_query_text(0, 3) == NULL;
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	work->mark.taken = true;
	work->blamed = 0;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *each = lfirst(lc);

		if (each->scan != NULL)
			each->scan->mark = &work->mark;
	}
}

List *
dbsync_scanning_lock(DbsyncWork *work, uint64 asked)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *tables = NIL;
	ListCell   *lc;

	if (!work->mark.taken)
		return NIL;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (!is_due(table, asked, now))
			continue;
		if (dbsync_table_lock(table))
			tables = lappend(tables, table);
		else
			table->scan->clock.retry_at = TimestampTzPlusMilliseconds(now, LOCKED_PAUSE);
	}
	return tables;
}

/*
 * From when on it is read now.  If the clock is behind what it was at the last scan, it was set back, and what has
 * been written since can have any time.
 */
static TimestampTz
begins_at(const DbsyncWork *work, const DbsyncTable *table)
{
	TimestampTz low = dbsync_table_scan_low(&table->part);

	if (work->mark.seen < dbsync_table_scan_seen(&table->part))
		return DT_NOBEGIN;
	return TIMESTAMP_IS_NOBEGIN(low) ? low : low - table->scan->overlap;
}

static void
tell_of_clock(const DbsyncWork *work, const DbsyncTable *table)
{
	if (work->mark.seen < dbsync_table_scan_seen(&table->part))
		ereport(LOG,
				(errmsg("the clock has been set back since table %s was scanned last: all of it is sent", table->qualified),
				 errdetail("Subscription \"%s\": what has been written since can have any time in column \"%s\".",
						   work->subscription->name, table->scan->column)));
}

void
dbsync_scanning_check(const DbsyncTable *table)
{
	if (dbsync_reverse_applies(table->qualified))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s cannot be scanned: a subscription of dbsync applies into it", table->qualified),
				 errdetail("A scan cannot tell who wrote a row, so what comes from elsewhere would go back, as older over newer."),
				 errhint("Take the table out of one of the two subscriptions with dbsync.remove_table().")));
	if (table->ties.checked)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table %s cannot be scanned, as the target checks foreign keys of it", table->qualified),
				 errdetail("A scan sees no deletes, and its rows come when those that they belong to may not be there."),
				 errhint("Drop the foreign keys on the target, let its user set session_replication_role, or use capture => 'trigger'.")));
}

static int64
count_rows(DbsyncWork *work, DbsyncTable *table)
{
	DbsyncOwner saved;
	int64		n;

	dbsync_chunk_begin_reading(&saved, table, work->subscription->owner);
	n = dbsync_timestamp_count(table, begins_at(work, table), work->mark.seen, MANY_ROWS);
	dbsync_owner_end(&saved);
	if (n < 0)
		return table->scan->expected;
	return n < MANY_ROWS ? n : Max(table->scan->expected, dbsync_copy_chunk_rows);
}

void
dbsync_scanning_open(DbsyncWork *work, List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		DbsyncTable *table = lfirst(lc);

		work->blamed = table->captured_id;
		dbsync_scanning_check(table);
		dbsync_target_table_open(work, table, table->shape);
		table->scan->expected = count_rows(work, table);
	}
	work->blamed = 0;
}

int64
dbsync_scanning_expected(const List *tables)
{
	int64		rows = 0;
	ListCell   *lc;

	foreach(lc, tables)
		rows += ((const DbsyncTable *) lfirst(lc))->scan->expected;
	return rows;
}

/* A row that the filter is not true of may be there from before: it goes. */
static int64
send_rows(DbsyncWork *work, DbsyncTable *table, DbsyncRowsMode mode, DbsyncRelayWhat what)
{
	DbsyncTarget *target = work->target;
	DbsyncRelay *relay = dbsync_relay_create(target, table->handle, table, table->shape, what);
	DbsyncOwner saved;
	int64		rows;

	if (mode != DBSYNC_ROWS_DELETE && mode != DBSYNC_ROWS_APPEND)
		dbsync_relay_delete_filtered(relay);
	if (mode == DBSYNC_ROWS_DOUBTED)
		dbsync_relay_send_text(relay);
	dbsync_relay_catch_parked(relay);
	dbsync_target_rows_begin(target, table->handle, mode, table->scan->expected, "sending rows");
	dbsync_chunk_begin_reading(&saved, table, work->subscription->owner);
	dbsync_timestamp_read(table, begins_at(work, table), work->mark.seen, what, relay);
	dbsync_owner_end(&saved);
	if (!dbsync_relay_result(relay, &rows) || !dbsync_target_try_rows_end(target))
		dbsync_target_raise(target, "sending rows");
	dbsync_catcher_send(target, table);
	return rows;
}

static int64
send_table(DbsyncWork *work, DbsyncTable *table)
{
	bool		replaces = work->send_as == DBSYNC_SEND_REPLACE_ALL ||
		dbsync_target_table_wants_replace(work->target, table->handle, table->scan->expected);
	/* of a key that is parked it could not be said whether its row is to go */
	bool		doubts = work->send_as == DBSYNC_SEND_DOUBTED || (replaces && table->parked != NULL);
	int64		rows;

	if (replaces && !doubts)
		(void) send_rows(work, table, DBSYNC_ROWS_DELETE, DBSYNC_RELAY_KEYS);
	rows = send_rows(work, table, doubts ? DBSYNC_ROWS_DOUBTED : replaces ? DBSYNC_ROWS_APPEND : DBSYNC_ROWS_MERGE, DBSYNC_RELAY_ROWS);
	table->scan->expected = rows;
	return rows;
}

int64
dbsync_scanning_send(DbsyncWork *work, List *tables)
{
	int64		rows = 0;
	ListCell   *lc;

	foreach(lc, tables)
	{
		DbsyncTable *table = lfirst(lc);
		DbsyncLedgerPart part;

		work->blamed = work->sending = table->captured_id;
		tell_of_clock(work, table);
		rows += send_table(work, table);
		part = table->part;
		dbsync_table_scan_put(&part, NULL, 0, work->mark.sure ? work->mark.low : dbsync_table_scan_low(&part),
							  work->mark.seen);
		dbsync_table_set_part(table, &part);
		table->part_dirty = true;
	}
	work->sending = 0;
	/* what is refused from here on may be of any of them */
	if (list_length(tables) > 1)
		work->blamed = 0;
	return rows;
}

void
dbsync_scanning_reach(DbsyncWork *work, List *tables, uint64 asked)
{
	ListCell   *lc;

	work->blamed = 0;
	foreach(lc, tables)
		dbsync_table_clock_reached(&((DbsyncTable *) lfirst(lc))->scan->clock, asked, work->scans_by_round);
}

/* A copy that goes on keeps the moments of its beginning. */
void
dbsync_scanning_mark(const DbsyncTable *table, DbsyncLedgerPart *part, bool complete)
{
	const DbsyncLedgerPart *before = &table->part;
	const DbsyncScanMark *mark = table->scan->mark;
	char	  **key = part->boundary;
	int			nkeys = complete ? 0 : table->shape->nkeys;

	if (before->nkeys > 0)
		dbsync_table_scan_put(part, key, nkeys, dbsync_table_scan_low(before), dbsync_table_scan_seen(before));
	else if (mark == NULL || !mark->taken)
		elog(ERROR, "the first copy of table %s began before open transactions were looked at", table->qualified);
	else
		dbsync_table_scan_put(part, key, nkeys, mark->sure ? mark->low : DT_NOBEGIN, mark->seen);
}
