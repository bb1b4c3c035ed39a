/*-------------------------------------------------------------------------
 *
 * worker/batch/held.c
 *	  Tables that stand still at a position of their own: which, why, and until when.
 *
 * An error ends the connection, and so all that was under way in the batch: that a table is
 * to be held is only noted here.  It is done over the next connection, whose ledger says
 * where the subscription is: just before the cut that could not be applied.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/batch/held.h"
#include "worker/batch/held_group.h"
#include "worker/driver/driver.h"
#include "worker/position.h"
#include "worker/query.h"
#include "worker/row_describe.h"
#include "worker/snapshot.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/text.h"

/* first pause before a held table is tried again, in ms */
#define RETRY_MIN		1000

/* so many times in a row somebody's lock is in the way before the table is held for it */
#define LOCKED_ATTEMPTS	3

void
dbsync_held_ask(DbsyncWork *work, const DbsyncTable *table)
{
	work->asking = table->captured_id;
}

void
dbsync_held_answered(DbsyncWork *work)
{
	work->asking = 0;
}

/*
 * A batch was for one table alone: does what ended it not go for the connection, the ledger,
 * or our own session?
 */
static bool
is_the_tables(const DbsyncWork *work, const ErrorData *edata)
{
	int			class = ERRCODE_TO_CATEGORY(edata->sqlerrcode);

	if (dbsync_target_has_fault(work->target))
		return !dbsync_target_fault_is(work->target, DBSYNC_FAULT_LOST) &&
			!dbsync_target_fault_is(work->target, DBSYNC_FAULT_UNAVAILABLE) &&
			!dbsync_target_fault_is(work->target, DBSYNC_FAULT_LEDGER_MOVED);
	return class != ERRCODE_CONNECTION_EXCEPTION && class != ERRCODE_OPERATOR_INTERVENTION &&
		class != ERRCODE_INSUFFICIENT_RESOURCES;
}

/* Is a refusal over this connection, or an error of ours, one of the table that it was asked about? */
static bool
is_refusal(const DbsyncWork *work, DbsyncTable *table, const ErrorData *edata)
{
	if (!dbsync_target_has_fault(work->target))
		return is_the_tables(work, edata);
	if (dbsync_target_fault_is(work->target, DBSYNC_FAULT_LOCKED))
		return ++table->hold.failures >= LOCKED_ATTEMPTS;
	return dbsync_target_fault_is(work->target, DBSYNC_FAULT_REFUSED) ||
		dbsync_target_fault_is(work->target, DBSYNC_FAULT_TOO_MANY) ||
		dbsync_target_fault_is(work->target, DBSYNC_FAULT_CLASH) ||
		dbsync_target_fault_is(work->target, DBSYNC_FAULT_CHANGE_DUE);
}

static bool
set_text(DbsyncTable *table, char **field, const char *text)
{
	char	   *before = *field;

	if (dbsync_text_is_same(before, text))
		return false;
	*field = text ? MemoryContextStrdup(GetMemoryChunkContext(table), text) : NULL;
	if (before != NULL)
		pfree(before);
	return true;
}

/* A statement behind which somebody has to say that he has run it. */
static const char *
with_word(const DbsyncWork *work, const DbsyncTable *table, const char *statement)
{
	return psprintf("%s -- looking cannot tell whether it was run: then SELECT dbsync.resume_table(%s, %s, done => true) at the source",
					statement, quote_literal_cstr(work->subscription->name), quote_literal_cstr(table->qualified));
}

/* What people are told; edata is the target's refusal, or an error of our own. */
static void
set_reason(const DbsyncWork *work, DbsyncTable *table, const ErrorData *edata)
{
	const char *reason = psprintf("%s (SQLSTATE %s)%s%s", edata->message,
								  unpack_sql_state(edata->sqlerrcode),
								  edata->detail ? ": " : "", edata->detail ? edata->detail : "");
	const char *statement = dbsync_target_has_fault(work->target) ? work->target->fault.statement : NULL;
	bool		news = set_text(table, &table->hold.reason, reason);

	if (statement != NULL && table->hold.blind && work->target->fault.kind == DBSYNC_FAULT_CHANGE_DUE)
		statement = with_word(work, table, statement);
	table->hold.blind = false;
	news |= set_text(table, &table->hold.action, statement ? statement : edata->hint);
	table->hold.note_due |= news;
}

void
dbsync_held_try_later(DbsyncTable *table)
{
	table->hold.failures++;
	table->hold.retry_at =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									dbsync_query_pause(RETRY_MIN, table->hold.failures));
}

void
dbsync_held_say(DbsyncTable *table, const char *reason, const char *action)
{
	bool		news = set_text(table, &table->hold.reason, reason);

	news |= set_text(table, &table->hold.action, action);
	table->hold.note_due |= news;
}

/* None that catches up with it before the pause is over. */
static void
try_group_later(DbsyncWork *work, DbsyncTable *table)
{
	ListCell   *lc;

	foreach(lc, dbsync_held_group(work, table))
		dbsync_held_try_later(lfirst(lc));
}

/* Rows that cannot be completed from a table that is another by now never will be. */
static bool
is_beyond_completion(const DbsyncWork *work, const ErrorData *edata)
{
	return work->completing != 0 && !dbsync_target_has_fault(work->target) &&
		edata->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
}

/* The table that the target says has become one of other types; 0: it says no such thing. */
static int
retyped_table(const DbsyncWork *work)
{
	ListCell   *lc;

	if (!dbsync_target_has_fault(work->target) || work->target->fault.table == NULL)
		return 0;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		/* one whose first copy has not begun is put off, as for all else */
		if (table->handle == work->target->fault.table)
			return table->part_found || table->state == DBSYNC_TABLE_LIVE || table->state == DBSYNC_TABLE_INDEXING ? table->captured_id : 0;
	}
	return 0;
}

/*
 * Is it another table's rows that were refused, and not what the target was asked of this one?  They go ahead
 * of that in one pipeline, and answers come when somebody waits for one.
 */
static bool
is_of_another(const DbsyncWork *work)
{
	ListCell   *lc;

	if (!dbsync_target_has_fault(work->target) || work->target->fault.rows_of == NULL)
		return false;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		if (table->handle == work->target->fault.rows_of)
			return table->captured_id != work->asking;
	}
	return false;
}

/* The table whose columns or filter were being worked out when it failed; 0: none. */
static int
selecting_table(DbsyncWork *work)
{
	int			id = 0;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->selection == NULL || !table->selection->running)
			continue;
		table->selection->running = false;
		/* one whose first copy has not begun is put off, as for all else */
		if (table->part_found || table->state == DBSYNC_TABLE_LIVE || table->state == DBSYNC_TABLE_INDEXING)
			id = table->captured_id;
	}
	return id;
}

/* The table that has a row with a value for which the target has no room; 0: none. */
static int
unfit_table(DbsyncWork *work, const ErrorData *edata)
{
	int			id = dbsync_row_take_unfit();
	const DbsyncTable *table = id ? dbsync_subscription_table(work->subscription, id) : NULL;

	/* one whose first copy has not begun is put off, as for all else */
	if (table == NULL || dbsync_target_has_fault(work->target) || ERRCODE_TO_CATEGORY(edata->sqlerrcode) != ERRCODE_DATA_EXCEPTION ||
		!(table->part_found || table->state == DBSYNC_TABLE_LIVE || table->state == DBSYNC_TABLE_INDEXING))
		return 0;
	return id;
}

/*
 * Types may have changed at the source since the table was looked up at the target: then the next
 * look says what is missing there, or makes it, and it is not what the target has refused.
 */
static bool
is_worth_a_look(DbsyncWork *work)
{
	int			id = work->asking || work->catching || work->completing ? 0 : retyped_table(work);

	if (id == work->looking_anew)
		id = 0;
	work->looking_anew = id;
	return id != 0;
}

/* Of the tables that catch up together, the one that has been asked about; else the one that leads. */
static int
catching_table(const DbsyncWork *work)
{
	const DbsyncTable *table = work->asking ? dbsync_subscription_table(work->subscription, work->asking) : NULL;

	return table != NULL && dbsync_table_is_held(table) ? work->asking : work->catching;
}

bool
dbsync_held_judge(DbsyncWork *work, const ErrorData *edata)
{
	bool		catching = work->catching != 0;
	int			selecting;
	int			unfit;
	int			id;
	DbsyncTable *table;

	/* the configuration could not be read */
	if (work->subscription == NULL)
		return false;
	selecting = selecting_table(work);
	unfit = unfit_table(work, edata);
	if (work->asking && is_of_another(work))
		work->asking = 0;
	id = catching ? catching_table(work)
		: is_beyond_completion(work, edata) ? work->completing
		: work->asking ? work->asking : work->refused ? work->refused : selecting ? selecting : unfit ? unfit : retyped_table(work);
	table = id ? dbsync_subscription_table(work->subscription, id) : NULL;
	/* what is scanned has no place in the log to stand still at */
	if (table != NULL && (table->scan != NULL || table->snapshot != NULL))
		table = NULL;
	if (is_worth_a_look(work))
		return true;
	work->catching = work->asking = work->refused = 0;
	if (table == NULL || !(catching ? is_the_tables(work, edata) : is_refusal(work, table, edata)))
		return false;
	set_reason(work, table, edata);
	if (catching)
	{
		try_group_later(work, table);
		work->held_failed = true;
	}
	else
	{
		/* moves over, whatever is read of the configuration before it is done */
		table->hold.note_due = true;
		table->hold.failures = 0;
		work->hold_due = id;
		work->hold_uid = table->uid;
	}
	return true;
}

bool
dbsync_held_is_due(const DbsyncWork *work, const DbsyncTable *table)
{
	return work->hold_due == table->captured_id && memcmp(&work->hold_uid, &table->uid, sizeof(pg_uuid_t)) == 0;
}

DbsyncSendAs *
dbsync_held_send_as(DbsyncWork *work)
{
	if (work->catching == 0)
		return &work->send_as;
	work->send_as = work->others_send_as;
	return &work->held_send_as;
}

/*
 * Is it where its subscription is, which has not looked yet at what is behind?  It was held for
 * the very next that comes, and would be again: so the others pass that first.
 */
static bool
is_level(const DbsyncWork *work, const DbsyncTable *table)
{
	return !work->caught_up &&
		dbsync_snapshot_covers(dbsync_snapshot_parse(table->part.after), work->position.after);
}

DbsyncTable *
dbsync_held_next(const DbsyncWork *work)
{
	DbsyncTable *next = NULL;
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	/* what it may reach is all that the others have: not in the middle of a window */
	if (work->position.upto != NULL || dbsync_subscription_is_settled(work->subscription))
		return NULL;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (!dbsync_table_is_held(table) || table->ties.blocked || table->hold.retry_at > now || is_level(work, table))
			continue;
		/* one that has begun comes first */
		if (work->held_window != NULL && work->held_window_of == table->captured_id)
			return table;
		if (next == NULL || table->hold.retry_at < next->hold.retry_at)
			next = table;
	}
	return next;
}

bool
dbsync_held_is_done(const DbsyncTable *table)
{
	return dbsync_table_is_held(table) && table->hold.done && table->hold.noted != NULL &&
		table->hold.mark == table->part.checksum;
}

bool
dbsync_held_lacks_note(const DbsyncTable *table)
{
	if (table->state == DBSYNC_TABLE_SUSPENDED)
		return false;
	return dbsync_table_is_held(table) ? table->hold.noted == NULL || table->hold.note_due
		: table->hold.noted != NULL;
}

bool
dbsync_held_is_under_way(const DbsyncTable *table)
{
	return dbsync_held_lacks_note(table) ||
		(dbsync_table_is_held(table) && !table->ties.blocked && table->hold.retry_at <= GetCurrentTimestamp());
}

bool
dbsync_held_is_any_under_way(const DbsyncWork *work)
{
	return dbsync_held_pause(work) == 0;
}

long
dbsync_held_pause(const DbsyncWork *work)
{
	long		pause = LONG_MAX;
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return LONG_MAX;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		if (dbsync_held_is_under_way(table))
			return 0;
		if (dbsync_table_is_held(table) && !table->ties.blocked)
			pause = Min(pause, TimestampDifferenceMilliseconds(now, table->hold.retry_at));
	}
	return pause;
}

DbsyncPosition
dbsync_held_position(const DbsyncTable *table)
{
	DbsyncPosition position;

	position.after = dbsync_snapshot_parse(table->part.after);
	position.upto = table->part.upto ? dbsync_snapshot_parse(table->part.upto) : NULL;
	position.closing = table->part.closing;
	position.closing_xid = table->part.closing_xid;
	return position;
}

void
dbsync_held_set_position(DbsyncWork *work, DbsyncTable *table, const DbsyncPosition *position)
{
	DbsyncLedgerPart part = table->part;

	part.after = position ? dbsync_snapshot_text(position->after) : NULL;
	part.upto = position && position->upto ? dbsync_snapshot_text(position->upto) : NULL;
	part.closing = position ? position->closing : InvalidXLogRecPtr;
	part.closing_xid = position ? position->closing_xid : 0;
	dbsync_table_set_part(table, &part);
	table->part_dirty = true;
	work->subscription->settled = false;
}

void
dbsync_held_end_window(DbsyncWork *work)
{
	if (work->held_window != NULL)
		dbsync_window_end(work->held_window);
	work->held_window = NULL;
	work->held_window_of = 0;
}
