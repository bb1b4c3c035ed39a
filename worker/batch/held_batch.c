/*-------------------------------------------------------------------------
 *
 * worker/batch/held_batch.c
 *	  Batches that are for one held table alone: what they carry, and what then is said of it.
 *
 * Such a batch is a cut of the table's own window, which leads from where the table is to
 * where the subscription is, or first to the end of the window in which it was held.  The
 * table's row in the ledger moves in the batch's transaction; the subscription's does not,
 * but for the batch number, by which the fence knows other workers.
 *
 * The last one lets the table go: it is where its subscription is then, which must not be in
 * the middle of a window.  Of that window the table would lack what lies behind its own
 * position and before the closing LSN that the others have reached.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "extension/catalog.h"
#include "worker/batch/choose.h"
#include "worker/batch/held.h"
#include "worker/batch/held_batch.h"
#include "worker/position.h"
#include "worker/snapshot.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/work.h"

static void
begin_window(DbsyncBatch *batch, const DbsyncPosition *position)
{
	DbsyncWork *work = batch->work;

	if (work->held_window != NULL && work->held_window_of != batch->held->captured_id)
		dbsync_held_end_window(work);
	if (work->held_window != NULL)
		return;
	work->held_window = dbsync_window_begin(work->context, position, work->position.after,
											dbsync_catalog_header_segments(GetActiveSnapshot()));
	work->held_window_of = batch->held->captured_id;
}

/*
 * Pass over what is not the table's.  Its part is not moved for that: if this comes to
 * nothing, the window is begun anew from where the part says.
 */
static void
choose_cut(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncPosition position = dbsync_held_position(batch->held);

	for (;;)
	{
		begin_window(batch, &position);
		batch->cut = dbsync_choose_next_cut(batch);
		if (batch->stale)
			return;
		position = dbsync_choose_behind(&position, work->held_window, batch->cut);
		/* the window's end may be gone before the batch is through */
		position.after = dbsync_snapshot_copy(position.after);
		batch->released = position.upto == NULL &&
			dbsync_snapshot_covers(position.after, work->position.after);
		if (dbsync_choose_carries(batch->cut) || batch->released)
			break;
		if (batch->cut != NULL && !batch->cut->exhausts)
			dbsync_window_pass(work->held_window, batch->cut);
		else
			dbsync_held_end_window(work);
	}
	if (!dbsync_choose_carries(batch->cut))
		batch->cut = NULL;
	batch->held_behind = position;
}

bool
dbsync_held_batch_choose(DbsyncBatch *batch)
{
	batch->cut = NULL;
	batch->caught_up = batch->with_chunk = false;
	batch->rows = 0;
	batch->sliced = batch->passed = false;
	batch->position = batch->work->position;
	choose_cut(batch);
	batch->taken = batch->cut ? batch->cut->rows : 0;
	if (!batch->stale)
		batch->stale = !dbsync_choose_lock_segments(batch, batch->cut);
	return !batch->stale;
}

void
dbsync_held_batch_move(DbsyncBatch *batch)
{
	ListCell   *lc;

	foreach(lc, batch->held_with)
		dbsync_held_set_position(batch->work, lfirst(lc), batch->released ? NULL : &batch->held_behind);
}

static void
let_go(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	ListCell   *lc;

	/* nothing has been passed of it, but its cuts are put together without the table */
	if (work->window != NULL)
		dbsync_window_end(work->window);
	work->window = NULL;
	foreach(lc, batch->held_with)
		ereport(LOG,
				(errmsg("table %s of subscription \"%s\" is not held any more",
						((DbsyncTable *) lfirst(lc))->qualified, work->subscription->name)));
}

void
dbsync_held_batch_pass(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	ListCell   *lc;

	foreach(lc, batch->held_with)
	{
		DbsyncTable *table = lfirst(lc);

		table->part_dirty = false;
		table->hold.failures = 0;
	}
	if (batch->cut == NULL || batch->cut->exhausts || batch->released)
		dbsync_held_end_window(work);
	else
		dbsync_window_pass(work->held_window, batch->cut);
	if (batch->released)
		let_go(batch);
}
