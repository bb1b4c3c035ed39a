/*-------------------------------------------------------------------------
 *
 * worker/target_table.c
 *	  The target's tables, as a driver has looked them up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "worker/driver/driver.h"
#include "worker/identity.h"
#include "worker/labels.h"
#include "worker/row_types.h"
#include "worker/selection.h"
#include "worker/shape.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/target_table.h"

/* Writing a captured table's changes into the table itself never ends. */
static void
refuse_same_table(DbsyncWork *work, DbsyncTable *table)
{
	RangeVar   *name = makeRangeVar(pstrdup(table->target_schema),
									pstrdup(table->target_table), -1);

	if (dbsync_identity_is_own(work->target) &&
		RangeVarGetRelid(name, NoLock, true) == table->relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s cannot be its own target", table->qualified),
				 errhint("Name another target table with dbsync.add_table(..., target_table => ...).")));
}

/* A column of the shape, as it is called and typed here. */
static DbsyncColumn
column_of(const DbsyncTableShape *shape, int i)
{
	DbsyncColumn column = {.name = shape->columns[i], .type = shape->types[i], .typmod = shape->typmods[i],
	.collation = shape->collations[i], .not_null = shape->not_null[i]};

	for (int k = 0; k < shape->nkeys; k++)
	{
		if (shape->keys[k] == i)
			column.key = k + 1;
	}
	return column;
}

static DbsyncTableSpec
whole_spec(const DbsyncTable *table, const DbsyncTableShape *shape)
{
	DbsyncTableSpec spec = {0};
	DbsyncColumn *columns = palloc(sizeof(DbsyncColumn) * Max(shape->ncolumns, 1));

	for (int i = 0; i < shape->ncolumns; i++)
		columns[i] = column_of(shape, i);
	spec.schema = table->target_schema;
	spec.table = table->target_table;
	spec.ncolumns = shape->ncolumns;
	spec.columns = columns;
	spec.nkeys = shape->nkeys;
	spec.keys = shape->keys;
	spec.ngenerated = shape->ngenerated;
	spec.generated = shape->generated;
	spec.nothers = 0;
	spec.chosen = false;
	spec.attachment = table->uid;
	spec.source = table->qualified;
	return spec;
}

/* Those that the subscription has besides, which the table must not have rows in common with. */
static void
name_others(const DbsyncWork *work, const DbsyncTable *table, DbsyncTableSpec *spec)
{
	ListCell   *lc;
	int			n = list_length(work->subscription->tables);

	spec->other_schemas = palloc(sizeof(char *) * n);
	spec->other_tables = palloc(sizeof(char *) * n);
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *other = lfirst(lc);

		if (other == table)
			continue;
		spec->other_schemas[spec->nothers] = other->target_schema;
		spec->other_tables[spec->nothers++] = other->target_table;
	}
}

static DbsyncColumn
column_sent(const DbsyncTable *table, const DbsyncTableShape *shape, int i, int *nexpressions)
{
	DbsyncColumn column = {0};
	Form_pg_attribute att;

	if (table->sent[i] >= 0)
		column = column_of(shape, table->sent[i]);
	else
	{
		att = TupleDescAttr(table->expressions, (*nexpressions)++);
		column.typmod = att->atttypmod;
		column.type = getBaseTypeAndTypmod(att->atttypid, &column.typmod);
		column.collation = att->attcollation;
	}
	if (dbsync_table_has_chosen_columns(table))
		column.name = table->selection->columns[i].name;
	return column;
}

DbsyncTableSpec
dbsync_target_table_spec(const DbsyncTable *table, const DbsyncTableShape *shape)
{
	DbsyncTableSpec spec = whole_spec(table, shape);
	DbsyncColumn *columns;
	int		   *keys;
	int			nexpressions = 0;

	if (table->sent == NULL)
		return spec;
	pfree(unconstify(DbsyncColumn *, spec.columns));
	spec.ncolumns = table->nsent;
	spec.columns = columns = palloc(sizeof(DbsyncColumn) * Max(spec.ncolumns, 1));
	spec.keys = keys = palloc(sizeof(int) * Max(spec.nkeys, 1));
	for (int i = 0; i < table->nsent; i++)
	{
		columns[i] = column_sent(table, shape, i, &nexpressions);
		if (columns[i].key > 0)
			keys[columns[i].key - 1] = i;
	}
	/* one that is sent twice is the key once */
	for (int i = 0; i < spec.ncolumns; i++)
	{
		if (columns[i].key > 0 && keys[columns[i].key - 1] != i)
			columns[i].key = 0;
	}
	/* those that the target generates are its own matter where columns were chosen */
	if (dbsync_table_has_chosen_columns(table))
	{
		spec.ngenerated = 0;
		spec.chosen = true;
	}
	return spec;
}

static bool
is_key(const DbsyncTableShape *shape, int column)
{
	for (int k = 0; k < shape->nkeys; k++)
	{
		if (shape->keys[k] == column)
			return true;
	}
	return false;
}

/* Columns that were chosen, whatever the target has. */
static void
take_chosen(DbsyncWork *work, DbsyncTable *table, const DbsyncTableShape *shape)
{
	DbsyncSelection *selection = table->selection;
	int		   *sent = dbsync_selection_columns(selection, shape, table->qualified);
	TupleDesc	expressions = NULL;
	MemoryContext old;

	if (dbsync_selection_runs(selection))
		expressions = dbsync_selection_describe(selection, shape, table->qualified);
	old = MemoryContextSwitchTo(work->target_context);
	table->expressions = expressions ? CreateTupleDescCopy(expressions) : NULL;
	table->sent = memcpy(palloc(sizeof(int) * Max(selection->ncolumns, 1)), sent, sizeof(int) * selection->ncolumns);
	table->nsent = selection->ncolumns;
	MemoryContextSwitchTo(old);
}

/*
 * Columns that have gone with their types (dbsync_shape_column_is_gone()): no rows have them, and the target need not either.
 * Are there any?
 */
static bool
leave_out_gone(DbsyncWork *work, DbsyncTable *table, const DbsyncTableShape *shape)
{
	int		   *sent = MemoryContextAlloc(work->target_context, sizeof(int) * Max(shape->ncolumns, 1));
	int			n = 0;

	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (is_key(shape, i) || !dbsync_shape_column_is_gone(shape, i))
			sent[n++] = i;
	}
	if (n == shape->ncolumns)
	{
		pfree(sent);
		return false;
	}
	table->sent = sent;
	table->nsent = n;
	return true;
}

void
dbsync_target_table_choose_columns(DbsyncWork *work, DbsyncTable *table, const DbsyncTableShape *shape)
{
	DbsyncTableSpec spec = whole_spec(table, shape);
	bool	   *lacks = palloc0(sizeof(bool) * Max(shape->ncolumns, 1));
	StringInfoData left_out;
	int		   *sent;

	table->sent = NULL;
	table->nsent = 0;
	if (dbsync_table_has_chosen_columns(table))
	{
		take_chosen(work, table, shape);
		return;
	}
	if (table->selection != NULL)
		(void) dbsync_selection_read_columns(table->selection, shape, table->qualified);
	if (leave_out_gone(work, table, shape) ||
		work->subscription->ddl != DBSYNC_DDL_IGNORE || !dbsync_target_follows_changes(work->target))
		return;
	if (!dbsync_target_try_table_lacks(work->target, &spec, lacks))
		dbsync_target_raise(work->target, psprintf("looking up target table \"%s.%s\"",
												  table->target_schema, table->target_table));
	initStringInfo(&left_out);
	sent = MemoryContextAlloc(work->target_context, sizeof(int) * Max(shape->ncolumns, 1));
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (lacks[i] && !is_key(shape, i))
			appendStringInfo(&left_out, "%s%s", left_out.len > 0 ? ", " : "",
							 quote_identifier(shape->columns[i]));
		else
			sent[table->nsent++] = i;
	}
	if (left_out.len == 0)
		return;
	table->sent = sent;
	ereport(LOG,
			(errmsg("columns of table %s are left out, as target table \"%s.%s\" does not have them: %s",
					table->qualified, table->target_schema, table->target_table, left_out.data)));
}

DbsyncTableSpec
dbsync_target_table_spec_as(DbsyncWork *work, DbsyncTable *table, const DbsyncTableShape *shape,
							const DbsyncTableShape *later)
{
	DbsyncTableSpec spec;
	int		   *sent = MemoryContextAlloc(work->target_context, sizeof(int) * Max(shape->ncolumns, 1));
	DbsyncColumn *columns;

	/* their names are the target's own */
	if (dbsync_table_has_chosen_columns(table))
	{
		take_chosen(work, table, shape);
		return dbsync_target_table_spec(table, shape);
	}
	table->nsent = 0;
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (dbsync_shape_find_column(later, shape->numbers[i]) >= 0)
			sent[table->nsent++] = i;
	}
	table->sent = table->nsent < shape->ncolumns ? sent : NULL;
	spec = dbsync_target_table_spec(table, shape);
	columns = palloc(sizeof(DbsyncColumn) * Max(spec.ncolumns, 1));
	for (int i = 0; i < spec.ncolumns; i++)
	{
		columns[i] = spec.columns[i];
		columns[i].name = later->columns[dbsync_shape_find_column(later, shape->numbers[sent[i]])];
	}
	spec.columns = columns;
	return spec;
}

DbsyncTargetTable *
dbsync_target_table_look_up(DbsyncTarget *target, MemoryContext context, const DbsyncTable *table,
							const DbsyncTableShape *shape)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncTableSpec spec = dbsync_target_table_spec(table, shape);
	DbsyncTargetTable *handle = dbsync_target_try_table_open(target, &spec);

	pfree(unconstify(DbsyncColumn *, spec.columns));
	MemoryContextSwitchTo(old);
	return handle;
}

/* The same, and apart from the other tables of the subscription. */
static DbsyncTargetTable *
look_up_apart(DbsyncWork *work, const DbsyncTable *table, const DbsyncTableShape *shape)
{
	MemoryContext old = MemoryContextSwitchTo(work->target_context);
	DbsyncTableSpec spec = dbsync_target_table_spec(table, shape);
	DbsyncTargetTable *handle;

	name_others(work, table, &spec);
	handle = dbsync_target_try_table_open(work->target, &spec);
	pfree(unconstify(DbsyncColumn *, spec.columns));
	pfree(spec.other_schemas);
	pfree(spec.other_tables);
	MemoryContextSwitchTo(old);
	return handle;
}

bool
dbsync_target_table_is_open(const DbsyncTable *table, const DbsyncTableShape *shape)
{
	return table->handle != NULL && table->handle_shape == shape->id;
}

void
dbsync_target_table_follow_types(DbsyncWork *work, DbsyncTable *table, const DbsyncTableShape *shape,
								 const DbsyncTableShape *before)
{
	DbsyncTableSpec spec = whole_spec(table, shape);
	List	   *enums;
	List	   *row_types;

	if (!dbsync_target_follows_changes(work->target))
		return;
	if (dbsync_table_has_chosen_columns(table))
	{
		take_chosen(work, table, shape);
		spec = dbsync_target_table_spec(table, shape);
		before = NULL;
	}
	enums = dbsync_labels_of(&spec);
	row_types = dbsync_row_types_of(work, &spec, shape, before);
	if ((enums != NIL || row_types != NIL) &&
		!dbsync_target_try_types_follow(work->target, enums, row_types, work->subscription->ddl == DBSYNC_DDL_APPLY))
		dbsync_target_raise(work->target, psprintf("changing types of target table \"%s.%s\"",
												  table->target_schema, table->target_table));
}

/*
 * Where rows are recorded nothing refuses a label that is new, upon which the table would be looked up anew: so labels
 * are told before rows that have them.
 */
static void
tell_labels(DbsyncWork *work, DbsyncTable *table, const DbsyncTableShape *shape)
{
	if (!dbsync_target_is_folder(work->target))
		return;
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (shape->types[i] < FirstGenbkiObjectId)
			continue;
		dbsync_target_table_follow_types(work, table, shape, NULL);
		return;
	}
}

void
dbsync_target_table_open(DbsyncWork *work, DbsyncTable *table, const DbsyncTableShape *shape)
{
	table->used = work->uses;
	if (dbsync_target_table_is_open(table, shape))
	{
		tell_labels(work, table, shape);
		return;
	}
	work->opened++;
	work->openings++;
	work->cached++;
	refuse_same_table(work, table);
	if (shape->nkeys == 0 && !dbsync_target_counts_rows(work->target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" does not take tables without a key, as %s is one",
						work->subscription->target, table->qualified),
				 errhint("Add a primary key, or name the key: dbsync.add_table(..., key => '{...}').")));
	dbsync_target_table_follow_types(work, table, shape, NULL);
	dbsync_target_table_choose_columns(work, table, shape);
	table->handle = look_up_apart(work, table, shape);
	table->handle_shape = shape->id;
	if (table->handle == NULL)
		dbsync_target_raise(work->target, psprintf("looking up target table \"%s.%s\"",
												  table->target_schema, table->target_table));
}

static int
compare_uses(const ListCell *a, const ListCell *b)
{
	int64		left = ((const DbsyncTable *) lfirst(a))->used;
	int64		right = ((const DbsyncTable *) lfirst(b))->used;

	return left < right ? -1 : left > right;
}

/* A part more than is too many, so that it is not for one at a time. */
static void
close_surplus(DbsyncWork *work)
{
	List	   *open = NIL;
	List	   *handles = NIL;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		if (((DbsyncTable *) lfirst(lc))->handle != NULL)
			open = lappend(open, lfirst(lc));
	}
	work->opened = list_length(open);
	if (work->opened <= dbsync_target_tables)
		return;
	list_sort(open, compare_uses);
	open = list_truncate(open, work->opened - (dbsync_target_tables - dbsync_target_tables / 10));
	foreach(lc, open)
		handles = lappend(handles, ((DbsyncTable *) lfirst(lc))->handle);
	if (!dbsync_target_tables_close(work->target, handles))
		return;
	work->opened -= list_length(open);
	foreach(lc, open)
	{
		DbsyncTable *table = lfirst(lc);

		table->handle = NULL;
		table->sent = NULL;
		table->expressions = NULL;
	}
}

void
dbsync_target_table_close_surplus(DbsyncWork *work)
{
	MemoryContext old;

	work->uses++;
	if (work->opened <= dbsync_target_tables)
		return;
	old = MemoryContextSwitchTo(work->batch_context);
	close_surplus(work);
	MemoryContextSwitchTo(old);
}

void
dbsync_target_table_check_empty(DbsyncWork *work, DbsyncTable *table)
{
	if (table->existing_rows != NULL || !table->copy_data)
		return;
	if (dbsync_target_table_has_rows(work->target, table->handle))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("target table \"%s.%s\" has rows already",
						table->target_schema, table->target_table),
				 errdetail("A first copy of table %s would mix with them.", table->qualified),
				 errhint("Say what to do with them: dbsync.copy_table(%s, %s, existing_rows => 'truncate') or 'keep'.",
						 quote_literal_cstr(work->subscription->name),
						 quote_literal_cstr(table->qualified))));
}
