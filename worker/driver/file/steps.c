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

/* --- labels of enums, attributes of composite types --- */

static DbsyncEnum *
copy_enum(const DbsyncEnum *from)
{
	DbsyncEnum *copied = palloc0(sizeof(DbsyncEnum));
	ListCell   *lc;

	copied->type_name = dbsync_file_type_name(from->type, -1);
	copied->nlabels = from->nlabels;
	copied->labels = palloc0(sizeof(DbsyncLabel) * Max(from->nlabels, 1));
	for (int i = 0; i < from->nlabels; i++)
	{
		copied->labels[i].name = pstrdup(from->labels[i].name);
		foreach(lc, from->labels[i].former)
			copied->labels[i].former = lappend(copied->labels[i].former, pstrdup(lfirst(lc)));
	}
	return copied;
}

static bool
same_labels(const DbsyncEnum *a, const DbsyncEnum *b)
{
	if (a->nlabels != b->nlabels)
		return false;
	for (int i = 0; i < a->nlabels; i++)
	{
		if (strcmp(a->labels[i].name, b->labels[i].name) != 0 ||
			list_length(a->labels[i].former) != list_length(b->labels[i].former))
			return false;
	}
	return true;
}

/*
 * Receivers are told once a connection, and again when labels are others.  We are told with each batch: what is known
 * already is compared in the caller's context, and leaves nothing in the connection's.
 */
static void
note_enum(FileTarget *target, const DbsyncEnum *from)
{
	DbsyncEnum *wanted = copy_enum(from);
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, target->enums)
	{
		DbsyncEnum *known = lfirst(lc);

		if (strcmp(known->type_name, wanted->type_name) != 0)
			continue;
		if (same_labels(known, wanted))
			return;
		target->enums = foreach_delete_current(target->enums, lc);
		target->enums_due = list_delete_ptr(target->enums_due, known);
	}
	old = MemoryContextSwitchTo(target->base.context);
	wanted = copy_enum(from);
	target->enums = lappend(target->enums, wanted);
	target->enums_due = lappend(target->enums_due, wanted);
	MemoryContextSwitchTo(old);
}

static DbsyncRowType *
copy_row_type(const DbsyncRowType *from)
{
	DbsyncRowType *copied = palloc0(sizeof(DbsyncRowType));
	ListCell   *lc;

	copied->type_name = dbsync_file_type_name(from->type, -1);
	copied->nattributes = from->nattributes;
	copied->attributes = palloc0(sizeof(DbsyncAttribute) * Max(from->nattributes, 1));
	for (int i = 0; i < from->nattributes; i++)
	{
		const DbsyncAttribute *attribute = &from->attributes[i];
		DbsyncAttribute *own = &copied->attributes[i];

		*own = *attribute;
		own->former = NIL;
		foreach(lc, attribute->former)
			own->former = lappend(own->former, pstrdup(lfirst(lc)));
		/* the type of one that was dropped may be gone, too */
		if (attribute->name == NULL)
			own->type = InvalidOid;
		else
		{
			own->name = pstrdup(attribute->name);
			own->type_name = dbsync_file_type_name(attribute->type, attribute->typmod);
		}
	}
	return copied;
}

static bool
same_attributes(const DbsyncRowType *a, const DbsyncRowType *b)
{
	if (a->nattributes != b->nattributes)
		return false;
	for (int i = 0; i < a->nattributes; i++)
	{
		const char *name = a->attributes[i].name;
		const char *other = b->attributes[i].name;

		if ((name == NULL) != (other == NULL) || (name != NULL && strcmp(name, other) != 0) ||
			list_length(a->attributes[i].former) != list_length(b->attributes[i].former))
			return false;
	}
	return true;
}

static void
note_row_type(FileTarget *target, const DbsyncRowType *from)
{
	DbsyncRowType *wanted = copy_row_type(from);
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, target->row_types)
	{
		DbsyncRowType *known = lfirst(lc);

		if (strcmp(known->type_name, wanted->type_name) != 0)
			continue;
		if (same_attributes(known, wanted))
			return;
		target->row_types = foreach_delete_current(target->row_types, lc);
		target->row_types_due = list_delete_ptr(target->row_types_due, known);
	}
	old = MemoryContextSwitchTo(target->base.context);
	wanted = copy_row_type(from);
	target->row_types = lappend(target->row_types, wanted);
	target->row_types_due = lappend(target->row_types_due, wanted);
	MemoryContextSwitchTo(old);
}

void
dbsync_file_types_tell(FileTarget *target)
{
	DbsyncBundleStep *step;
	MemoryContext old;

	if (target->enums_due == NIL && target->row_types_due == NIL)
		return;
	step = dbsync_file_writing_step(target, DBSYNC_BUNDLE_TYPES);
	old = MemoryContextSwitchTo(target->batch->file.context);
	step->enums = list_copy(target->enums_due);
	step->row_types = list_copy(target->row_types_due);
	MemoryContextSwitchTo(old);
	list_free(target->enums_due);
	list_free(target->row_types_due);
	target->enums_due = target->row_types_due = NIL;
}

static bool
follow_types(FileTarget *target, List *enums, List *row_types)
{
	ListCell   *lc;

	foreach(lc, enums)
		note_enum(target, lfirst(lc));
	foreach(lc, row_types)
	{
		if (!((const DbsyncRowType *) lfirst(lc))->unchanged)
			note_row_type(target, lfirst(lc));
	}
	/* else with the next batch */
	if (target->batch != NULL)
		dbsync_file_types_tell(target);
	return true;
}

bool
dbsync_file_types_follow(DbsyncTarget *base, List *enums, List *row_types, bool make)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, follow_types(target, enums, row_types));
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
dbsync_file_rows_clear(DbsyncTarget *base, DbsyncTargetTable *table, List *sets)
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
