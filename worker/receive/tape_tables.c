/*-------------------------------------------------------------------------
 *
 * worker/receive/tape_tables.c
 *	  The target's tables of a batch, each looked up once a connection and in each shape.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "extension/settings.h"
#include "worker/receive/shape.h"
#include "worker/receive/tape.h"
#include "worker/target.h"

/* a table that is looked up over this connection */
typedef struct Opened
{
	const DbsyncBundleTable *table;
	DbsyncTargetTable *handle;
} Opened;

static MemoryContext opened_context = NULL;
static List *opened = NIL;		/* of Opened */

DbsyncTableSpec
dbsync_tape_spec(const DbsyncBundleTable *table)
{
	DbsyncTableSpec spec = {0};
	DbsyncColumn *columns = palloc0(sizeof(DbsyncColumn) * Max(table->ncolumns, 1));

	for (int i = 0; i < table->ncolumns; i++)
	{
		const DbsyncBundleColumn *column = &table->columns[i];

		columns[i] = (DbsyncColumn) {.name = column->name, .type = column->oid, .type_name = column->type,
		.typmod = column->typmod, .not_null = column->not_null};
	}
	for (int k = 0; k < table->nkeys; k++)
		columns[table->keys[k]].key = k + 1;
	spec.schema = table->schema;
	spec.table = table->table;
	spec.ncolumns = table->ncolumns;
	spec.columns = columns;
	spec.nkeys = table->nkeys;
	spec.keys = table->keys;
	spec.ngenerated = table->ngenerated;
	spec.generated = table->generated;
	spec.chosen = table->chosen;
	spec.attachment = table->id;
	spec.source = table->source;
	return spec;
}

/* The tables of a file that a step empties in one command; each is looked up. */
List *
dbsync_tape_emptied(DbsyncTape *tape, const DbsyncTapeStep *step)
{
	const DbsyncTapePiece *piece = linitial(step->pieces);
	List	   *tables = NIL;
	ListCell   *lc;

	foreach(lc, piece->step->tables)
		tables = lappend(tables, dbsync_tape_table(tape, dbsync_tape_table_at(piece->file, lfirst_int(lc))));
	return tables;
}

void
dbsync_tape_forget_tables(void)
{
	if (opened_context != NULL)
		MemoryContextReset(opened_context);
	opened = NIL;
}

static Opened *
find_opened(const DbsyncBundleTable *table)
{
	ListCell   *lc;

	foreach(lc, opened)
	{
		Opened	   *one = lfirst(lc);

		if (dbsync_shape_is_same(one->table, table))
			return one;
	}
	return NULL;
}

/* Those of an attachment are given up: it has another shape. */
static void
forget_table(const DbsyncBundleTable *table)
{
	ListCell   *lc;

	foreach(lc, opened)
	{
		Opened	   *one = lfirst(lc);

		if (memcmp(&one->table->id, &table->id, sizeof(pg_uuid_t)) == 0)
			opened = foreach_delete_current(opened, lc);
	}
}

/* Nobody goes by this handle any more. */
static void
forget_handle(const DbsyncTargetTable *handle)
{
	ListCell   *lc;

	foreach(lc, opened)
	{
		if (((Opened *) lfirst(lc))->handle == handle)
			opened = foreach_delete_current(opened, lc);
	}
}

/*
 * The driver knows a table by its columns, and by no attachment: so what is another table to us, as after another chain, may have the
 * same handle, looked up anew.  It is the last one's, or it would be given up twice.
 */
static void
note_opened(const DbsyncBundleTable *table, DbsyncTargetTable *handle)
{
	MemoryContext old;
	Opened	   *one;

	forget_handle(handle);
	if (opened_context == NULL)
		opened_context = AllocSetContextCreate(TopMemoryContext, "dbsync tables of a receiver", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(opened_context);
	one = palloc(sizeof(Opened));
	one->table = dbsync_shape_copy(table);
	one->handle = handle;
	opened = lappend(opened, one);
	MemoryContextSwitchTo(old);
}

static void
check_key(const DbsyncTape *tape, const DbsyncBundleTable *table)
{
	if (table->nkeys == 0 && !dbsync_target_counts_rows(tape->receiving->work->target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" does not take tables without a key, as %s is one",
						tape->receiving->receiver->target, table->source)));
}

/*
 * What the signer may write to is not all that the target's user may: the ledger is his, and says of other subscriptions how far
 * they have come.
 */
static void
check_place(const DbsyncBundleTable *table)
{
	static const char *const ours[] = {"information_schema", "dbsync", "dbsync_internal", "dbsync_ledger"};
	bool		is_ours = strncmp(table->schema, "pg_", 3) == 0;

	for (int i = 0; i < (int) lengthof(ours); i++)
		is_ours |= strcmp(table->schema, ours[i]) == 0;
	if (is_ours)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("a bundle is for table \"%s.%s\", which belongs to the system", table->schema, table->table),
				 errdetail("What comes in bundles is written to tables of users only."),
				 errhint("Somebody who has the source's key has named it: look at the source.")));
}

DbsyncTargetTable *
dbsync_tape_table(DbsyncTape *tape, const DbsyncBundleTable *table)
{
	DbsyncTarget *target = tape->receiving->work->target;
	Opened	   *one;
	DbsyncTableSpec spec;
	DbsyncTargetTable *handle;

	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a bundle has rows of a table that it does not describe")));
	one = find_opened(table);
	if (one != NULL)
		return one->handle;
	/* a look is a transaction of its own, whose end would be the batch's, too */
	if (tape->begun)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a bundle has rows of table %s in a shape that it does not have then", table->source),
				 errdetail("Its signature holds, so it was made like that.")));
	check_place(table);
	check_key(tape, table);
	spec = dbsync_tape_spec(table);
	handle = dbsync_target_try_table_open(target, &spec);
	if (handle == NULL)
		dbsync_target_raise(target, psprintf("looking up target table \"%s.%s\"", table->schema, table->table));
	note_opened(table, handle);
	return handle;
}

/* The driver gives it up as the table changes: a step that has it, though the table has another shape then, is a lie. */
static void
leave_handle(DbsyncTape *tape, const DbsyncTargetTable *handle)
{
	ListCell   *lc;

	forget_handle(handle);
	foreach(lc, tape->steps)
	{
		DbsyncTapeStep *step = lfirst(lc);

		if (step->handle == handle)
			step->handle = NULL;
	}
}

DbsyncTargetTable *
dbsync_tape_change(DbsyncTape *tape, const DbsyncTapeStep *step)
{
	DbsyncTarget *target = tape->receiving->work->target;
	const DbsyncTapePiece *piece = linitial(step->pieces);
	const DbsyncBundleTable *before = dbsync_tape_table_at(piece->file, piece->step->before);
	Opened	   *one = before ? find_opened(before) : NULL;
	DbsyncTargetTable *former = one ? one->handle : NULL;
	DbsyncTableSpec spec = dbsync_tape_spec(step->table);
	int			how = piece->step->how;
	DbsyncTargetTable *handle;

	if (!dbsync_target_follows_changes(target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" cannot follow changes of tables", tape->receiving->receiver->target)));
	check_place(step->table);
	if (tape->receiving->receiver->applies_ddl)
		how |= DBSYNC_CHANGE_MAKE;
	forget_table(step->table);
	if (former != NULL)
		leave_handle(tape, former);
	handle = dbsync_target_try_table_change(target, former, &spec, piece->step->changes, how);
	if (handle == NULL)
		dbsync_target_raise(target, psprintf("changing target table \"%s.%s\"", step->table->schema, step->table->table));
	note_opened(step->table, handle);
	return handle;
}

void
dbsync_tape_close_surplus(DbsyncReceiving *receiving)
{
	List	   *handles = NIL;
	ListCell   *lc;

	if (list_length(opened) <= dbsync_target_tables)
		return;
	foreach(lc, opened)
		handles = lappend(handles, ((Opened *) lfirst(lc))->handle);
	if (dbsync_target_tables_close(receiving->work->target, handles))
		dbsync_tape_forget_tables();
}

/* What the target checks by itself, and how: asked once a batch, and where nothing is checked, once a connection. */
static void
look_at_foreign_keys(DbsyncTape *tape)
{
	DbsyncTarget *target = tape->receiving->work->target;
	int			limit = list_length(opened) + list_length(tape->steps);
	const char **schemas;
	const char **tables;
	int			n = 0;
	bool		checked = false;
	List	   *keys = NIL;
	ListCell   *lc;

	if (!dbsync_target_has_foreign_keys(target) || limit == 0)
		return;
	schemas = palloc(sizeof(char *) * limit);
	tables = palloc(sizeof(char *) * limit);
	foreach(lc, opened)
	{
		schemas[n] = ((Opened *) lfirst(lc))->table->schema;
		tables[n++] = ((Opened *) lfirst(lc))->table->table;
	}
	/* those that are to be changed are not looked up before */
	foreach(lc, tape->steps)
	{
		const DbsyncTapeStep *step = lfirst(lc);

		if (step->what != DBSYNC_BUNDLE_CHANGE || step->table == NULL)
			continue;
		schemas[n] = step->table->schema;
		tables[n++] = step->table->table;
	}
	if (n == 0)
		return;
	dbsync_target_foreign_keys(target, n, schemas, tables, &checked, &keys);
	tape->together = checked && keys != NIL;
}

/* Does the batch itself give a table this shape? */
static bool
comes_to_be(const List *changed, const DbsyncBundleTable *table)
{
	ListCell   *lc;

	foreach(lc, changed)
	{
		if (dbsync_shape_is_same(lfirst(lc), table))
			return true;
	}
	return false;
}

/* The tables that a step empties are looked up, too. */
static void
open_emptied(DbsyncTape *tape, const DbsyncTapeStep *step, const List *changed)
{
	const DbsyncTapePiece *piece = linitial(step->pieces);
	ListCell   *lc;

	foreach(lc, piece->step->tables)
	{
		const DbsyncBundleTable *table = dbsync_tape_table_at(piece->file, lfirst_int(lc));

		if (table == NULL || !comes_to_be(changed, table))
			(void) dbsync_tape_table(tape, table);
	}
}

void
dbsync_tape_open_tables(DbsyncTape *tape)
{
	List	   *changed = NIL;
	DbsyncTarget *target = tape->receiving->work->target;
	bool		can_care = (target->driver->features & DBSYNC_FEATURE_CAREFUL) != 0;
	ListCell   *lc;

	foreach(lc, tape->steps)
	{
		DbsyncTapeStep *step = lfirst(lc);

		CHECK_FOR_INTERRUPTS();
		if (step->what == DBSYNC_BUNDLE_CHANGE)
			changed = lappend(changed, (void *) step->table);
		else if (step->table != NULL && !comes_to_be(changed, step->table))
			step->handle = dbsync_tape_table(tape, step->table);
		if (step->what == DBSYNC_BUNDLE_TRUNCATE)
			open_emptied(tape, step, changed);
	}
	look_at_foreign_keys(tape);
	foreach(lc, tape->steps)
	{
		const DbsyncTapeStep *step = lfirst(lc);

		if (step->what == DBSYNC_BUNDLE_PATCH && can_care &&
			(tape->together || step->handle == NULL || !dbsync_target_table_takes_unchanged(target, step->handle)))
			tape->careful = true;
	}
}
