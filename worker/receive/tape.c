/*-------------------------------------------------------------------------
 *
 * worker/receive/tape.c
 *	  A batch as it is played: its files, its steps over all of them, and the target's tables.
 *
 * A step that reached the size of a file goes on in the next one.  Here it is one step again: half of it alone, two rows of which
 * have swapped a unique value, could not be written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "extension/settings.h"
#include "worker/receive/convert.h"
#include "worker/receive/tape.h"
#include "worker/target.h"

/* a table that is looked up over this connection */
typedef struct Opened
{
	pg_uuid_t	id;
	const char *schema;
	const char *table;
	char		fingerprint[DBSYNC_BUNDLE_HEX];
	DbsyncTargetTable *handle;
} Opened;

static MemoryContext opened_context = NULL;
static List *opened = NIL;		/* of Opened */

/* --- files and steps --- */

static void
open_file(DbsyncTape *tape, int i, int64 chain, int64 number)
{
	const DbsyncReceiver *receiver = tape->receiving->receiver;
	DbsyncTapeFile *file = &tape->files[i];
	const DbsyncCached *cached = dbsync_bundles_find(chain, number);
	char	   *path = dbsync_bundles_path(receiver, chain, number);
	DbsyncBundleVerdict verdict;
	const char *reason = NULL;
	DbsyncCached found;

	file->reader = dbsync_bundle_open(path, receiver->keys, &verdict, &reason);
	if (file->reader == NULL)
	{
		/* it is looked at anew, and taken away if it is still so */
		dbsync_bundles_forget();
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" cannot be proved any more", path),
				 errdetail("%s", reason ? reason : "")));
	}
	found = dbsync_bundles_describe(file->reader, 0);
	if (cached == NULL || strcmp(cached->sums, found.sums) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" has become another one", path)));
	file->head = dbsync_bundle_head(file->reader);
	if (dbsync_bundle_is_sealed(file->reader) && tape->unsealer == NULL)
	{
		if (receiver->identity_file == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("bundle " INT64_FORMAT " of chain " INT64_FORMAT " is encrypted", number, chain),
					 errhint("Give the receiver the key and the certificate: SELECT dbsync.alter_receiver(%s, options => '{\"identity_file\": ...}').",
							 quote_literal_cstr(receiver->name))));
		tape->unsealer = dbsync_unseal_load(receiver->identity_file, "identity_file");
	}
	file->contents = dbsync_bundle_contents(file->reader, tape->unsealer);
	dbsync_bundle_rest(file->reader);
}

static const DbsyncBundleTable *
table_at(const DbsyncTapeFile *file, int i)
{
	if (i < 0 || i >= list_length(file->contents->tables))
		return NULL;
	return list_nth(file->contents->tables, i);
}

static void
add_step(DbsyncTape *tape, const DbsyncTapeFile *file, const DbsyncBundleStep *step, bool goes_on)
{
	DbsyncTapePiece *piece = palloc(sizeof(DbsyncTapePiece));
	DbsyncTapeStep *whole;

	piece->file = file;
	piece->step = step;
	if (goes_on)
	{
		whole = llast(tape->steps);
		if (whole->what != step->what)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("bundle " INT64_FORMAT " does not go on with the step that the one before it has begun",
							file->head->number)));
	}
	else
	{
		whole = palloc0(sizeof(DbsyncTapeStep));
		whole->what = step->what;
		whole->table = table_at(file, step->table);
		tape->steps = lappend(tape->steps, whole);
	}
	whole->pieces = lappend(whole->pieces, piece);
	whole->rows += step->rows;
	tape->changes |= step->what == DBSYNC_BUNDLE_CHANGE;
	tape->copies |= step->what == DBSYNC_BUNDLE_APPEND && step->first;
}

static void
gather_steps(DbsyncTape *tape)
{
	bool		continues = false;

	for (int i = 0; i < tape->nfiles; i++)
	{
		const DbsyncTapeFile *file = &tape->files[i];
		ListCell   *lc;

		foreach(lc, file->contents->steps)
		{
			const DbsyncBundleStep *step = lfirst(lc);

			add_step(tape, file, step, continues);
			continues = step->continues;
		}
		tape->rows += file->head->rows;
		tape->copies |= file->contents->parts != NIL;
	}
}

DbsyncTape *
dbsync_tape_open(DbsyncReceiving *receiving, const DbsyncNext *next)
{
	DbsyncTape *tape = palloc0(sizeof(DbsyncTape));

	tape->receiving = receiving;
	tape->context = CurrentMemoryContext;
	tape->nfiles = next->nfiles;
	tape->files = palloc0(sizeof(DbsyncTapeFile) * next->nfiles);
	for (int i = 0; i < next->nfiles; i++)
		open_file(tape, i, next->chain, next->number + i);
	tape->last = &tape->files[next->nfiles - 1];
	if (tape->last->head->position == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("bundle " INT64_FORMAT " completes a batch, and has no position", tape->last->head->number)));
	gather_steps(tape);
	return tape;
}

void
dbsync_tape_close(DbsyncTape *tape)
{
	for (int i = 0; i < tape->nfiles; i++)
		dbsync_bundle_close(tape->files[i].reader);
}

/* --- tables --- */

DbsyncTableSpec
dbsync_tape_spec(const DbsyncBundleTable *table)
{
	int			n = Max(table->ncolumns, 1);
	DbsyncTableSpec spec = {0};
	const char **columns = palloc(sizeof(char *) * n);
	const char **type_names = palloc(sizeof(char *) * n);
	Oid		   *types = palloc(sizeof(Oid) * n);
	int32	   *typmods = palloc(sizeof(int32) * n);
	Oid		   *collations = palloc0(sizeof(Oid) * n);
	bool	   *not_null = palloc(sizeof(bool) * n);

	for (int i = 0; i < table->ncolumns; i++)
	{
		const DbsyncBundleColumn *column = &table->columns[i];

		columns[i] = column->name;
		type_names[i] = column->type;
		types[i] = column->oid;
		typmods[i] = column->typmod;
		not_null[i] = column->not_null;
	}
	spec.schema = table->schema;
	spec.table = table->table;
	spec.ncolumns = table->ncolumns;
	spec.columns = columns;
	spec.types = types;
	spec.typmods = typmods;
	spec.collations = collations;
	spec.nkeys = table->nkeys;
	spec.keys = table->keys;
	spec.ngenerated = table->ngenerated;
	spec.generated = table->generated;
	spec.chosen = table->chosen;
	spec.attachment = table->id;
	spec.source = table->source;
	spec.type_names = type_names;
	spec.not_null = not_null;
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
		tables = lappend(tables, dbsync_tape_table(tape, table_at(piece->file, lfirst_int(lc))));
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

		if (memcmp(&one->id, &table->id, sizeof(pg_uuid_t)) == 0 && strcmp(one->fingerprint, table->fingerprint) == 0 &&
			strcmp(one->schema, table->schema) == 0 && strcmp(one->table, table->table) == 0)
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

		if (memcmp(&one->id, &table->id, sizeof(pg_uuid_t)) == 0)
			opened = foreach_delete_current(opened, lc);
	}
}

static void
note_opened(const DbsyncBundleTable *table, DbsyncTargetTable *handle)
{
	MemoryContext old;
	Opened	   *one;

	if (opened_context == NULL)
		opened_context = AllocSetContextCreate(TopMemoryContext, "dbsync tables of a receiver", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(opened_context);
	one = palloc0(sizeof(Opened));
	one->id = table->id;
	one->schema = pstrdup(table->schema);
	one->table = pstrdup(table->table);
	strlcpy(one->fingerprint, table->fingerprint, sizeof(one->fingerprint));
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
	check_key(tape, table);
	spec = dbsync_tape_spec(table);
	handle = dbsync_target_try_table_open(target, &spec);
	if (handle == NULL)
		dbsync_target_raise(target, psprintf("looking up target table \"%s.%s\"", table->schema, table->table));
	note_opened(table, handle);
	return handle;
}

DbsyncTargetTable *
dbsync_tape_change(DbsyncTape *tape, const DbsyncTapeStep *step)
{
	DbsyncTarget *target = tape->receiving->work->target;
	const DbsyncTapePiece *piece = linitial(step->pieces);
	const DbsyncBundleTable *before = table_at(piece->file, piece->step->before);
	Opened	   *one = before ? find_opened(before) : NULL;
	DbsyncTableSpec spec = dbsync_tape_spec(step->table);
	int			how = piece->step->how;
	DbsyncTargetTable *handle;

	if (!dbsync_target_follows_changes(target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" cannot follow changes of tables", tape->receiving->receiver->target)));
	if (tape->receiving->receiver->applies_ddl)
		how |= DBSYNC_CHANGE_MAKE;
	forget_table(step->table);
	handle = dbsync_target_try_table_change(target, one ? one->handle : NULL, &spec, piece->step->changes, how);
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
		schemas[n] = ((Opened *) lfirst(lc))->schema;
		tables[n++] = ((Opened *) lfirst(lc))->table;
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
		const DbsyncBundleTable *other = lfirst(lc);

		if (memcmp(&other->id, &table->id, sizeof(pg_uuid_t)) == 0 && strcmp(other->fingerprint, table->fingerprint) == 0)
			return true;
	}
	return false;
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
		if (step->what == DBSYNC_BUNDLE_TRUNCATE && changed == NIL)
			(void) dbsync_tape_emptied(tape, step);
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
