/*-------------------------------------------------------------------------
 *
 * worker/batch/changes.c
 *	  Tables that change within a batch: the target's table follows.
 *
 * A transaction that changes a table is a batch of its own.  Its rows are sent shape by shape,
 * and between two shapes the target's table is changed, in the batch's transaction: both are
 * committed with the ledger, or neither.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/batch/changes.h"
#include "worker/batch/chosen.h"
#include "worker/batch/difference.h"
#include "worker/batch/held.h"
#include "worker/batch/quarantine.h"
#include "worker/copy/reverse.h"
#include "worker/driver/driver.h"
#include "worker/shape.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/target_table.h"
#include "worker/work.h"

/* the table's rows of the shape that it took before this one in the cut; NULL: none */
static const DbsyncCutTable *
find_before(const DbsyncCut *cut, const DbsyncCutTable *cut_table)
{
	const DbsyncCutTable *before = NULL;
	ListCell   *lc;

	foreach(lc, cut->tables)
	{
		const DbsyncCutTable *other = lfirst(lc);

		if (other->captured_id == cut_table->captured_id && other->shape_id < cut_table->shape_id)
			before = other;
	}
	return before;
}

static bool
has_later(const DbsyncCut *cut, const DbsyncCutTable *cut_table)
{
	ListCell   *lc;

	foreach(lc, cut->tables)
	{
		const DbsyncCutTable *other = lfirst(lc);

		if (other->captured_id == cut_table->captured_id && other->shape_id > cut_table->shape_id)
			return true;
	}
	return false;
}

/*
 * Where somebody alters the target he does so between transactions, not in the middle of one of
 * ours.  So all that a transaction changes in a table has to be there before its first row.
 */
static bool
comes_at_once(const DbsyncBatch *batch)
{
	return batch->work->subscription->ddl == DBSYNC_DDL_WAIT;
}

bool
dbsync_changes_come_first(const DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	return cut_table->turns > 0 || find_before(batch->cut, cut_table) != NULL ||
		(comes_at_once(batch) && has_later(batch->cut, cut_table));
}

const DbsyncTableShape *
dbsync_changes_shape_at_begin(const DbsyncBatch *batch, int captured_id)
{
	const List *shapes = batch->work->subscription->shapes;
	ListCell   *lc;

	foreach(lc, batch->cut->tables)
	{
		const DbsyncCutTable *first = lfirst(lc);
		const DbsyncTableShape *shape;

		if (first->captured_id != captured_id)
			continue;
		shape = dbsync_shapes_find(shapes, first->shape_id);
		return shape == NULL || first->turns == 0 ? shape : dbsync_shapes_before(shapes, shape);
	}
	return NULL;
}

/*
 * Does the transaction give a column that it has added another type behind this shape?  What
 * rows have in it is the text of the type that it was added with: of true it is t, and true
 * when boolean has become text.
 */
static bool
retypes_added(const DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	const List *shapes = batch->work->subscription->shapes;
	const DbsyncTableShape *shape = dbsync_shapes_find(shapes, cut_table->shape_id);
	const DbsyncTableShape *begin = dbsync_changes_shape_at_begin(batch, cut_table->captured_id);
	ListCell   *lc;

	foreach(lc, batch->cut->tables)
	{
		const DbsyncCutTable *other = lfirst(lc);
		const DbsyncTableShape *later;

		if (other->captured_id != cut_table->captured_id || other->shape_id <= cut_table->shape_id)
			continue;
		later = dbsync_shapes_find(shapes, other->shape_id);
		for (int i = 0; shape && begin && later && i < shape->ncolumns; i++)
		{
			int			column = dbsync_shape_find_column(later, shape->numbers[i]);

			if (dbsync_shape_find_column(begin, shape->numbers[i]) < 0 && column >= 0 &&
				later->types[column] != shape->types[i])
				return true;
		}
	}
	return false;
}

/* Is the shape one that the table had for no row?  Then the target's need not have it. */
static bool
is_passed(const DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	return cut_table->turns > 0 && dbsync_cut_table_rows(cut_table) == 0 &&
		cut_table->truncates == 0 && has_later(batch->cut, cut_table) && !retypes_added(batch, cut_table);
}

/* The shape that the target's table has by now; NULL: it is not known any more. */
static const DbsyncTableShape *
shape_before(const DbsyncBatch *batch, const DbsyncCutTable *cut_table,
			 const DbsyncTableShape *shape)
{
	const List *shapes = batch->work->subscription->shapes;
	const DbsyncTableShape *before = dbsync_shapes_before(shapes, shape);
	const DbsyncCutTable *section = find_before(batch->cut, cut_table);

	while (section != NULL && before != NULL && section->shape_id == before->id &&
		   is_passed(batch, section))
	{
		before = dbsync_shapes_before(shapes, before);
		section = find_before(batch->cut, section);
	}
	return before;
}

/* Rows that are copied anew take the place of all that are there, if those are ours. */
static int
how_to_change(const DbsyncBatch *batch, const DbsyncDifference *difference, bool copies, bool fed)
{
	const DbsyncTable *table = batch->current;
	int			how = 0;

	if (batch->work->subscription->ddl == DBSYNC_DDL_APPLY)
		how |= DBSYNC_CHANGE_MAKE;
	if (difference->taken)
		how |= DBSYNC_CHANGE_TAKEN;
	if (copies)
		how |= DBSYNC_CHANGE_EMPTY;
	if (fed || dbsync_table_keeps_rows(table))
		how |= DBSYNC_CHANGE_SHARED;
	return how;
}

/* The first copy begins anew, behind this batch. */
static void
copy_anew(DbsyncBatch *batch, const char *reason)
{
	DbsyncTable *table = batch->current;
	DbsyncLedgerPart part = table->part;

	part.live = false;
	part.nkeys = 0;
	part.boundary = NULL;
	part.rows = 0;
	dbsync_table_set_part(table, &part);
	table->part_dirty = true;
	table->copied_for = MemoryContextStrdup(GetMemoryChunkContext(table), reason ? reason : "its key has changed");
	table->copied_for_noted = false;
	batch->work->subscription->settled = false;
	ereport(LOG,
			(errmsg("table %s is copied anew", table->qualified),
			 errdetail("%s", table->copied_for)));
}

/* What somebody has to do, who can say what becomes of rows at the target. */
static const char *
say_how_to_copy(const DbsyncBatch *batch, bool fed)
{
	const DbsyncTable *table = batch->current;
	bool		keeps = !fed && table->copy_data;

	return psprintf("%s dbsync.copy_table(%s, %s, existing_rows => '%s').",
					fed ? "The target feeds it, too: stop writing there, let both ends catch up, alter the target's table, and use"
					: keeps ? "The target table may have rows of others, and is not emptied: what is deleted here before the copy has ended stays there,"
					" to be deleted by hand. Alter the target's table, and use"
					: "It was added without a copy. Use",
					quote_literal_cstr(batch->work->subscription->name), quote_literal_cstr(table->qualified),
					keeps ? "keep" : "truncate");
}

/*
 * Not where nobody has said that the table may be copied; nor where the target feeds it: what was
 * written there and is on its way here would be written over, and never sent again; nor where rows of
 * others are kept: those that go meanwhile would be taken for theirs.
 */
static void
check_copies(const DbsyncBatch *batch, const char *reason, bool fed)
{
	const DbsyncTable *table = batch->current;

	/* emptying the target's table would leave it empty */
	if (table->dropped != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s must be copied anew, and was dropped", table->qualified),
				 reason ? errdetail("%s", reason) : 0,
				 errhint("The target's table is as it was before that. To leave it so: SELECT dbsync.remove_table(%s, '%u').",
						 quote_literal_cstr(batch->work->subscription->name), table->relid)));
	if (table->copy_data && !fed && !dbsync_table_keeps_rows(table))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table %s must be copied anew", table->qualified),
			 reason ? errdetail("%s", reason) : 0,
			 errhint("%s", say_how_to_copy(batch, fed))));
}

/* A copy that is under way went by the old key's order. */
static bool
must_copy(const DbsyncTable *table, const DbsyncTurn *turn, const DbsyncDifference *difference)
{
	return (turn->copies && dbsync_table_flows(table)) ||
		(difference->key && !table->part.live && table->part.nkeys > 0);
}

static void
change_table(DbsyncBatch *batch, const DbsyncTableShape *shape, const DbsyncTableSpec *spec,
			 List *changes, int how)
{
	DbsyncTable *table = batch->current;
	DbsyncTargetTable *before = table->handle;
	MemoryContext old;

	if (!dbsync_target_follows_changes(batch->target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" cannot follow changes of tables", batch->work->subscription->target),
				 errhint("Change the target's table, and copy it anew with dbsync.copy_table().")));
	table->handle = NULL;
	batch->work->openings++;
	old = MemoryContextSwitchTo(batch->work->target_context);
	table->handle = dbsync_target_try_table_change(batch->target, before, spec, changes, how);
	MemoryContextSwitchTo(old);
	table->handle_shape = shape->id;
	if (table->handle == NULL)
		dbsync_target_raise(batch->target, psprintf("changing target table \"%s.%s\"",
													table->target_schema, table->target_table));
}

/* From a shape, NULL if it is not known any more, to one that the target's table is to have. */
static void
follow_shape(DbsyncBatch *batch, const DbsyncTableShape *before, const DbsyncTableShape *shape, bool bent)
{
	DbsyncWork *work = batch->work;
	DbsyncTable *table = batch->current;
	DbsyncDifference difference = {0};
	DbsyncTurn *turn = dbsync_turns_read(batch->cut, table->captured_id, before ? before->id : 0, shape->id);
	bool		fed = dbsync_reverse_feeds(work, table);	/* by the target */
	bool		copies;
	DbsyncTableSpec spec;
	int			how;

	if (before != NULL)
	{
		difference = dbsync_difference(before, shape, turn);
		dbsync_chosen_changes(table, shape, &difference);
	}
	copies = must_copy(table, turn, &difference) || (bent && dbsync_table_flows(table));
	if (bent && turn->reason == NULL)
		turn->reason = "what its transaction wrote before the change cannot be written into the table that is altered already";
	if (copies)
		check_copies(batch, turn->reason, fed);
	how = how_to_change(batch, &difference, copies, fed);
	/* nothing is due then, or somebody has said that nothing is any more */
	if (work->subscription->ddl == DBSYNC_DDL_IGNORE || dbsync_held_is_done(table))
		how |= DBSYNC_CHANGE_TRUST;
	dbsync_target_table_choose_columns(work, table, shape);
	spec = dbsync_target_table_spec(table, shape);
	table->hold.blind = difference.taken;
	change_table(batch, shape, &spec, difference.changes, how);
	table->hold.blind = false;
	if (copies)
		copy_anew(batch, turn->reason);
}

/* Does it come before all others of its table for which there is something to do? */
static bool
is_first(const DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	const DbsyncCutTable *other = find_before(batch->cut, cut_table);

	while (other != NULL && is_passed(batch, other))
		other = find_before(batch->cut, other);
	return other == NULL;
}

/* The shape with which the table leaves the transaction. */
static const DbsyncTableShape *
shape_at_end(const DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	const DbsyncCutTable *last = cut_table;
	ListCell   *lc;

	foreach(lc, batch->cut->tables)
	{
		const DbsyncCutTable *other = lfirst(lc);

		if (other->captured_id == last->captured_id && other->shape_id > last->shape_id)
			last = other;
	}
	return dbsync_read_shape(batch->work->subscription, batch->current, last);
}

/* Must rows from before a change be left to a new copy? */
static bool
bends_rows(const DbsyncBatch *batch, const DbsyncTableShape *end)
{
	ListCell   *lc;

	foreach(lc, batch->cut->tables)
	{
		const DbsyncCutTable *cut_table = lfirst(lc);

		if (cut_table->captured_id != end->captured_id || cut_table->shape_id == end->id)
			continue;
		if (!is_passed(batch, cut_table) &&
			!dbsync_difference_reads(dbsync_read_shape(batch->work->subscription, batch->current, cut_table), end))
			return true;
	}
	return false;
}

/*
 * The target's table has, or gets, at once all that the transaction makes of it; rows of the
 * shapes on the way are sent to the columns as they are called in the end.  Columns that come
 * on the way are filled where they came, for rows of before.
 */
static void
follow_at_once(DbsyncBatch *batch, const DbsyncCutTable *cut_table, const DbsyncTableShape *shape)
{
	DbsyncTable *table = batch->current;
	const DbsyncTableShape *end = shape_at_end(batch, cut_table);
	const DbsyncTableShape *before;
	List	   *added = NIL;
	DbsyncTableSpec spec;
	int			how = DBSYNC_CHANGE_TRUST;

	if (is_first(batch, cut_table))
	{
		before = dbsync_changes_shape_at_begin(batch, table->captured_id);
		follow_shape(batch, before, end, bends_rows(batch, end));
		if (shape == end)
			return;
	}
	else
	{
		before = shape_before(batch, cut_table, shape);
		if (before != NULL && !dbsync_table_has_chosen_columns(table))
			added = dbsync_difference_added(before, shape, end,
											dbsync_turns_read(batch->cut, table->captured_id, before->id, shape->id));
		if (added != NIL)
			how = DBSYNC_CHANGE_FILL;
		if (dbsync_table_keeps_rows(table) || dbsync_reverse_feeds(batch->work, table))
			how |= DBSYNC_CHANGE_SHARED;
	}
	if (!dbsync_table_flows(table))
		return;
	spec = dbsync_target_table_spec_as(batch->work, table, shape, end);
	change_table(batch, shape, &spec, added, how);
}

/*
 * A table that was looked up within the batch could not be known to need a lock from before
 * S.  The next attempt knows.
 */
static void
check_lock(DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	DbsyncTable *table = batch->current;

	if (cut_table->marked == 0 || table->lock == DBSYNC_LOCK_HELD ||
		!dbsync_choose_completes(batch->work, table, cut_table))
		return;
	batch->work->lock_due = table->lock == DBSYNC_LOCK_NOT_WANTED;
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("could not obtain lock on table %s", table->qualified),
			 errdetail("Values that its last changes left untouched must be read from it.")));
}

bool
dbsync_changes_follow(DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	DbsyncWork *work = batch->work;
	DbsyncTable *table = dbsync_subscription_table(work->subscription, cut_table->captured_id);
	const DbsyncTableShape *shape;

	if (is_passed(batch, cut_table))
		return false;
	if (!dbsync_changes_come_first(batch, cut_table))
		return true;
	batch->current = table;
	dbsync_held_ask(work, table);
	shape = dbsync_read_shape(work->subscription, table, cut_table);
	if (comes_at_once(batch))
		follow_at_once(batch, cut_table, shape);
	else
		follow_shape(batch, shape_before(batch, cut_table, shape), shape, false);
	dbsync_quarantine_check_key(work, table, shape_before(batch, cut_table, shape), shape);
	dbsync_held_answered(work);
	/* that it could be looked up says nothing yet: a change waits for more */
	if (!dbsync_table_is_held(table))
		table->hold.failures = 0;
	if (dbsync_table_flows(table))
		check_lock(batch, cut_table);
	batch->current = NULL;
	return dbsync_table_flows(table);
}
