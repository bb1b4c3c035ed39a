/*-------------------------------------------------------------------------
 *
 * worker/batch/open.c
 *	  Which of the target's tables are looked up before a batch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/batch/changes.h"
#include "worker/batch/choose.h"
#include "worker/batch/held.h"
#include "worker/batch/open.h"
#include "worker/batch/retry.h"
#include "worker/copy/reverse.h"
#include "worker/copy/scanning.h"
#include "worker/copy/schedule.h"
#include "worker/copy/snapshots.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/target_table.h"
#include "worker/work.h"

/* Can rows of the current table be completed, if they must?  They were locked as S was taken. */
static void
check_lock(DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	const DbsyncTable *table = batch->current;

	if (cut_table->marked == 0 || table->lock == DBSYNC_LOCK_HELD ||
		!dbsync_choose_completes(batch->work, table, cut_table))
		return;
	if (table->lock == DBSYNC_LOCK_NOT_HAD)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain lock on table %s", table->qualified),
				 errdetail("Values that its last changes left untouched must be read from it.")));
	/* of a table that is captured with whole rows by now nobody would know that it is to be read */
	batch->work->lock_all |= cut_table->keys > 0;
	batch->again = true;
}

/*
 * Rows that nobody has said may go: the target's keys would take them along (CASCADE), or set what leads to
 * those that are gone to null, and the table's own copy would not know that there were any.
 */
static void
check_kept(DbsyncWork *work, const DbsyncTable *table, const List *emptied)
{
	ListCell   *lc;

	foreach(lc, table->ties.children)
	{
		DbsyncTable *child = lfirst(lc);

		if (list_member_ptr(emptied, child) || child->dropped != 0)
			continue;
		/* what it has there cannot be told yet */
		if (!child->captured)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("target table \"%s.%s\" cannot be emptied before table %s is captured",
							table->target_schema, table->target_table, child->qualified)));
		dbsync_target_table_open(work, child, child->shape);
		if (dbsync_target_table_has_rows(work->target, child->handle))
			dbsync_schedule_refuse_emptying(work, table, child);
	}
}

/* Of what is emptied with a table, or before its copy. */
static void
open_all_emptied(DbsyncWork *work, const List *emptied)
{
	ListCell   *lc;

	foreach(lc, emptied)
	{
		DbsyncTable *table = lfirst(lc);

		dbsync_target_table_open(work, table, table->shape);
		check_kept(work, table, emptied);
	}
}

/* What the target refuses then is because of this table, which is held. */
static void
open_or_hold(DbsyncWork *work, DbsyncTable *table)
{
	dbsync_held_ask(work, table);
	dbsync_target_table_open(work, table, table->shape);
	dbsync_held_answered(work);
}

/* Tables without a copy that are held before their first rows: nothing but this look tells whether they still would be. */
static void
open_held(DbsyncBatch *batch)
{
	ListCell   *lc;

	foreach(lc, batch->held_with)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->copy_data || table->dropped != 0)
			continue;
		batch->current = table;
		open_or_hold(batch->work, table);
	}
}

/* Tables of which a chunk goes with the batch, and those that are emptied for it. */
static void
open_copied(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	ListCell   *lc;

	foreach(lc, dbsync_choose_copied(batch))
	{
		DbsyncTable *table = lfirst(lc);

		batch->current = table;
		work->blamed = table->captured_id;
		if (table->copy_data)
			dbsync_schedule_check_ties(work, table);
		/* it flows from here on without a copy; one that was refused before is held as soon as it does */
		if (batch->past)
		{
			if (!dbsync_held_is_due(work, table))
				open_or_hold(work, table);
			continue;
		}
		if (table->scan != NULL)
			dbsync_scanning_check(table);
		if (table->snapshot != NULL)
			dbsync_snapshots_check(work, table);
		dbsync_target_table_open(work, table, table->shape);
		dbsync_reverse_check(work, table);
		if (table->part.nkeys > 0 || dbsync_snapshots_look(work, table))
			continue;
		dbsync_target_table_check_empty(work, table);
		if (dbsync_table_empties(table))
			open_all_emptied(work, dbsync_schedule_emptied_with(work, table));
	}
}

/*
 * Tables whose rows are going to go, and whose copy waits for what they reference: old rows of
 * theirs must not keep those from getting on.
 */
static void
open_emptied(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	ListCell   *lc;

	batch->emptied = dbsync_schedule_to_empty(work, batch->copies);
	foreach(lc, batch->emptied)
	{
		DbsyncTable *table = lfirst(lc);

		batch->current = table;
		work->blamed = table->captured_id;
		dbsync_target_table_open(work, table, table->shape);
		check_kept(work, table, batch->emptied);
	}
}

/* What the target's table looks like before the batch; NULL: as behind it, or nobody knows. */
static const DbsyncTableShape *
shape_there(const DbsyncBatch *batch)
{
	const DbsyncTable *table = batch->current;

	/* what has no column of a name is passed by; or somebody has said that all is done */
	if (batch->work->subscription->ddl == DBSYNC_DDL_IGNORE || dbsync_held_is_done(table))
		return NULL;
	return dbsync_changes_shape_at_begin(batch, table->captured_id);
}

void
dbsync_open_tables(DbsyncBatch *batch)
{
	ListCell   *lc;

	if (batch->cut)
		foreach(lc, batch->cut->tables)
		{
			DbsyncCutTable *cut_table = lfirst(lc);
			const DbsyncTableShape *shape;

			batch->current = dbsync_subscription_table(batch->work->subscription,
													   cut_table->captured_id);
			shape = dbsync_read_shape(batch->work->subscription, batch->current, cut_table);
			dbsync_held_ask(batch->work, batch->current);
			/* what it becomes in the batch is looked up there, but for its types */
			if (dbsync_changes_come_first(batch, cut_table))
			{
				dbsync_target_table_follow_types(batch->work, batch->current, shape, shape_there(batch));
				dbsync_held_answered(batch->work);
				continue;
			}
			dbsync_target_table_open(batch->work, batch->current, shape);
			dbsync_held_answered(batch->work);
			check_lock(batch, cut_table);
		}
	if (batch->cut == NULL)
		open_held(batch);
	if (batch->with_retries)
		dbsync_retry_open(batch->work, batch->retries);
	if (batch->work->subscription->tied)
		open_emptied(batch);
	if (batch->with_chunk)
		open_copied(batch);
	if (batch->with_scans)
		dbsync_scanning_open(batch->work, batch->scans);
	if (batch->with_repair)
	{
		/* what differs may do so because a column has got another type, of which nobody has told */
		batch->repairing->handle = NULL;
		dbsync_target_table_open(batch->work, batch->repairing, batch->repairing->shape);
	}
	batch->current = NULL;
	batch->work->blamed = 0;
}
