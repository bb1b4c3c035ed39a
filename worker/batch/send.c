/*-------------------------------------------------------------------------
 *
 * worker/batch/send.c
 *	  Which rows of a batch go to the target, and in which mode.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "extension/settings.h"
#include "worker/batch/changes.h"
#include "worker/batch/held.h"
#include "worker/batch/send.h"
#include "worker/copy/copy.h"
#include "worker/driver/driver.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/target_table.h"
#include "worker/work.h"

/*
 * Tables that were truncated in the cut are emptied together, first; of their
 * rows only those behind the last TRUNCATE are read.
 */
static void
truncate_tables(DbsyncBatch *batch, List *cut_tables, int64 *places)
{
	DbsyncTargetTable **handles = palloc(sizeof(void *) * list_length(cut_tables));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, cut_tables)
	{
		DbsyncCutTable *cut_table = lfirst(lc);
		DbsyncTable *table = dbsync_subscription_table(batch->work->subscription,
													   cut_table->captured_id);

		if (cut_table->truncates > 0 && (table->operations & DBSYNC_SENDS_TRUNCATE) &&
			dbsync_read_last_truncate(batch->work->subscription, table, batch->cut, cut_table,
									  &places[foreach_current_index(lc)]))
			handles[n++] = table->handle;
	}
	if (n > 0)
		dbsync_target_truncate(batch->target, handles, n, "truncating tables");
}

static int64
send_rows(DbsyncBatch *batch, const DbsyncCutTable *cut_table, DbsyncRowsMode mode,
		  const DbsyncReadCut *how)
{
	DbsyncTarget *target = batch->target;
	DbsyncTable *table = batch->current;
	const DbsyncTableShape *shape = dbsync_read_shape(batch->work->subscription, table, cut_table);
	DbsyncRelay *relay = dbsync_relay_create(target, table->handle, table, shape, how->what);
	int64		sent;

	if (mode == DBSYNC_ROWS_MERGE)
		dbsync_relay_delete_filtered(relay);
	dbsync_target_rows_begin(target, table->handle, mode,
							 dbsync_cut_table_rows(cut_table), "sending rows");
	dbsync_read_cut(batch->work->subscription, table, batch->cut, cut_table, how, relay);
	if (!dbsync_relay_result(relay, &sent) || !dbsync_target_try_rows_end(target))
		dbsync_target_raise(target, "sending rows");
	return sent;
}

/* Of the cut's rows those that the subscription sends. */
static DbsyncCutTable
count_sent(const DbsyncTable *table, const DbsyncCutTable *cut_table)
{
	DbsyncCutTable sent = *cut_table;

	if (!(table->operations & DBSYNC_SENDS_INSERT))
		sent.inserts = 0;
	if (!(table->operations & DBSYNC_SENDS_UPDATE))
		sent.updates = sent.marked = 0;
	if (!(table->operations & DBSYNC_SENDS_DELETE))
		sent.deletes = 0;
	if (!(table->operations & DBSYNC_SENDS_TRUNCATE))
		sent.truncates = 0;
	if (!(table->operations & (DBSYNC_SENDS_INSERT | DBSYNC_SENDS_UPDATE)))
		sent.resolved = 0;
	return sent;
}

/*
 * Of a table without a key.  As its rows cannot be told apart, none is sent in another way
 * because rows have clashed.
 */
static void
send_keyless(DbsyncBatch *batch, const DbsyncCutTable *cut_table, int64 after, int64 before)
{
	int64		rows = dbsync_cut_table_rows(cut_table);
	DbsyncReadCut changes = {.what = DBSYNC_RELAY_CHANGES};

	changes.after = after;
	changes.before = before;
	changes.fold = rows > cut_table->inserts;
	batch->work->counts |= changes.fold;
	batch->rows += send_rows(batch, cut_table, changes.fold ? DBSYNC_ROWS_COUNT : DBSYNC_ROWS_APPEND, &changes);
}

/* Is every row of the cut to be deleted and inserted, rather than updated? */
static bool
is_to_be_replaced(const DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	return batch->work->send_as == DBSYNC_SEND_REPLACE_ALL ||
		dbsync_target_table_wants_replace(batch->target, batch->current->handle,
										  dbsync_cut_table_rows(cut_table));
}

/*
 * One table's rows, those between two places (0: from the beginning, to the end).  Inserts
 * alone go straight in; deletes need but their keys; else each key's last state is merged, or
 * takes the place of what is there, which a row with untouched columns cannot.
 */
static void
send_table(DbsyncBatch *batch, DbsyncCutTable *cut_table, int64 after, int64 before)
{
	DbsyncWork *work = batch->work;
	DbsyncTable *table = dbsync_subscription_table(work->subscription, cut_table->captured_id);
	const DbsyncCutTable sent = count_sent(table, cut_table);
	int64		rows = dbsync_cut_table_rows(&sent);
	DbsyncReadCut keys = {.what = DBSYNC_RELAY_KEYS};
	DbsyncReadCut changes = {.what = DBSYNC_RELAY_CHANGES};

	if (rows == 0)
		return;
	batch->current = table;
	work->sending = table->captured_id;
	changes.marks = sent.marked > 0;
	changes.complete = changes.marks && dbsync_choose_completes(work, table);
	work->completing = changes.complete ? table->captured_id : 0;
	keys.after = changes.after = after;
	keys.before = changes.before = before;
	changes.fold = !dbsync_cut_table_is_distinct(cut_table);
	if (dbsync_read_shape(work->subscription, table, cut_table)->nkeys == 0)
		send_keyless(batch, cut_table, after, before);
	else if (table->part.live && work->send_as < DBSYNC_SEND_REPLACE_ALL &&
		cut_table->truncates == 0 && rows == sent.inserts && table->operations == DBSYNC_SENDS_ALL)
	{
		changes.fold = false;
		batch->rows += send_rows(batch, cut_table, DBSYNC_ROWS_APPEND, &changes);
	}
	else if (rows == sent.deletes)
		batch->rows += send_rows(batch, cut_table, DBSYNC_ROWS_DELETE, &keys);
	else if (changes.marks && !changes.complete)
		batch->rows += send_rows(batch, cut_table, DBSYNC_ROWS_PATCH, &changes);
	else if (is_to_be_replaced(batch, cut_table))
	{
		(void) send_rows(batch, cut_table, DBSYNC_ROWS_DELETE, &keys);
		changes.what = DBSYNC_RELAY_REMAINING;
		batch->rows += send_rows(batch, cut_table, DBSYNC_ROWS_APPEND, &changes);
	}
	else
		batch->rows += send_rows(batch, cut_table, DBSYNC_ROWS_MERGE, &changes);
	work->sending = work->completing = table->oversized = 0;
	batch->current = NULL;
}

/* A partition was emptied, or has left and is to leave the target's table, too. */
static void
delete_gone(DbsyncBatch *batch, DbsyncTable *table, const DbsyncTableShape *shape, const DbsyncGone *gone)
{
	DbsyncWork *work = batch->work;
	DbsyncTableSpec spec = dbsync_target_table_spec(table, shape);

	batch->current = table;
	dbsync_held_ask(work, table);
	if (!dbsync_target_deletes_where(batch->target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" cannot delete the rows of a partition", work->subscription->target),
				 errhint("Copy the table anew with dbsync.copy_table().")));
	if (table->selection != NULL && dbsync_selection_is_renamed(table->selection, shape))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rows of a partition of table %s cannot be found at the target by the partition's bound", table->qualified),
				 errdetail("The bound goes by the names that columns have here, and columns that were chosen have had others since."),
				 errhint("Choose them anew, by the names that they have now, which copies the table anew: SELECT dbsync.alter_table(..., %s, columns => ...).",
						 quote_literal_cstr(table->qualified))));
	if (!dbsync_target_try_delete_where(batch->target, table->handle, &spec, gone->bound))
		dbsync_target_raise(batch->target, "deleting the rows of a partition");
	dbsync_held_answered(work);
	batch->current = NULL;
}

/* Rows before a partition went, its going, and those behind it. */
static void
send_around_gone(DbsyncBatch *batch, DbsyncCutTable *cut_table, int64 place)
{
	DbsyncTable *table = dbsync_subscription_table(batch->work->subscription, cut_table->captured_id);
	bool		has_rows = dbsync_cut_table_rows(cut_table) > 0;
	ListCell   *lc;

	foreach(lc, cut_table->gone)
	{
		const DbsyncGone *gone = lfirst(lc);

		if (gone->place <= place || gone->bound == NULL ||
			(gone->left ? !batch->work->subscription->deletes_left : !(table->operations & DBSYNC_SENDS_TRUNCATE)))
			continue;
		if (has_rows)
			send_table(batch, cut_table, place, gone->place);
		delete_gone(batch, table, dbsync_read_shape(batch->work->subscription, table, cut_table), gone);
		place = gone->place;
	}
	if (has_rows)
		send_table(batch, cut_table, place, 0);
}

/*
 * Shape by shape: tables take theirs, then come the rows that were captured so.  As shapes
 * are numbered across tables, this is the order in which all of it happened, but for rows of
 * tables that do not change.
 */
static void
send_with_changes(DbsyncBatch *batch)
{
	ListCell   *lc;

	foreach(lc, batch->cut->tables)
	{
		DbsyncCutTable *cut_table = lfirst(lc);
		int64		place = 0;

		if (!dbsync_changes_follow(batch, cut_table))
			continue;
		truncate_tables(batch, list_make1(cut_table), &place);
		send_around_gone(batch, cut_table, place);
	}
}

void
dbsync_send_cut(DbsyncBatch *batch)
{
	int64	   *places = palloc0(sizeof(int64) * list_length(batch->cut->tables));
	ListCell   *lc;

	if (batch->cut->turns > 0)
		send_with_changes(batch);
	else
	{
		truncate_tables(batch, batch->cut->tables, places);
		foreach(lc, batch->cut->tables)
			send_table(batch, lfirst(lc), places[foreach_current_index(lc)], 0);
	}
	dbsync_cut_free(batch->cut);
}

/*
 * Other connections could not get at a table that has been emptied in this very
 * transaction.
 */
static bool
goes_alone(const DbsyncBatch *batch)
{
	ListCell   *lc;

	if (batch->cut)
		foreach(lc, batch->cut->tables)
		{
			if (((DbsyncCutTable *) lfirst(lc))->truncates > 0)
				return true;
		}
	return false;
}

void
dbsync_send_chunk(DbsyncBatch *batch)
{
	bool		alone = batch->beside != NIL || goes_alone(batch);
	int64		rows = 0;
	ListCell   *lc;

	foreach(lc, dbsync_choose_copied(batch))
	{
		DbsyncTable *table = lfirst(lc);

		/* the others' turn comes */
		if (rows >= dbsync_copy_chunk_rows)
			break;
		batch->current = table;
		batch->work->blamed = batch->work->sending = table->captured_id;
		rows += dbsync_copy_send_chunk(batch->work, table, alone);
	}
	batch->rows += rows;
	/* what is refused from here on may be of any of them */
	if (batch->beside != NIL)
	{
		batch->work->unsure = true;
		batch->work->blamed = 0;
	}
	batch->work->sending = 0;
	batch->current = NULL;
}
