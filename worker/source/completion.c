/*-------------------------------------------------------------------------
 *
 * worker/source/completion.c
 *	  Values that were not captured, from the captured table itself.
 *
 * A target that lacks the row, or a way of writing that needs all of it, is sent
 * what the batch's snapshot S shows of the columns that an UPDATE left untouched.
 * S may be later than the change: the value is then of a later change, which
 * follows and says the same; a row that S does not show is about to be deleted, by
 * a change that follows too.  Of a table that was dropped nothing can be looked up, and nothing
 * follows: it waits for somebody to decide.
 *
 * Where the key is all that was captured (DBSYNC_OP_KEY) the whole row comes from there; one that S does not
 * show has gone, and whoever captured the key may have meant just that; or it has left with its partition.
 *
 * Rows are found as dbsync_recheck_doubts() finds them, straight by the key's index.  That
 * asks for no rights and minds no policies, like the capture of all other values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/tableam.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "extension/capture/cache.h"
#include "extension/owner.h"
#include "worker/shape.h"
#include "worker/source/captured_table.h"
#include "worker/source/completion.h"
#include "worker/source/source.h"
#include "worker/table.h"
#include "worker/table_lock.h"

#include "extension/compat.h"

/* looking keys up in one of the tables that rows lie in */
typedef struct LeafScan
{
	IndexScanDesc scan;			/* NULL: none was looked up there yet */
	TupleTableSlot *found;
} LeafScan;

struct DbsyncCompletion
{
	DbsyncCapturedTable source; /* not open if the table was dropped */
	MemoryContext context;		/* as long as this; the scan keeps things there */
	MemoryContext per_row;		/* values of the row found last that had to be made */
	const DbsyncTable *table;
	const DbsyncTableShape *shape;
	bool	   *needed;			/* of its columns: sent, or read by what is worked out */
	ScanKeyData keys[INDEX_MAX_KEYS];
	AttrNumber	numbers[INDEX_MAX_KEYS];	/* of key columns in the table */
	bool		routes;			/* the key's values say which leaf a row is in */
	LeafScan   *scans;			/* of each leaf, once it was looked into */
};

void
dbsync_completion_lock(DbsyncTable *table)
{
	table->lock = table->dropped != 0 || dbsync_table_lock(table)
		? DBSYNC_LOCK_HELD : DBSYNC_LOCK_NOT_HAD;
}

/* A key of another type than the row's, as after int -> bigint, is compared across the two. */
static void
find_operators(DbsyncCompletion *completion)
{
	Relation	index = completion->source.index;
	const DbsyncTableShape *shape = completion->shape;

	for (int k = 0; k < shape->nkeys; k++)
	{
		int			at = shape->keys[k];
		bool		retyped = completion->source.columns[at] == DBSYNC_COLUMN_RETYPED;
		Oid			type = index->rd_opcintype[k];
		Oid			row_type = retyped ? shape->types[at] : type;
		Oid			equal = get_opfamily_member(index->rd_opfamily[k], type, row_type,
												BTEqualStrategyNumber);

		if (!OidIsValid(equal))
			dbsync_captured_table_refuse(completion->table,
										 psprintf("Column \"%s\" of its key was of a type that cannot be looked up in the key now.",
												  shape->columns[at]));
		ScanKeyEntryInitialize(&completion->keys[k], 0, k + 1, BTEqualStrategyNumber,
							   retyped ? row_type : InvalidOid, index->rd_indcollation[k],
							   get_opcode(equal), (Datum) 0);
	}
}

/* Where columns were chosen, some are neither sent nor read: their values do not matter. */
static bool *
find_needed(const DbsyncTable *table, const DbsyncTableShape *shape)
{
	bool	   *needed = palloc0(sizeof(bool) * Max(shape->ncolumns, 1));
	int		   *read;

	for (int i = 0; i < (table->sent ? table->nsent : shape->ncolumns); i++)
	{
		int			column = table->sent ? table->sent[i] : i;

		if (column >= 0)
			needed[column] = true;
	}
	if (table->selection == NULL)
		return needed;
	read = dbsync_selection_read_columns(table->selection, shape, table->qualified);
	for (int i = 0; i < table->selection->nread; i++)
		needed[read[i]] = true;
	return needed;
}

DbsyncCompletion *
dbsync_completion_begin(const DbsyncTable *table, const DbsyncTableShape *shape)
{
	DbsyncCompletion *completion = palloc0(sizeof(DbsyncCompletion));

	Assert(table->lock == DBSYNC_LOCK_HELD);
	dbsync_owner_check();
	completion->context = CurrentMemoryContext;
	completion->per_row = AllocSetContextCreate(CurrentMemoryContext, "dbsync completion", ALLOCSET_SMALL_SIZES);
	completion->table = table;
	completion->shape = shape;
	completion->needed = find_needed(table, shape);
	if (table->dropped != 0)
		return completion;
	dbsync_captured_table_open(&completion->source, table, shape, false);
	find_operators(completion);
	completion->routes = true;
	for (int k = 0; k < shape->nkeys; k++)
	{
		completion->numbers[k] = shape->numbers[shape->keys[k]];
		completion->routes &= completion->source.columns[shape->keys[k]] != DBSYNC_COLUMN_RETYPED;
	}
	completion->scans = palloc0(sizeof(LeafScan) * completion->source.leaves->n);
	return completion;
}

/*
 * A column that has been dropped since is dropped at the target, too, by and by: until then
 * its value does not matter, if there need not be one.
 */
static AttrNumber
find_value(const DbsyncCompletion *completion, int column)
{
	AttrNumber	from = completion->source.columns[column];
	const char *name = completion->shape->columns[column];

	if (from == DBSYNC_COLUMN_RETYPED)
		dbsync_captured_table_refuse(completion->table,
									 psprintf("A value of column \"%s\" was not captured, and is of another type now.", name));
	if (from == DBSYNC_COLUMN_GONE && completion->shape->not_null[column])
		dbsync_captured_table_refuse(completion->table,
									 psprintf("A value of column \"%s\" was not captured, and has gone with the column.", name));
	return from;
}

/* The row with the key that was set, as the captured table would have it; NULL: not there. */
static TupleTableSlot *
look_into(DbsyncCompletion *completion, int at)
{
	DbsyncLeaf *leaf = dbsync_leaves_open(completion->source.leaves, at);
	LeafScan   *s = &completion->scans[at];
	int			nkeys = completion->shape->nkeys;

	if (s->scan == NULL)
	{
		s->found = table_slot_create(leaf->rel, NULL);
		s->scan = dbsync_index_beginscan_compat(leaf->rel, leaf->index, GetActiveSnapshot(), NULL, nkeys, 0);
	}
	index_rescan(s->scan, completion->keys, nkeys, NULL, 0);
	if (!index_getnext_slot(s->scan, ForwardScanDirection, s->found))
		return NULL;
	slot_getallattrs(s->found);
	return dbsync_leaves_row(leaf, s->found);
}

static TupleTableSlot *
find_row(DbsyncCompletion *completion, const Datum *values, const bool *nulls)
{
	DbsyncLeaves *leaves = completion->source.leaves;
	int			nkeys = completion->shape->nkeys;
	Datum		key[INDEX_MAX_KEYS];
	bool		key_nulls[INDEX_MAX_KEYS];
	TupleTableSlot *row = NULL;
	int			at;

	for (int k = 0; k < nkeys; k++)
	{
		completion->keys[k].sk_argument = key[k] = values[completion->shape->keys[k]];
		key_nulls[k] = nulls[completion->shape->keys[k]];
	}
	at = completion->routes ? dbsync_leaves_route(leaves, completion->numbers, key, key_nulls, nkeys) : -1;
	if (at >= 0)
		return look_into(completion, at);
	for (int i = 0; row == NULL && i < leaves->n; i++)
		row = look_into(completion, i);
	return row;
}

/* The target's table stays when one is dropped: it is right up to here, and nobody can say what comes behind. */
pg_noreturn static void
refuse_dropped(const DbsyncTable *table)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table %s was dropped, and a change of it cannot be sent any more", table->qualified),
			 table->keys_only
			 ? errdetail("Keys alone were captured of its last changes; the rows were in the table alone.")
			 : errdetail("An UPDATE left large values as they were. They were in the table alone, and are needed: the target lacks the row, or what is sent of it is worked out."),
			 errhint("The target's table is as it was before that change. To leave it so: SELECT dbsync.remove_table(..., '%u').",
					 table->relid)));
}

/*
 * Where its going is sent, that comes next, and says all.  Where it is not, what the UPDATE has changed would be lost: a table
 * has got columns for which add_table() would have refused these operations.
 */
static void
check_gone(const DbsyncTable *table)
{
	const int	ends = DBSYNC_SENDS_DELETE | DBSYNC_SENDS_TRUNCATE;

	if (table->selection == NULL || !dbsync_selection_runs(table->selection) || (table->operations & ends) == ends)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a change of table %s cannot be sent any more", table->qualified),
			 errdetail("An UPDATE left large values as they were; the row has gone since, and they with it. What is sent of it needs them, and its going is not among the operations that are sent."),
			 errhint("Choose again: operations => '{insert,update,delete,truncate}', or columns and filter that need no large ones, which copies the table anew: SELECT dbsync.alter_table(..., %s, ...).",
					 quote_literal_cstr(table->qualified))));
}

/* Is any of the untouched columns needed?  The others stay null. */
static bool
needs_row(const DbsyncCompletion *completion, bool *unchanged)
{
	bool		needs = false;

	for (int i = 0; i < completion->shape->ncolumns; i++)
	{
		unchanged[i] &= completion->needed[i];
		needs |= unchanged[i];
	}
	return needs;
}

static TupleTableSlot *
look_up(DbsyncCompletion *completion, const Datum *values, const bool *nulls)
{
	MemoryContext old;
	TupleTableSlot *row;

	if (completion->table->dropped != 0)
		refuse_dropped(completion->table);
	old = MemoryContextSwitchTo(completion->context);
	row = find_row(completion, values, nulls);
	MemoryContextSwitchTo(old);
	return row;
}

static void
take_values(const DbsyncCompletion *completion, const TupleTableSlot *row, Datum *values, bool *nulls, bool *unchanged)
{
	for (int i = 0; i < completion->shape->ncolumns; i++)
	{
		AttrNumber	from;

		if (!unchanged[i])
			continue;
		unchanged[i] = false;
		from = find_value(completion, i);
		nulls[i] = from == DBSYNC_COLUMN_GONE || row->tts_isnull[from - 1];
		values[i] = nulls[i] ? (Datum) 0 : row->tts_values[from - 1];
	}
}

bool
dbsync_completion_row(DbsyncCompletion *completion, Datum *values, bool *nulls, bool *unchanged)
{
	TupleTableSlot *row;

	if (!needs_row(completion, unchanged))
		return true;
	row = look_up(completion, values, nulls);
	if (row == NULL)
		check_gone(completion->table);
	else
		take_values(completion, row, values, nulls, unchanged);
	return row != NULL;
}

/* A value as the text of it is read by the type that the column had; refused where that cannot be. */
static Datum
read_as_before(const DbsyncCompletion *completion, int column, Datum value)
{
	const DbsyncTableShape *shape = completion->shape;
	MemoryContext context = MemoryContextSwitchTo(completion->per_row);
	Form_pg_attribute att = TupleDescAttr(completion->source.entry->shape.desc, shape->numbers[column] - 1);
	Oid			output;
	Oid			input;
	Oid			ioparam;
	bool		varlena;
	Datum		before = (Datum) 0;

	getTypeOutputInfo(att->atttypid, &output, &varlena);
	getTypeInputInfo(shape->types[column], &input, &ioparam);
	PG_TRY();
	{
		before = OidInputFunctionCall(input, OidOutputFunctionCall(output, value), ioparam, shape->typmods[column]);
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		(void) find_value(completion, column);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return before;
}

/* Columns that are of other types by now, so that they can be taken as they were when the key was captured. */
static void
take_retyped(DbsyncCompletion *completion, const TupleTableSlot *row, Datum *values, bool *nulls, bool *unchanged)
{
	MemoryContextReset(completion->per_row);
	for (int i = 0; i < completion->shape->ncolumns; i++)
	{
		int			at = completion->shape->numbers[i] - 1;

		if (!unchanged[i] || completion->source.columns[i] != DBSYNC_COLUMN_RETYPED)
			continue;
		unchanged[i] = false;
		nulls[i] = row->tts_isnull[at];
		values[i] = nulls[i] ? (Datum) 0 : read_as_before(completion, i, row->tts_values[at]);
	}
}

/* Equal keys may be written otherwise (1.0 and 1.00): the row's own is the one that it has as of S. */
bool
dbsync_completion_find(DbsyncCompletion *completion, Datum *values, bool *nulls, bool *unchanged)
{
	const DbsyncTableShape *shape = completion->shape;
	TupleTableSlot *row = look_up(completion, values, nulls);

	if (row == NULL)
		return false;
	(void) needs_row(completion, unchanged);
	for (int k = 0; k < shape->nkeys; k++)
		unchanged[shape->keys[k]] = completion->source.columns[shape->keys[k]] != DBSYNC_COLUMN_RETYPED;
	take_retyped(completion, row, values, nulls, unchanged);
	take_values(completion, row, values, nulls, unchanged);
	return true;
}

/*
 * Triggers capture that a row was deleted, and that follows.  What goes with a partition is deleted by nobody, and what becomes
 * of it at the target is the subscription's on_partition_drop.
 */
static bool
may_have_left(const DbsyncCompletion *completion)
{
	return completion->source.rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && !completion->table->recorded;
}

bool
dbsync_completion_sends_gone(const DbsyncCompletion *completion)
{
	return !may_have_left(completion) && (completion->table->operations & DBSYNC_SENDS_DELETE) != 0;
}

void
dbsync_completion_end(DbsyncCompletion *completion)
{
	if (completion->table->dropped != 0)
		return;
	for (int i = 0; i < completion->source.leaves->n; i++)
	{
		LeafScan   *s = &completion->scans[i];

		if (s->scan == NULL)
			continue;
		index_endscan(s->scan);
		ExecDropSingleTupleTableSlot(s->found);
	}
	dbsync_captured_table_close(&completion->source);
}
