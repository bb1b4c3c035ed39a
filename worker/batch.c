/*-------------------------------------------------------------------------
 *
 * worker/batch.c
 *	  The life of a batch: a window, or a piece of one, in one target
 *	  transaction.  Read dbsync_batch_run() first; the rest is its steps.
 *
 * While a table's first copy is under way the batch also carries its next
 * chunk: rows of the table itself as of the very snapshot S that the window
 * before it reaches.  So what is copied is always exactly the state at the
 * position, and windows need to be applied to the copied part only.
 *
 * What a crash leaves behind, of worker or source:
 *
 *	before the target's COMMIT	the target rolls back; nothing has happened
 *	during the target's COMMIT	unknown; the next worker asks the ledger
 *	after the target's COMMIT	the ledger has the new position; progress notes in
 *								the source's catalog are behind and made up for
 *
 * of the target: either both data and ledger row are there, or neither.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "extension/settings.h"
#include "worker/plan.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/work.h"

#include "extension/compat.h"

typedef struct Batch
{
	DbsyncWork *work;
	DbsyncTarget *target;
	DbsyncTable *copying;		/* locked and to be copied from, or NULL */
	DbsyncCut  *cut;			/* NULL: nothing but a chunk or a note */
	DbsyncSnapshot *now;		/* S: the transaction's own snapshot */
	DbsyncPosition position;	/* where the target will be */
	bool		caught_up;		/* the batch reaches S */
	bool		with_chunk;
	int64		rows;
	List	   *parts;			/* of DbsyncLedgerPart to be written */
	DbsyncTable *current;		/* for the error context */
	uint64		asked;			/* tickets handed out before S was taken */
	bool		stale;			/* S shows more than the configuration read */
	instr_time	begun;
} Batch;

static void
describe_batch(void *arg)
{
	Batch	   *batch = arg;

	if (batch->current)
		errcontext("batch " INT64_FORMAT " of subscription \"%s\", table %s",
				   batch->work->ledger.batch + 1,
				   batch->work->subscription->name, batch->current->qualified);
	else
		errcontext("batch " INT64_FORMAT " of subscription \"%s\"",
				   batch->work->ledger.batch + 1, batch->work->subscription->name);
}

/* Lock what will be read, then take the snapshot: never the other way round. */
static void
begin_source(Batch *batch)
{
	DbsyncWork *work = batch->work;

	batch->copying = dbsync_copy_next_table(work);
	batch->asked = dbsync_report_asked();
	dbsync_query_begin(true, "applying");

	/* a table that somebody has locked is copied later; others go on */
	if (batch->copying &&
		!ConditionalLockRelationOid(batch->copying->relid, AccessShareLock))
		batch->copying = NULL;
	MemoryContextReset(work->batch_context);
	MemoryContextSwitchTo(work->batch_context);
	PushActiveSnapshot(GetTransactionSnapshot());
	batch->now = dbsync_snapshot_from(GetActiveSnapshot());
}

static void
end_source(Batch *batch)
{
	PopActiveSnapshot();
	dbsync_query_commit();
	MemoryContextSwitchTo(batch->work->context);
}

static bool
segment_exists(int segment_id)
{
	const char *id = psprintf("%d", segment_id);
	bool		exists;

	SPI_connect();
	exists = dbsync_query("SELECT 1 FROM dbsync.segment WHERE id = $1::pg_catalog.int4",
						  1, &id) > 0;
	SPI_finish();
	return exists;
}

/*
 * A segment that we do not know was made a moment ago, or is gone for good:
 * with capture of the table taken off, or with its columns changed while it was
 * suspended.  Rows in the latter are no loss, the table is copied anew.
 */
static bool
wants_table(int captured_id, int segment_id, void *arg)
{
	Batch	   *batch = arg;
	DbsyncTable *table = dbsync_subscription_table(batch->work->subscription, captured_id);

	if (table == NULL || !dbsync_table_flows(table))
		return false;
	if (dbsync_subscription_segment(batch->work->subscription, segment_id) != NULL)
		return true;
	batch->stale |= segment_exists(segment_id);
	return false;
}

static DbsyncCut *
next_cut(Batch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncCutRequest request;

	request.wants = wants_table;
	request.arg = batch;
	request.skip_origin = work->target_origin;
	request.max_rows = dbsync_batch_rows;
	request.ledger_lsn = work->ledger.lsn;
	request.ledger_start = work->ledger.server_start;
	return dbsync_window_next(work->window, &request);
}

/* where a target is that has the cut; with NULL, all of the window */
static DbsyncPosition
position_behind(DbsyncWork *work, const DbsyncCut *cut)
{
	DbsyncPosition position = work->position;
	DbsyncSnapshot *upto = unconstify(DbsyncSnapshot *, dbsync_window_upto(work->window));

	if (cut == NULL || cut->exhausts)
	{
		position.after = upto;
		position.upto = NULL;
	}
	else
	{
		position.upto = upto;
		position.closing = cut->closing;
		position.closing_xid = cut->closing_xid;
	}
	return position;
}

static bool
all_live(DbsyncWork *work)
{
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->state != DBSYNC_TABLE_SUSPENDED &&
			(!table->part.live || table->part_dirty))
			return false;
	}
	return true;
}

/* The window is used up: the position is its end, and waiters are answered. */
static void
finish_window(DbsyncWork *work)
{
	DbsyncWindowLag none = {0};

	dbsync_window_end(work->window);
	work->window = NULL;
	dbsync_report_lag(&none, work->position.after);
	if (all_live(work))
		dbsync_report_answer(work->asked);
}

/*
 * Find the next cut that has rows for us.  Others are passed without a word to
 * the target: the ledger's position stays behind and is true all the same.
 * Returns with batch->cut set, or with none and the position at S.
 */
static void
choose_cut(Batch *batch)
{
	DbsyncWork *work = batch->work;

	for (;;)
	{
		bool		fresh = (work->window == NULL);
		DbsyncPosition position;

		if (fresh)
		{
			work->window = dbsync_window_begin(work->context, &work->position, batch->now,
											   dbsync_catalog_header_segments(GetActiveSnapshot()));
			/* one that is resumed from the ledger ends before S */
			fresh = (work->position.upto == NULL);
			work->asked = fresh ? batch->asked : 0;
			(void) dbsync_window_is_empty(work->window);
		}
		else
			fresh = false;

		batch->cut = next_cut(batch);
		if (batch->stale)
			return;
		batch->position = position_behind(work, batch->cut);
		if (batch->cut != NULL && batch->cut->rows > 0)
		{
			DbsyncWindowLag lag = dbsync_window_lag(work->window);

			dbsync_report_lag(&lag, work->position.after);
			batch->caught_up = fresh && batch->cut->exhausts;
			return;
		}

		/* nothing of ours in it */
		position = batch->position;
		dbsync_ledger_set_position(work, &position);
		if (batch->cut != NULL && !batch->cut->exhausts)
		{
			dbsync_window_pass(work->window, batch->cut);
			continue;
		}
		finish_window(work);
		batch->cut = NULL;
		if (fresh)
		{
			batch->caught_up = true;
			batch->position = work->position;
			return;
		}
	}
}

static bool
any_part_dirty(DbsyncWork *work)
{
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
		if (((DbsyncTable *) lfirst(lc))->part_dirty)
			return true;
	return false;
}

/*
 * Keep the cut's segments from being emptied or dropped while they are read.
 * Capture may be taken off a table at any moment: then what was chosen is void.
 */
static bool
lock_segments(Batch *batch)
{
	ListCell   *lc;
	ListCell   *ls;

	if (batch->cut == NULL)
		return true;
	foreach(lc, batch->cut->tables)
		foreach(ls, ((DbsyncCutTable *) lfirst(lc))->segments)
	{
		DbsyncCutSegment *cut = lfirst(ls);
		DbsyncSegmentInfo *segment =
			dbsync_subscription_segment(batch->work->subscription, cut->segment_id);

		LockRelationOid(segment->relid, AccessShareLock);
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(segment->relid)))
			return false;
	}
	return true;
}

/* Is there anything to tell the target? */
static bool
choose_work(Batch *batch)
{
	choose_cut(batch);
	if (!batch->stale)
		batch->stale = !lock_segments(batch);
	if (batch->stale)
		return false;

	/* a chunk is of S, and of this database's own making */
	batch->with_chunk = batch->copying != NULL && batch->caught_up &&
		(batch->cut == NULL || batch->cut->origin == NULL);
	return batch->cut != NULL || batch->with_chunk || any_part_dirty(batch->work);
}

static void
open_tables(Batch *batch)
{
	ListCell   *lc;

	if (batch->cut)
		foreach(lc, batch->cut->tables)
		{
			DbsyncCutTable *cut = lfirst(lc);

			batch->current = dbsync_subscription_table(batch->work->subscription,
													   cut->captured_id);
			dbsync_copy_open_table(batch->work, batch->current);
		}
	if (batch->with_chunk)
	{
		batch->current = batch->copying;
		batch->work->blamed = batch->copying->captured_id;
		dbsync_copy_open_table(batch->work, batch->copying);
		if (batch->copying->part.nkeys == 0)
			dbsync_copy_check_target(batch->work, batch->copying);
	}
	batch->current = NULL;
	batch->work->blamed = 0;
}

static void
begin_target(Batch *batch)
{
	DbsyncWork *work = batch->work;
	const char *origin = batch->cut && batch->cut->origin
		? batch->cut->origin : dbsync_ledger_own_origin();
	int64		expected = (batch->cut ? batch->cut->rows : 0) +
		(batch->with_chunk ? dbsync_copy_chunk_rows : 0);
	int			flags = (batch->with_chunk ? DBSYNC_BATCH_CHUNK : 0) |
		(work->careful ? DBSYNC_BATCH_CAREFUL : 0);

	if (!batch->target->driver->begin(batch->target, &work->subscription->uid,
									  work->ledger.batch, origin, expected, flags))
		dbsync_fault_raise(batch->target, "beginning a batch");
}

/*
 * Tables that were truncated in the cut are emptied together, first; of their
 * rows only those behind the last TRUNCATE are read.
 */
static void
truncate_tables(Batch *batch, DbsyncPlace *places)
{
	DbsyncTargetTable **handles = palloc(sizeof(void *) * list_length(batch->cut->tables));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, batch->cut->tables)
	{
		DbsyncCutTable *cut = lfirst(lc);
		DbsyncTable *table = dbsync_subscription_table(batch->work->subscription,
													   cut->captured_id);

		if (cut->truncates > 0 &&
			dbsync_plan_last_truncate(batch->work->subscription, table, cut,
									  &places[foreach_current_index(lc)]))
			handles[n++] = table->handle;
	}
	if (n > 0 && !batch->target->driver->truncate(batch->target, handles, n))
		dbsync_fault_raise(batch->target, "truncating tables");
}

/* One table's rows: folded, unless no key can be in them twice. */
static void
send_table(Batch *batch, DbsyncCutTable *cut, const DbsyncPlace *place)
{
	DbsyncWork *work = batch->work;
	DbsyncTarget *target = batch->target;
	DbsyncTable *table = dbsync_subscription_table(work->subscription, cut->captured_id);
	int64		rows = cut->inserts + cut->updates + cut->deletes + cut->resolved;
	bool		append = table->part.live && !work->careful &&
		cut->truncates == 0 && rows == cut->inserts;
	DbsyncRelay *relay = dbsync_relay_create(target, table, true);
	int64		sent;

	batch->current = table;
	if (!target->driver->rows_begin(target, table->handle,
									append ? DBSYNC_ROWS_APPEND : DBSYNC_ROWS_MERGE, rows))
		dbsync_fault_raise(target, "sending rows");
	dbsync_plan_read_cut(work->subscription, table, cut, !append && rows > 1,
						 cut->truncates > 0 ? place : NULL, relay);
	if (!dbsync_relay_result(relay, &sent) || !target->driver->rows_end(target))
		dbsync_fault_raise(target, "sending rows");
	batch->rows += sent;
	batch->current = NULL;
}

static void
send_cut(Batch *batch)
{
	DbsyncPlace *places = palloc0(sizeof(DbsyncPlace) * list_length(batch->cut->tables));
	ListCell   *lc;

	truncate_tables(batch, places);
	foreach(lc, batch->cut->tables)
		send_table(batch, lfirst(lc), &places[foreach_current_index(lc)]);
}

static void
send_chunk(Batch *batch)
{
	batch->current = batch->copying;
	batch->work->blamed = batch->copying->captured_id;
	batch->rows += dbsync_copy_send_chunk(batch->work, batch->copying);
	batch->current = NULL;
}

static void
write_ledger(Batch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncLedger *ledger = &work->ledger;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->part_dirty)
			batch->parts = lappend(batch->parts, &table->part);
	}
	ledger->subscription = work->subscription->uid;
	ledger->subscription_name = work->subscription->name;
	ledger->timeline = dbsync_timeline_compat();
	ledger->lsn = dbsync_ledger_flush_source();
	ledger->server_start = PgStartTime;
	ledger->batch++;
	ledger->after = dbsync_snapshot_text(batch->position.after);
	ledger->upto = batch->position.upto ? dbsync_snapshot_text(batch->position.upto) : NULL;
	ledger->closing = batch->position.closing;
	ledger->closing_xid = batch->position.closing_xid;
	if (!batch->target->driver->ledger_write(batch->target, ledger, batch->parts))
		dbsync_fault_raise(batch->target, "writing the ledger");
}

static void
commit_target(Batch *batch)
{
	if (!batch->target->driver->commit(batch->target))
		dbsync_fault_raise(batch->target, "committing a batch");
}

/* The target has it: move on here too. */
static void
pass(Batch *batch)
{
	DbsyncWork *work = batch->work;
	instr_time	elapsed;

	dbsync_ledger_set_position(work, &batch->position);
	if (batch->cut != NULL)
	{
		dbsync_window_pass(work->window, batch->cut);
		if (batch->cut->exhausts)
			finish_window(work);
	}
	work->careful = false;
	work->rows += batch->rows;
	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, batch->begun);
	dbsync_report_batch(batch->rows, INSTR_TIME_GET_DOUBLE(elapsed),
						dbsync_copy_is_put_off(work));
}

/* Progress of copies, for people; the ledger knows better. */
static void
note_tables(Batch *batch)
{
	ListCell   *lc;

	batch->work->blamed = 0;
	foreach(lc, batch->work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		table->note_due |= table->part_dirty;
		table->part_dirty = false;
	}
	dbsync_copy_note_progress(batch->work);
}

bool
dbsync_batch_run(DbsyncWork *work)
{
	Batch		batch = {0};
	ErrorContextCallback context;

	batch.work = work;
	batch.target = work->target;
	INSTR_TIME_SET_CURRENT(batch.begun);
	context.callback = describe_batch;
	context.arg = &batch;
	context.previous = error_context_stack;
	error_context_stack = &context;

	begin_source(&batch);
	if (!choose_work(&batch))
	{
		end_source(&batch);
		error_context_stack = context.previous;
		if (batch.stale)
			dbsync_subscription_forget(work->subscription);
		return batch.stale;
	}
	SPI_connect();
	open_tables(&batch);
	begin_target(&batch);
	if (batch.cut)
		send_cut(&batch);
	if (batch.with_chunk)
		send_chunk(&batch);
	write_ledger(&batch);
	commit_target(&batch);
	SPI_finish();
	pass(&batch);
	end_source(&batch);
	note_tables(&batch);
	if (work->window == NULL && all_live(work))
		dbsync_report_answer(work->asked);

	error_context_stack = context.previous;
	return true;
}

void
dbsync_batch_write_position(DbsyncWork *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->batch_context);
	Batch		batch = {0};

	MemoryContextReset(work->batch_context);
	batch.work = work;
	batch.target = work->target;
	batch.position = work->position;
	begin_target(&batch);
	write_ledger(&batch);
	commit_target(&batch);
	MemoryContextSwitchTo(old);
}
