/*-------------------------------------------------------------------------
 *
 * worker/batch/choose_tables.c
 *	  Which tables the next batch locks, and copies from; and its snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "worker/batch/choose.h"
#include "worker/batch/meet.h"
#include "worker/batch/retry.h"
#include "worker/copy/scanning.h"
#include "worker/copy/schedule.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/snapshot.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/table_lock.h"
#include "worker/target.h"
#include "worker/target_table.h"
#include "worker/uncopied.h"

/* before a table that was locked is looked at again, in ms */
#define LOCKED_PAUSE 1000

bool
dbsync_choose_completes(const DbsyncWork *work, const DbsyncTable *table, const DbsyncCutTable *cut_table)
{
	if (table->keys_only || (cut_table != NULL && cut_table->keys > 0))
		return true;
	/* a row of a key that is parked has to fit by itself */
	if (table->parked != NULL)
		return true;
	/* what is worked out of a row may need any of its values; and rows that are written together are staged whole */
	return work->send_as >= DBSYNC_SEND_WHOLE_ROWS || table->ties.circle ||
		(table->ties.checked && dbsync_target_table_is_followed(work->target, table->handle)) ||
		(table->selection != NULL && dbsync_selection_runs(table->selection)) ||
		!dbsync_target_table_takes_unchanged(work->target, table->handle);
}

/* Tables that may have a handle, or are read in any case: of ten thousand, those that are written to. */
static List *
find_open(DbsyncWork *work)
{
	MemoryContext old;
	ListCell   *lc;

	if (work->open_as_of == work->openings)
		return work->open;
	list_free(work->open);
	work->open = NIL;
	old = MemoryContextSwitchTo(work->context);
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		table->lock = DBSYNC_LOCK_NOT_WANTED;
		if (table->handle != NULL || table->keys_only)
			work->open = lappend(work->open, table);
	}
	MemoryContextSwitchTo(old);
	work->open_as_of = work->openings;
	return work->open;
}

/*
 * Lock the tables that rows may have to be completed from.  Whether one has to be
 * is known for those that were opened before; another will ask for a new S.
 */
static void
lock_to_complete(DbsyncWork *work)
{
	ListCell   *lc;

	/* the next time all are looked at again, and no lock is taken to be one of then */
	if (work->lock_all)
		work->openings++;
	foreach(lc, work->lock_all ? work->subscription->tables : find_open(work))
	{
		DbsyncTable *table = lfirst(lc);

		table->lock = DBSYNC_LOCK_NOT_WANTED;
		/* nothing is left out of rows that have no key */
		if (table->shape->nkeys == 0 && dbsync_target_table_is_open(table, table->shape))
			continue;
		if (dbsync_table_flows(table) && table->scan == NULL && table->snapshot == NULL &&
			(work->lock_all || table->keys_only ||
			 (table->handle != NULL && dbsync_choose_completes(work, table, NULL))))
			dbsync_completion_lock(table);
	}
}

static void
copy_later(DbsyncBatch *batch)
{
	batch->copying->copy_after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOCKED_PAUSE);
	batch->copying = NULL;
}

/*
 * A commit of its own costs a small table more than its rows do: so a batch has several, up to
 * the rows of a chunk.  Where one clashes with rows that are there it goes alone; and in run_once(),
 * which ends with the first error, so that those before it are there.
 */
static void
choose_beside(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	ListCell   *lc;

	batch->beside = NIL;
	/* until one has gone through alone */
	if (batch->copying == NULL || work->run != 0 || work->unsure || work->send_as != DBSYNC_SEND_AS_USUAL ||
		!dbsync_schedule_is_small(batch->copying))
		return;
	foreach(lc, dbsync_schedule_more_tables(work, batch->copying))
	{
		DbsyncTable *table = lfirst(lc);

		if (!dbsync_table_lock(table))
			table->copy_after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOCKED_PAUSE);
		else if (dbsync_schedule_is_small(table))
			batch->beside = lappend(batch->beside, table);
	}
}

List *
dbsync_choose_copied(const DbsyncBatch *batch)
{
	return batch->with_chunk ? list_concat_copy(batch->copies, batch->beside) : NIL;
}

/*
 * A table that somebody has locked is copied later; others go on.  One without a copy begins to flow alone, whatever circle of
 * keys it is in: nothing is read for it, and a chunk of another table would not be as of where such a batch ends.
 */
static void
choose_copies(DbsyncBatch *batch)
{
	ListCell   *lc;

	batch->copies = NIL;
	if (batch->copying == NULL)
		return;
	if (batch->past)
	{
		batch->copies = list_make1(batch->copying);
		return;
	}
	batch->copies = dbsync_schedule_with(batch->work, batch->copying);
	foreach(lc, batch->copies)
	{
		if (batch->copying && !dbsync_table_lock(lfirst(lc)))
			copy_later(batch);
	}
}

/* Lock what will be read, then take the snapshot: never the other way round. */
void
dbsync_choose_begin(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncMeeting asked;
	ListCell   *lc;

	MemoryContext old = MemoryContextSwitchTo(work->batch_context);
	DbsyncSnapshot *start;

	MemoryContextReset(work->batch_context);
	batch->copying = batch->held ? NULL : dbsync_uncopied_next(work, &start);
	batch->past = batch->copying != NULL;
	MemoryContextSwitchTo(old);
	batch->asked = batch->past ? 0 : dbsync_report_asked();
	/* who has asked since keys were read from the WAL may have written what is not among them */
	if (work->subscription->any_from_wal)
		batch->asked = Min(batch->asked, work->fed_asked);
	work->mark.taken = false;
	if (!batch->past && batch->held == NULL && !dbsync_meeting_is_wanted(work->subscription_id, &asked))
	{
		/* before S, in a transaction of its own */
		dbsync_scanning_look(work, batch->asked);
		batch->copying = dbsync_schedule_next_table(work);
		/* where its scans will begin is known before the first chunk; or it comes next time */
		if (batch->copying != NULL && batch->copying->scan != NULL && batch->copying->part.nkeys == 0 && !work->mark.taken)
			batch->copying = NULL;
	}
	dbsync_query_begin(true, "applying");

	MemoryContextSwitchTo(work->batch_context);
	choose_copies(batch);
	if (!batch->past)
		choose_beside(batch);
	dbsync_meet_begin(batch);
	batch->scans = batch->past || batch->held || batch->meeting ? NIL : dbsync_scanning_lock(work, batch->asked);
	lock_to_complete(work);
	batch->retries = batch->past || batch->held || batch->meeting ? NIL : dbsync_retry_lock(work);
	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(lc, batch->copies)
	{
		if (batch->copying && !batch->past && !dbsync_table_lock_is_of_now(lfirst(lc)))
			copy_later(batch);
	}
	if (batch->copying == NULL)
		batch->beside = NIL;
	dbsync_meet_check(batch);
	batch->now = batch->past ? start : dbsync_snapshot_from(GetActiveSnapshot());
}

void
dbsync_choose_end(DbsyncBatch *batch)
{
	if (batch->cut != NULL)
		dbsync_cut_free(batch->cut);	/* one that was not sent */
	dbsync_retry_unlock(batch->retries);
	batch->retries = NIL;
	PopActiveSnapshot();
	dbsync_query_commit();
	MemoryContextSwitchTo(batch->work->context);
}
