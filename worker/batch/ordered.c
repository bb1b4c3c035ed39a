/*-------------------------------------------------------------------------
 *
 * worker/batch/ordered.c
 *	  A cut's rows, in an order that the target's foreign keys allow.
 *
 * A cut begins and ends where all keys hold that hold at the source, so what is in between can be
 * put in order: first what there is of each row in the end, parents before children, then
 * what is deleted, children before parents.  So a child that moves finds its new parent, and the
 * old one is left by all before it goes; what the target's own ON DELETE would do has been done by then,
 * as the source's did it.  A row that others may reference is never deleted to be inserted anew.
 *
 * Rows of one circle of keys, or of a table that references itself, are written by one statement, at
 * whose end keys are checked.  So is all that is tied, deletes included, when rows have clashed:
 * a unique value that moves, or a key that leads to other columns than the table's own key.  The driver looks at what is
 * written so whether such a value goes from row to row, as the target's own ON UPDATE could follow it: so
 * upserts of a table to whose values that may happen are written by one statement as well, though no circle leads back to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/batch/changes.h"
#include "worker/batch/emptied.h"
#include "worker/batch/ordered.h"
#include "worker/batch/send_table.h"
#include "worker/catcher.h"
#include "worker/driver/driver.h"
#include "worker/shape.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/work.h"

/* rows of one table and shape in the cut */
typedef struct Entry
{
	DbsyncCutTable *cut_table;
	DbsyncTable *table;
	int			number;			/* among the cut's */
	bool		last;			/* of its table */
	bool		alone;			/* and the only one */
	int64		place;			/* rows up to here have been sent, or do not matter */
	bool		done;			/* all have */
	bool		single;			/* none of the others is in one circle with it */
} Entry;

/* those of a cut, in order */
typedef struct Order
{
	DbsyncBatch *batch;
	int			n;
	Entry	   *entries;
} Order;

/* Tables without ties stay in the cut's order, and come first. */
static int
compare_entries(const void *left, const void *right)
{
	const Entry *a = left;
	const Entry *b = right;

	if (a->table->ties.rank != b->table->ties.rank)
		return a->table->ties.rank < b->table->ties.rank ? -1 : 1;
	return a->number < b->number ? -1 : 1;
}

static Order
put_in_order(DbsyncBatch *batch)
{
	Order		order = {.batch = batch,.n = list_length(batch->cut->tables)};
	ListCell   *lc;

	order.entries = palloc0(sizeof(Entry) * Max(order.n, 1));
	foreach(lc, batch->cut->tables)
	{
		Entry	   *entry = &order.entries[foreach_current_index(lc)];

		entry->cut_table = lfirst(lc);
		entry->number = foreach_current_index(lc);
		entry->table = dbsync_subscription_table(batch->work->subscription, entry->cut_table->captured_id);
	}
	qsort(order.entries, order.n, sizeof(Entry), compare_entries);
	return order;
}

/* Of a cut in which tables change one may have several entries, in the order of its shapes. */
static void
find_last(Order *order)
{
	for (int i = 0; i < order->n; i++)
	{
		Entry	   *entry = &order->entries[i];

		entry->last = entry->alone = true;
		for (int j = 0; j < order->n && order->batch->cut->turns > 0; j++)
		{
			if (j == i || order->entries[j].table != entry->table)
				continue;
			entry->alone = false;
			entry->last &= order->entries[j].number < entry->number;
		}
	}
}

/*
 * What was truncated, children first, where that must be one by one.  One that changes its shape in the cut is not
 * open yet, or not any more.
 */
static void
empty_first(Order *order)
{
	List	   *cut_tables = NIL;
	int64	   *places = palloc0(sizeof(int64) * Max(order->n, 1));
	int			n = 0;

	for (int i = order->n - 1; i >= 0; i--)
	{
		if (order->entries[i].alone && !dbsync_changes_come_first(order->batch, order->entries[i].cut_table))
			cut_tables = lappend(cut_tables, order->entries[i].cut_table);
	}
	dbsync_emptied_truncate(order->batch, cut_tables, places);
	for (int i = order->n - 1; i >= 0; i--)
	{
		if (n < list_length(cut_tables) && list_nth(cut_tables, n) == order->entries[i].cut_table)
			order->entries[i].place = places[n++];
	}
}

/* Change the table if it is to, and send what comes before its last rows. */
static void
prepare(Order *order, Entry *entry)
{
	DbsyncBatch *batch = order->batch;
	DbsyncCutTable *cut_table = entry->cut_table;

	if (batch->cut->turns > 0)
	{
		bool		comes = dbsync_changes_come_first(batch, cut_table);

		if (!dbsync_changes_follow(batch, cut_table))
		{
			entry->done = true;
			return;
		}
		if (!entry->alone || comes)
			dbsync_emptied_truncate(batch, list_make1(cut_table), &entry->place);
		entry->place = dbsync_emptied_send_parts(batch, cut_table, entry->place);
	}
	if (dbsync_cut_table_rows(cut_table) == 0)
		entry->done = true;
	else if (entry->table->ties.rank == 0 || !entry->last)
	{
		dbsync_send_table(batch, cut_table, entry->place, 0);
		dbsync_catcher_send(batch->target, entry->table);
		entry->done = true;
	}
}

static bool
is_keyless(const Order *order, const Entry *entry)
{
	return dbsync_read_shape(order->batch->work->subscription, entry->table, entry->cut_table)->nkeys == 0;
}

/* It has no upsert there.  No other table references it then, or it would have been refused. */
static bool
is_replaced(const Order *order, const Entry *entry)
{
	return dbsync_target_table_wants_replace(order->batch->target, entry->table->handle, 0);
}

/* Are its rows to be tried, as some may be refused?  Or some of its keys are parked, and it would be replaced. */
static bool
is_doubted(const Order *order, const Entry *entry)
{
	return dbsync_send_doubts(order->batch, entry->table) || (entry->table->parked != NULL && is_replaced(order, entry));
}

/* Is there one row of it, and no other table of its circle?  Then it takes no stage. */
static bool
is_one_row(const Entry *entry)
{
	return entry->single && dbsync_cut_table_rows(entry->cut_table) == 1;
}

/* Are its upserts to be written by one statement, with others of its circle or to be looked at before? */
static bool
is_put_together(const Order *order, const Entry *entry)
{
	return (entry->table->ties.circle || dbsync_target_table_is_followed(order->batch->target, entry->table->handle)) &&
		!is_one_row(entry);
}

/* The last state of each row that there still is. */
static void
send_upserts(Order *order, Entry *entry)
{
	DbsyncBatch *batch = order->batch;
	const DbsyncCutTable sent = dbsync_send_count(entry->table, entry->cut_table);
	int64		rows = dbsync_cut_table_rows(&sent);
	DbsyncRowsMode mode;
	DbsyncReadCut how;

	if (entry->done || rows == sent.deletes)
		return;
	how = dbsync_send_begin(batch, entry->table, entry->cut_table, entry->place, 0);
	if (is_doubted(order, entry))
	{
		how.what = DBSYNC_RELAY_REMAINING;
		batch->rows += dbsync_send_rows(batch, entry->cut_table, DBSYNC_ROWS_DOUBTED, &how);
	}
	else if (is_replaced(order, entry))
	{
		dbsync_send_replaced(batch, entry->cut_table, how);
		entry->done = true;
	}
	else if (dbsync_send_appends(batch, entry->table, entry->cut_table) && entry->single)
	{
		how.fold = false;
		batch->rows += dbsync_send_rows(batch, entry->cut_table, DBSYNC_ROWS_APPEND, &how);
		entry->done = true;
	}
	else
	{
		how.what = DBSYNC_RELAY_REMAINING;
		mode = is_put_together(order, entry) ? DBSYNC_ROWS_TOGETHER
			: how.marks && !how.complete ? DBSYNC_ROWS_PATCH : DBSYNC_ROWS_MERGE;
		batch->rows += dbsync_send_rows(batch, entry->cut_table, mode, &how);
	}
	dbsync_send_end(batch);
}

static void
send_deletes(Order *order, Entry *entry)
{
	DbsyncBatch *batch = order->batch;
	const DbsyncTable *table = entry->table;
	const DbsyncCutTable sent = dbsync_send_count(table, entry->cut_table);
	bool		alone = dbsync_cut_table_rows(&sent) == sent.deletes;
	bool		together = table->ties.circle && !is_one_row(entry);
	/* a row that the filter leaves out, or of which the key was captured and which has gone, goes there, too */
	bool		may_go = entry->cut_table->keys > 0 ||
		(table->selection != NULL && dbsync_selection_runs(table->selection));
	DbsyncReadCut how;
	int64		rows;

	if (entry->done || (sent.deletes == 0 && !may_go))
		return;
	how = dbsync_send_begin(batch, entry->table, entry->cut_table, entry->place, 0);
	how.what = DBSYNC_RELAY_GONE;
	if (alone && !together && !is_doubted(order, entry))
		how = (DbsyncReadCut) {.what = DBSYNC_RELAY_KEYS,.after = entry->place};
	rows = dbsync_send_rows(batch, entry->cut_table,
							is_doubted(order, entry) ? DBSYNC_ROWS_DOUBTED
							: together ? DBSYNC_ROWS_TOGETHER
							: alone ? DBSYNC_ROWS_DELETE : DBSYNC_ROWS_MERGE, &how);
	if (alone)
		batch->rows += rows;
	dbsync_send_end(batch);
}

/*
 * Rows that cannot be told apart: deletes and inserts at once, as nothing can lead to them.  Around what
 * others have to be written together those that are gone come first, and the rest behind it.
 */
static void
send_keyless(Order *order, Entry *entry, DbsyncRelayWhat what)
{
	if (entry->done || !is_keyless(order, entry))
		return;
	(void) dbsync_send_begin(order->batch, entry->table, entry->cut_table, entry->place, 0);
	dbsync_send_keyless(order->batch, entry->cut_table, entry->place, 0, what);
	dbsync_send_end(order->batch);
	entry->done = what != DBSYNC_RELAY_GONE;
}

/* Everything of a table, to wait for that of others. */
static void
stage(Order *order, Entry *entry)
{
	DbsyncBatch *batch = order->batch;
	DbsyncReadCut how;

	if (entry->done || is_keyless(order, entry) || is_replaced(order, entry))
		return;
	how = dbsync_send_begin(batch, entry->table, entry->cut_table, entry->place, 0);
	batch->rows += dbsync_send_rows(batch, entry->cut_table, DBSYNC_ROWS_TOGETHER, &how);
	dbsync_send_end(batch);
	entry->done = true;
}

/* Where the tables end that are of one rank with this one: a circle, or it alone. */
static int
end_of_rank(const Order *order, int from)
{
	int			end = from + 1;

	while (end < order->n && order->entries[end].table->ties.rank == order->entries[from].table->ties.rank &&
		   order->entries[from].table->ties.rank > 0)
		end++;
	return end;
}

/*
 * Rows of these tables whose keys are parked: the others of theirs are there, or gone.  Those that are in one another's way
 * wait for all of them.
 */
static void
send_caught(Order *order, int from, int end)
{
	bool		some = order->batch->work->send_as == DBSYNC_SEND_DOUBTED;

	for (int i = from; i < end; i++)
	{
		some |= order->entries[i].table->parked != NULL;
		dbsync_catcher_send(order->batch->target, order->entries[i].table);
	}
	if (some)
		dbsync_target_rows_together(order->batch->target, false, "sending rows of parked keys");
}

static void
send_in_order(Order *order)
{
	for (int from = 0, end; from < order->n; from = end)
	{
		end = end_of_rank(order, from);
		for (int i = from; i < end; i++)
			order->entries[i].single = (end == from + 1);
		for (int i = from; i < end; i++)
			prepare(order, &order->entries[i]);
		for (int i = from; i < end; i++)
			send_keyless(order, &order->entries[i], DBSYNC_RELAY_CHANGES);
		for (int i = from; i < end; i++)
			send_upserts(order, &order->entries[i]);
		dbsync_target_rows_together(order->batch->target, false, "sending rows");
		send_caught(order, from, end);
	}
	for (int i = order->n - 1; i >= 0; i--)
	{
		send_deletes(order, &order->entries[i]);
		/* the next may be of the same circle */
		if (i == 0 || order->entries[i - 1].table->ties.rank != order->entries[i].table->ties.rank)
		{
			dbsync_target_rows_together(order->batch->target, false, "deleting rows");
			send_caught(order, i, end_of_rank(order, i));
		}
	}
}

static void
send_together(Order *order)
{
	for (int i = 0; i < order->n; i++)
		prepare(order, &order->entries[i]);
	for (int i = 0; i < order->n; i++)
		send_keyless(order, &order->entries[i], DBSYNC_RELAY_GONE);
	for (int i = 0; i < order->n; i++)
		stage(order, &order->entries[i]);
	dbsync_target_rows_together(order->batch->target, true, "sending rows");
	for (int i = 0; i < order->n; i++)
	{
		send_keyless(order, &order->entries[i], DBSYNC_RELAY_REMAINING);
		if (!order->entries[i].done)
			dbsync_send_table(order->batch, order->entries[i].cut_table, order->entries[i].place, 0);
	}
	send_caught(order, 0, order->n);
}

void
dbsync_send_ordered(DbsyncBatch *batch)
{
	Order		order = put_in_order(batch);

	find_last(&order);
	empty_first(&order);
	if (batch->work->send_as == DBSYNC_SEND_REPLACE_ALL)
		send_together(&order);
	else
		send_in_order(&order);
}
