/*-------------------------------------------------------------------------
 *
 * worker/batch/catch_up.c
 *	  Holding a table, and letting it catch up.
 *
 * What a crash leaves behind, of whomever:
 *
 *	before a hold is committed		nothing: the refusal comes again, and so does the hold
 *	behind it						the ledger says it; the note in the source's catalog is
 *									made as it is read, before any segment is emptied
 *	between two cuts of a catch-up	the part has the position of the last one
 *	behind the release				the ledger says it; the note goes when it is read
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/uuid.h"

#include "extension/catalog.h"
#include "extension/settings.h"
#include "worker/batch/batch.h"
#include "worker/batch/catch_up.h"
#include "worker/batch/choose.h"
#include "worker/batch/held.h"
#include "worker/batch/held_batch.h"
#include "worker/batch/held_group.h"
#include "worker/batch/missing.h"
#include "worker/batch/held_note.h"
#include "worker/batch/held_tied.h"
#include "worker/batch/quarantine.h"
#include "worker/driver/driver.h"
#include "worker/rights.h"
#include "worker/row_size.h"
#include "worker/subscription.h"
#include "worker/table.h"

/* the table that is to be held, unless somebody has taken it out or copies it anew; or NULL */
static DbsyncTable *
find_due(DbsyncWork *work)
{
	DbsyncTable *table = dbsync_subscription_table(work->subscription, work->hold_due);

	if (table == NULL || !dbsync_held_is_due(work, table) || (!table->part_found && !table->part.live) ||
		table->state == DBSYNC_TABLE_SUSPENDED || dbsync_table_is_held(table))
		return NULL;
	return table;
}

/* One without a copy has no position before its subscription has come to where it begins. */
static bool
is_early(const DbsyncTable *table)
{
	return table != NULL && !table->copy_data && !table->part.live && table->start != NULL && table->state != DBSYNC_TABLE_SUSPENDED;
}

static void
hold(DbsyncWork *work)
{
	DbsyncTable *table = find_due(work);

	if (is_early(dbsync_subscription_table(work->subscription, work->hold_due)))
		return;
	if (table != NULL)
	{
		dbsync_held_set_position(work, table, &work->position);
		dbsync_batch_write_position(work);
		table->part_dirty = false;
		table->hold.note_due = true;
		/* from now on: connecting anew may have taken longer than the pause */
		dbsync_held_try_later(table);
		ereport(WARNING,
				(errmsg("table %s of subscription \"%s\" is held: %s", table->qualified,
						work->subscription->name, table->hold.reason),
				 table->hold.action ? errhint("%s", table->hold.action) : 0));
	}
	work->hold_due = 0;
}

void
dbsync_catch_up_see_to(DbsyncWork *work)
{
	if (work->hold_due != 0)
		hold(work);
	if (work->subscription->tied)
		dbsync_held_take_along(work);
	(void) dbsync_held_note(work);
}

static void
describe(void *arg)
{
	DbsyncBatch *batch = arg;

	errcontext("batch " INT64_FORMAT " of subscription \"%s\", for table %s, which is held", batch->number,
			   batch->work->subscription->name, batch->held->qualified);
}

/* False: nothing has gone to the target. */
static bool
run(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	bool		applied = false;

	dbsync_choose_begin(batch);
	batch->held_with = dbsync_held_group(work, batch->held);
	batch->stale = !dbsync_rights_hold(work) ||
		work->subscription->generation != dbsync_catalog_generation();
	INSTR_TIME_SET_CURRENT(batch->begun);
	batch->number = work->ledger.batch + 1;
	batch->slice = dbsync_batch_rows;
	if (!batch->stale && dbsync_held_batch_choose(batch))
		applied = dbsync_batch_apply(batch);
	dbsync_choose_end(batch);
	if (batch->stale)
		dbsync_subscription_forget(work->subscription);
	if (!applied)
		dbsync_held_end_window(work);
	return applied;
}

bool
dbsync_catch_up_run(DbsyncWork *work)
{
	DbsyncBatch batch = {0};
	ErrorContextCallback context;

	/* the others come first then, whatever the pause: each attempt ends a connection */
	if (work->held_failed)
	{
		work->held_failed = false;
		return false;
	}
	batch.held = dbsync_held_next(work);
	if (batch.held == NULL)
		return false;
	batch.work = work;
	batch.target = work->target;
	context.callback = describe;
	context.arg = &batch;
	context.previous = error_context_stack;
	error_context_stack = &context;

	work->catching = batch.held->captured_id;
	work->sending = 0;
	work->counts = false;
	dbsync_row_size_forget_heavy();
	work->others_send_as = work->send_as;
	work->send_as = work->held_send_as;
	if (run(&batch))
	{
		work->held_send_as = DBSYNC_SEND_AS_USUAL;
		dbsync_missing_note(work);
		dbsync_quarantine_note(work);
	}
	work->send_as = work->others_send_as;
	work->catching = 0;
	error_context_stack = context.previous;
	return true;
}
