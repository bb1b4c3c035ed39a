/*-------------------------------------------------------------------------
 *
 * worker/driver/file/steps.c
 *	  File driver: steps that are no rows.
 *
 * Nobody is asked, and nothing refused: what is to become of a change of shape is for the receiver
 * to say.  Types are named, as their oids mean nothing there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/driver/file/internal.h"

static bool
truncate_tables(FileTarget *target, DbsyncTargetTable **tables, int ntables)
{
	DbsyncBundleStep *step;

	if (ntables == 0)
		return true;
	step = dbsync_file_writing_step(target, DBSYNC_BUNDLE_TRUNCATE);
	for (int i = 0; i < ntables; i++)
	{
		int			table = dbsync_file_writing_table(target, tables[i]);
		MemoryContext old = MemoryContextSwitchTo(target->batch->file.context);

		step->tables = lappend_int(step->tables, table);
		MemoryContextSwitchTo(old);
		/* nothing is in it any more that could be in the way */
		tables[i]->first = false;
	}
	return true;
}

bool
dbsync_file_truncate(DbsyncTarget *base, DbsyncTargetTable **tables, int ntables)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, truncate_tables(target, tables, ntables));
}

/* --- changes of shape --- */

static char *
copy(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

static DbsyncIndex *
copy_index(const DbsyncIndex *from)
{
	DbsyncIndex *index = palloc0(sizeof(DbsyncIndex));

	index->name = copy(from->name);
	index->unique = from->unique;
	index->definition = copy(from->definition);
	return index;
}

/* With the type's name; what the source's worker knows of it may go before the file is finished. */
static DbsyncChange *
copy_change(const DbsyncChange *from)
{
	DbsyncChange *change = palloc(sizeof(DbsyncChange));

	*change = *from;
	change->column = copy(from->column);
	change->new_name = copy(from->new_name);
	if (OidIsValid(from->type))
		change->type_name = dbsync_file_type_name(from->type, from->typmod);
	change->type = dbsync_file_type_oid(from->type);
	change->old_type = dbsync_file_type_oid(from->old_type);
	change->collation = dbsync_file_type_oid(from->collation);
	change->value = copy(from->value);
	change->missing = copy(from->missing);
	change->keys = palloc(sizeof(char *) * Max(from->nkeys, 1));
	for (int k = 0; k < from->nkeys; k++)
		change->keys[k] = pstrdup(from->keys[k]);
	change->identity = copy(from->identity);
	change->index = from->index ? copy_index(from->index) : NULL;
	return change;
}

static bool
record_change(FileTarget *target, DbsyncTargetTable *before, DbsyncTargetTable *after, List *changes, int how)
{
	DbsyncBundleStep *step = dbsync_file_writing_step(target, DBSYNC_BUNDLE_CHANGE);
	MemoryContext old;
	ListCell   *lc;

	step->before = before ? dbsync_file_writing_table(target, before) : -1;
	step->table = dbsync_file_writing_table(target, after);
	step->how = how & (DBSYNC_CHANGE_TAKEN | DBSYNC_CHANGE_EMPTY | DBSYNC_CHANGE_SHARED | DBSYNC_CHANGE_FILL);
	old = MemoryContextSwitchTo(target->batch->file.context);
	foreach(lc, changes)
		step->changes = lappend(step->changes, copy_change(lfirst(lc)));
	MemoryContextSwitchTo(old);
	return true;
}

static bool
record_change_guarded(FileTarget *target, DbsyncTargetTable *before, DbsyncTargetTable *after, List *changes, int how)
{
	DBSYNC_FILE_GUARDED(target, record_change(target, before, after, changes, how));
}

DbsyncTargetTable *
dbsync_file_table_change(DbsyncTarget *base, DbsyncTargetTable *before, const DbsyncTableSpec *spec,
						 List *changes, int how)
{
	DbsyncTargetTable *after = dbsync_file_table_open(base, spec);

	if (after == NULL || !record_change_guarded((FileTarget *) base, before, after, changes, how))
		return NULL;
	return after;
}

/* Whatever the target has, all columns travel. */
bool
dbsync_file_table_lacks(DbsyncTarget *base, const DbsyncTableSpec *spec, bool *lacks)
{
	memset(lacks, 0, sizeof(bool) * spec->ncolumns);
	return true;
}

/* --- the rest --- */

static bool
record_delete_where(FileTarget *target, DbsyncTargetTable *table, const char *condition)
{
	DbsyncBundleStep *step = dbsync_file_writing_step(target, DBSYNC_BUNDLE_DELETE_WHERE);

	step->table = dbsync_file_writing_table(target, table);
	step->condition = MemoryContextStrdup(target->batch->file.context, condition);
	return true;
}

bool
dbsync_file_delete_where(DbsyncTarget *base, DbsyncTargetTable *table, const DbsyncTableSpec *spec, const char *condition)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, record_delete_where(target, table, condition));
}

/* Of the rows that have come last, in mode CLEAR; without any there is nothing to make room for. */
bool
dbsync_file_rows_clear(DbsyncTarget *base, DbsyncTargetTable *table, List *sets, List **keys)
{
	FileBatch  *batch = ((FileTarget *) base)->batch;
	MemoryContext old;
	ListCell   *lc;

	if (batch->clearing == NULL)
		return true;
	old = MemoryContextSwitchTo(batch->file.context);
	foreach(lc, sets)
		batch->clearing->sets = lappend(batch->clearing->sets, list_copy(lfirst(lc)));
	MemoryContextSwitchTo(old);
	batch->clearing = NULL;
	return true;
}

static DbsyncSequenceGoal *
copy_goal(const DbsyncSequenceGoal *from)
{
	DbsyncSequenceGoal *goal = palloc(sizeof(DbsyncSequenceGoal));

	*goal = *from;
	goal->schema = pstrdup(from->schema);
	goal->relation = pstrdup(from->relation);
	goal->column = copy(from->column);
	return goal;
}

/* What is recorded will be done: nobody can be asked how far they are. */
static void
answer(DbsyncSequenceGoal *goal)
{
	goal->found = DBSYNC_SEQUENCE_AHEAD;
	namestrcpy(&goal->found_schema, goal->schema);
	namestrcpy(&goal->found_name, goal->column ? goal->column : goal->relation);
	goal->there = goal->covered = goal->goal;
}

static bool
record_sequences(FileTarget *target, List *sequences)
{
	DbsyncBundleStep *step = dbsync_file_writing_step(target, DBSYNC_BUNDLE_SEQUENCES);
	MemoryContext old = MemoryContextSwitchTo(target->batch->file.context);
	ListCell   *lc;

	foreach(lc, sequences)
	{
		step->sequences = lappend(step->sequences, copy_goal(lfirst(lc)));
		answer(lfirst(lc));
	}
	MemoryContextSwitchTo(old);
	return true;
}

bool
dbsync_file_sequences_advance(DbsyncTarget *base, List *sequences)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, record_sequences(target, sequences));
}
