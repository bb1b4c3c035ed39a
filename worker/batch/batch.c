/*-------------------------------------------------------------------------
 *
 * worker/batch/batch.c
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
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "extension/route.h"
#include "extension/settings.h"
#include "worker/batch/batch.h"
#include "worker/batch/choose.h"
#include "worker/batch/confirm.h"
#include "worker/batch/held.h"
#include "worker/batch/held_batch.h"
#include "worker/batch/ledger.h"
#include "worker/batch/ledger_check.h"
#include "worker/batch/meet.h"
#include "worker/batch/missing.h"
#include "worker/batch/open.h"
#include "worker/batch/quarantine.h"
#include "worker/batch/repair.h"
#include "worker/batch/retry.h"
#include "worker/batch/retry_send.h"
#include "worker/batch/send.h"
#include "worker/batch/sequences.h"
#include "worker/batch/slice.h"
#include "worker/batch/wal.h"
#include "worker/copy/connections.h"
#include "worker/copy/copy.h"
#include "worker/copy/scanning.h"
#include "worker/copy/schedule.h"
#include "worker/driver/driver.h"
#include "worker/identity.h"
#include "worker/progress.h"
#include "worker/report.h"
#include "worker/rights.h"
#include "worker/row_size.h"
#include "worker/row_types.h"
#include "worker/snapshot.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/target_table.h"
#include "worker/work.h"

#include "extension/compat.h"

/* batches of one source snapshot */
#define MAX_OF_ONE_S	100

static void
describe_batch(void *arg)
{
	DbsyncBatch *batch = arg;

	if (batch->current)
		errcontext("batch " INT64_FORMAT " of subscription \"%s\", table %s",
				   batch->number, batch->work->subscription->name, batch->current->qualified);
	else
		errcontext("batch " INT64_FORMAT " of subscription \"%s\"",
				   batch->number, batch->work->subscription->name);
}

/*
 * How far the source's WAL must be on disk before the target commits.  Rows come from
 * the cut's transactions alone when it has all that S shows, and nothing is copied.  Of tables that
 * are read from the WAL rows are read again, and S shows what nobody has told of yet.
 */
static XLogRecPtr
needed_wal(const DbsyncBatch *batch)
{
	if (!batch->caught_up || batch->cut == NULL || batch->with_chunk || batch->with_scans || batch->with_repair || batch->with_retries ||
		batch->sliced ||
		batch->work->subscription->any_from_wal)
		return dbsync_wal_end();
	return dbsync_wal_needed(batch->cut, batch->now);
}

/*
 * What the ledger will say.  The target is told before it is told the rows, and
 * commits both or none; the WAL position is known, though not flushed, since S.
 */
static void
move_ledger(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncLedger *ledger = &work->ledger;

	ledger->subscription = work->subscription->uid;
	ledger->subscription_name = work->subscription->name;
	ledger->timeline = dbsync_timeline_compat();
	ledger->lsn = needed_wal(batch);
	ledger->server_start = PgStartTime;
	ledger->batch = batch->number;
	ledger->after = dbsync_snapshot_text(batch->position.after);
	ledger->upto = batch->position.upto ? dbsync_snapshot_text(batch->position.upto) : NULL;
	ledger->closing = batch->position.closing;
	ledger->closing_xid = batch->position.closing_xid;
	ledger->checksum = dbsync_ledger_checksum(ledger);
}

static void
begin_target(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	const char *origin = dbsync_route_extend(batch->cut ? batch->cut->route : NULL,
											 dbsync_identity_own());
	int64		expected = (batch->cut ? batch->cut->rows : 0) +
		(batch->with_chunk ? dbsync_copy_chunk_rows : 0) +
		(batch->with_scans ? dbsync_scanning_expected(batch->scans) : 0);
	bool		doubted = work->send_as == DBSYNC_SEND_DOUBTED;
	int			flags = (batch->with_chunk ? DBSYNC_BATCH_CHUNK : 0) | (doubted ? DBSYNC_BATCH_DOUBTED : 0) |
		(batch->cut && batch->cut->turns > 0 ? DBSYNC_BATCH_CHANGES : 0);

	move_ledger(batch);
	dbsync_target_begin(batch->target, &work->ledger, origin, expected, flags);
	if (doubted)
		dbsync_target_doubt(batch->target, work->late);
}

static void
write_parts(DbsyncBatch *batch, DbsyncTarget *target)
{
	DbsyncWork *work = batch->work;
	List	   *parts = NIL;
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (!table->part_dirty)
			continue;
		table->part.checksum = dbsync_ledger_part_checksum(&table->part);
		table->part.relation = quote_qualified_identifier(table->target_schema, table->target_table);
		parts = lappend(parts, &table->part);
	}
	if (parts != NIL)
		dbsync_target_ledger_write_parts(target, &work->subscription->uid, parts);
}

/* What was not known as the batch began: further cuts, and how far copies have come. */
static void
write_ledger(DbsyncBatch *batch)
{
	if (batch->sliced)
	{
		move_ledger(batch);
		dbsync_target_ledger_move(batch->target, &batch->work->ledger);
	}
	if (batch->held)
		dbsync_held_batch_move(batch);
	write_parts(batch, batch->target);
	if (batch->work->stale_parts != NIL)
		dbsync_target_ledger_forget_parts(batch->target, batch->work->stale_parts);
}

/* The target must not get ahead of what the source would still have after a crash. */
static void
commit_target(DbsyncBatch *batch, DbsyncTarget *target)
{
	XLogRecPtr	lsn = batch->work->ledger.lsn;

	if (!dbsync_wal_is_flushed(lsn))
		dbsync_target_hurry(target);
	dbsync_wal_flush(lsn);
	dbsync_target_commit(target);
}

/*
 * Chunks that went over other connections at the same time.  Each is a batch of its
 * own, at the position reached: it counts only behind the one before it (DbsyncSide).
 */
static void
commit_further_chunks(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncTarget *target;
	int64		rows;

	/* what fails from here on is no fault of the table */
	work->blamed = 0;
	while ((target = dbsync_copy_next_chunk(work, batch->copying, &rows)) != NULL)
	{
		batch->number = work->ledger.batch + 1;
		move_ledger(batch);
		dbsync_target_fence(target, &work->ledger);
		write_parts(batch, target);
		dbsync_row_types_check(work);
		commit_target(batch, target);
		dbsync_copy_reach(work, batch->copying);
		batch->rows += rows;
	}
}

/* The target has it: move on here too. */
static void
pass(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	instr_time	elapsed;
	ListCell   *lc;

	foreach(lc, batch->emptied)
		((DbsyncTable *) lfirst(lc))->ties.emptied = true;
	dbsync_missing_gather(work);
	dbsync_confirm_note(work);
	if (batch->with_retries)
		dbsync_retry_done(work, batch->retries);
	dbsync_quarantine_gather(work);
	if (batch->held)
		dbsync_held_batch_pass(batch);
	else
		dbsync_ledger_set_position(work, &batch->position);
	if (batch->cut != NULL && batch->held == NULL)
	{
		if (!batch->passed)
			dbsync_window_pass(work->window, batch->cut);
		if (batch->cut->exhausts)
			dbsync_choose_finish_window(work);
	}
	work->send_as = DBSYNC_SEND_AS_USUAL;
	work->unsure = false;
	work->lock_all = false;
	work->looking_anew = 0;
	work->stale_parts = NIL;
	work->rows += batch->rows;
	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, batch->begun);
	dbsync_progress_publish();
	dbsync_report_batch(batch->rows, INSTR_TIME_GET_DOUBLE(elapsed),
						dbsync_schedule_is_put_off(work));
}

/* Progress of copies, for people; the ledger knows better. */
static void
note_tables(DbsyncBatch *batch)
{
	ListCell   *lc;

	batch->work->blamed = 0;
	dbsync_missing_note(batch->work);
	dbsync_quarantine_note(batch->work);
	if (dbsync_subscription_is_settled(batch->work->subscription))
		return;
	foreach(lc, batch->work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		/* how far scans are is no news for people */
		table->note_due |= table->part_dirty && (table->scan == NULL || table->state != DBSYNC_TABLE_LIVE);
		table->part_dirty = false;
	}
	dbsync_schedule_note_progress(batch->work);
	/* from here on the catalog says it; until it does, what we have told stays */
	if (!dbsync_schedule_note_is_due(batch->work))
		dbsync_progress_end_copy();
}

/* One by one: what the target refuses is the fault of one's copy, and the others go on. */
static void
empty_waiting(DbsyncBatch *batch)
{
	ListCell   *lc;

	foreach(lc, batch->emptied)
	{
		DbsyncTable *table = lfirst(lc);

		batch->work->blamed = table->captured_id;
		dbsync_copy_empty(batch->work, list_make1(table));
	}
	batch->work->blamed = 0;
}

bool
dbsync_batch_apply(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	ListCell   *lc;

	SPI_connect();
	dbsync_open_tables(batch);
	if (batch->again)
	{
		SPI_finish();
		return false;
	}
	begin_target(batch);
	empty_waiting(batch);
	dbsync_sequences_begin(batch);
	if (batch->cut)
		do
		{
			dbsync_sequences_note_cut(batch);
			dbsync_send_cut(batch);
		}
		while (dbsync_slice_next(batch));
	if (batch->with_chunk)
		dbsync_send_chunk(batch);
	if (batch->with_scans)
		batch->rows += dbsync_scanning_send(work, batch->scans);
	if (batch->with_repair)
		dbsync_repair_send(batch);
	if (batch->with_retries)
		dbsync_retry_send(batch);
	write_ledger(batch);
	dbsync_sequences_advance(batch);
	dbsync_row_types_check(work);
	commit_target(batch, batch->target);
	dbsync_sequences_answered(work);
	if (batch->with_scans)
		dbsync_scanning_reach(work, batch->scans, batch->asked);
	if (batch->with_chunk)
	{
		foreach(lc, dbsync_choose_copied(batch))
			dbsync_copy_reach(work, lfirst(lc));
		commit_further_chunks(batch);
	}
	SPI_finish();
	pass(batch);
	return true;
}

/*
 * Where changes of several routes alternate, a window takes several batches.
 * While a copy is under way, or tables are to be scanned, all of them belong to one S, and one more with the chunk if
 * the last of them has a route, which a chunk cannot share: or a chunk would never find
 * the target caught up.  Within reason, as S must not grow old.
 */
static bool
goes_on(const DbsyncBatch *batch, int done)
{
	return (batch->copying != NULL || batch->scans != NIL || batch->retries != NIL) && batch->fresh && !batch->with_chunk &&
		!batch->with_scans && !batch->with_retries && done < MAX_OF_ONE_S;
}

bool
dbsync_batch_run(DbsyncWork *work)
{
	DbsyncBatch batch = {0};
	ErrorContextCallback context;
	int			done = 0;

	work->caught_up = false;
	work->sending = work->repairing = 0;
	work->counts = false;
	dbsync_row_size_forget_heavy();
	batch.work = work;
	batch.target = work->target;
	context.callback = describe_batch;
	context.arg = &batch;
	context.previous = error_context_stack;
	error_context_stack = &context;

	dbsync_connections_prepare(work);
	dbsync_choose_begin(&batch);
	/* lost before S was taken: what S shows may not be for the target any more */
	batch.stale = !dbsync_rights_hold(work);
	/* who has asked meanwhile may have added a table before that, or suspended one */
	batch.stale |= work->subscription->generation != dbsync_catalog_generation();
	while (!batch.stale)
	{
		INSTR_TIME_SET_CURRENT(batch.begun);
		batch.number = work->ledger.batch + 1;
		batch.slice = dbsync_slice_first(&batch);
		if (!dbsync_choose_work(&batch))
			break;
		if (!dbsync_batch_apply(&batch))
			break;
		work->repairing = 0;
		done++;
		if (!goes_on(&batch, done) && !dbsync_meet_goes_on(&batch, done))
			break;
	}
	dbsync_meet_stand(&batch);
	dbsync_choose_end(&batch);
	dbsync_repair_note(&batch);
	work->copy_failed = work->scan_failed = false;
	error_context_stack = context.previous;

	if (batch.stale)
		dbsync_subscription_forget(work->subscription);
	/* a window that was begun earlier, or by another worker, ends before S */
	work->caught_up = batch.caught_up && !batch.past && !batch.stale && !batch.again;
	if (done == 0)
		dbsync_quarantine_note(work);
	if (done == 0)
		return batch.stale || batch.again;
	dbsync_target_table_close_surplus(work);
	note_tables(&batch);
	dbsync_sequences_note(work);
	if (dbsync_schedule_next_table(work) == NULL)
		dbsync_connections_close(work, 0);
	if (work->window == NULL && dbsync_choose_all_live(work))
		dbsync_confirm_answer_later(work, work->asked);
	return true;
}

void
dbsync_batch_write_position(DbsyncWork *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->batch_context);
	DbsyncBatch batch = {0};

	MemoryContextReset(work->batch_context);
	batch.work = work;
	batch.target = work->target;
	batch.position = work->position;
	batch.number = work->ledger.batch + 1;
	begin_target(&batch);
	write_ledger(&batch);
	dbsync_sequences_send(work);
	commit_target(&batch, batch.target);
	dbsync_confirm_note(work);
	dbsync_sequences_answered(work);
	MemoryContextSwitchTo(old);
}
