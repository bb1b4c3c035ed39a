/*-------------------------------------------------------------------------
 *
 * worker/batch/slice.c
 *	  A batch's slices: how large its cuts are, and whether it takes another.
 *
 * A batch of many rows begins with a small cut and takes further ones, as long as they go on
 * from where the last one ended and fit in: so the target merges the one while the next is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/memutils.h"

#include "extension/route.h"
#include "extension/settings.h"
#include "worker/batch/choose.h"
#include "worker/batch/slice.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/target_table.h"
#include "worker/work.h"

/*
 * A batch's first cut is so small a part of dbsync.batch_rows, but not below so many
 * rows, that the target soon has something to do; each further one is so many times
 * as large as the one before: every cut costs some folding, and statements.
 */
#define FIRST_SLICE_PART	20
#define FIRST_SLICE_MIN		1000
#define SLICE_GROWS			4

/* a cut of which folding leaves less than this is better folded in one */
#define SLICE_KEEPS		0.9

/* Rows that are read from their tables are of S, and those of a cut that ends before it are not. */
static bool
reads_tables(const DbsyncBatch *batch)
{
	ListCell   *lc;

	if (batch->cut == NULL)
		return batch->work->subscription->any_keys_only;
	foreach(lc, batch->cut->tables)
	{
		if (((DbsyncCutTable *) lfirst(lc))->keys > 0)
			return true;
	}
	return false;
}

/*
 * Chunks are of S, which the last cut reaches or not; a held table's window is another; and
 * a batch that is not sent as usual has had enough surprises.
 */
static bool
may_be_sliced(const DbsyncBatch *batch)
{
	return batch->copying == NULL && batch->held == NULL && batch->work->send_as == DBSYNC_SEND_AS_USUAL &&
		(batch->cut == NULL || batch->cut->turns == 0) && !reads_tables(batch);
}

int64
dbsync_slice_first(const DbsyncBatch *batch)
{
	int64		slice = Max(dbsync_batch_rows / FIRST_SLICE_PART, FIRST_SLICE_MIN);

	/*
	 * A row that is read again may reference one that comes behind the cut, or have its unique value, which is not
	 * taken from others' rows: so none comes behind it, if that can be.
	 */
	if ((batch->work->subscription->tied && reads_tables(batch)) || batch->work->subscription->any_keys_kept)
		return PG_INT64_MAX;
	return may_be_sliced(batch) ? Min(slice, dbsync_batch_rows) : dbsync_batch_rows;
}

/*
 * Does folding leave so little, or does so much of a table seem to change, that the
 * rest is better taken at once?  The rest is taken to be like this cut.
 */
static bool
is_better_whole(const DbsyncBatch *batch)
{
	int64		rest = dbsync_window_lag(batch->work->window).rows;
	ListCell   *lc;

	if (batch->rows < batch->taken * SLICE_KEEPS)
		return true;
	foreach(lc, batch->cut->tables)
	{
		const DbsyncCutTable *cut_table = lfirst(lc);
		DbsyncTable *table = dbsync_subscription_table(batch->work->subscription,
													   cut_table->captured_id);
		double		part = (double) dbsync_cut_table_rows(cut_table) / batch->cut->rows;

		if (dbsync_target_table_wants_replace(batch->target, table->handle, (int64) (rest * part)))
			return true;
	}
	return false;
}

/*
 * Can it go into the batch that is open?  It must have come the same way; its tables
 * must have been looked up, which takes a transaction of its own; and rows that need
 * completing want a lock from before S.
 */
static bool
fits(const DbsyncBatch *batch, const DbsyncCut *cut)
{
	ListCell   *lc;

	if (cut->turns > 0 || (cut->rows > 0 && !dbsync_route_same(cut->route, batch->cut->route)))
		return false;
	foreach(lc, cut->tables)
	{
		DbsyncCutTable *cut_table = lfirst(lc);
		DbsyncTable *table = dbsync_subscription_table(batch->work->subscription,
													   cut_table->captured_id);

		if (!dbsync_target_table_is_open(table, dbsync_read_shape(batch->work->subscription,
																  table, cut_table)) ||
			(cut_table->marked > 0 && dbsync_choose_completes(batch->work, table, cut_table)))
			return false;
	}
	return dbsync_choose_lock_segments(batch, cut);
}

bool
dbsync_slice_next(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	MemoryContext old;
	DbsyncCut  *cut;

	if (!may_be_sliced(batch) || batch->cut->exhausts ||
		batch->cut->rows < batch->slice || batch->taken >= dbsync_batch_rows)
		return false;
	dbsync_window_pass(work->window, batch->cut);
	batch->slice = Min(is_better_whole(batch) ? dbsync_batch_rows : batch->slice * SLICE_GROWS,
					   dbsync_batch_rows - batch->taken);
	/* as the first one, it outlives what its rows are read in */
	old = MemoryContextSwitchTo(work->batch_context);
	cut = dbsync_choose_next_cut(batch);
	MemoryContextSwitchTo(old);

	/* what does not fit in is found again by the next round */
	batch->passed = (cut == NULL || batch->stale || !fits(batch, cut) || cut->rows == 0);
	if (batch->passed)
	{
		if (cut != NULL)
			dbsync_cut_free(cut);
		return false;
	}
	batch->cut = cut;
	batch->taken += cut->rows;
	batch->sliced = true;
	batch->position = dbsync_choose_position_behind(work, cut);
	batch->caught_up = batch->fresh && cut->exhausts;
	return true;
}
