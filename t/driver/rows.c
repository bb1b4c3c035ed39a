/*-------------------------------------------------------------------------
 *
 * t/driver/rows.c
 *	  Tables and their rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "internal.h"

/* A table that is not there yet is made by its first rows; one is refused, for the tests. */
DbsyncTargetTable *
file_table_open(DbsyncTarget *base, const DbsyncTableSpec *spec)
{
	FileTarget *target = (FileTarget *) base;
	MemoryContext old;
	DbsyncTargetTable *table;
	StringInfoData columns;

	if (strcmp(spec->table, "refused") == 0)
	{
		(void) file_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_WRONG_OBJECT_TYPE,
						   psprintf("target \"%s\" takes no table \"%s.%s\"",
									target->name, spec->schema, spec->table),
						   "It is called so.", "Give it another name.");
		return NULL;
	}
	old = MemoryContextSwitchTo(base->context);
	table = palloc0(sizeof(DbsyncTargetTable));
	table->schema = pstrdup(spec->schema);
	table->name = pstrdup(spec->table);
	table->ncolumns = spec->ncolumns;
	table->nkeys = spec->nkeys;
	table->keys = palloc(sizeof(int) * spec->nkeys);
	memcpy(table->keys, spec->keys, sizeof(int) * spec->nkeys);
	initStringInfo(&columns);
	if (base->driver->dialect != DBSYNC_DIALECT_POSTGRES)
		table->forms = palloc(sizeof(DbsyncForm) * spec->ncolumns);
	for (int i = 0; i < spec->ncolumns; i++)
	{
		file_put_field(&columns, spec->columns[i].name);
		/* with declarations, which are for people here: a file has room for everything */
		if (table->forms == NULL)
			continue;
		file_put_field(&columns, spec->columns[i].declaration);
		table->forms[i] = spec->columns[i].form;
	}
	table->columns = columns.data;
	MemoryContextSwitchTo(old);
	return table;
}

const DbsyncForm *
file_table_forms(const DbsyncTargetTable *table)
{
	return table->forms;
}

/* The i-th column's value as it is in the file: what is no text as hexadecimal digits. */
static const char *
as_text(const DbsyncTargetTable *table, int i, const char *value, int length)
{
	DbsyncFormKind kind = table->forms ? table->forms[i].kind : DBSYNC_FORM_TEXT;
	StringInfoData text;

	if (value == NULL || kind == DBSYNC_FORM_TEXT)
		return value;
	initStringInfo(&text);
	if (kind == DBSYNC_FORM_NUMBER || kind == DBSYNC_FORM_STRING || kind == DBSYNC_FORM_HEX)
		appendBinaryStringInfo(&text, value, length);
	else
		for (int k = 0; k < length; k++)
			appendStringInfo(&text, "%02x", (unsigned char) value[k]);
	return text.data;
}

bool
file_table_has_rows(DbsyncTarget *base, DbsyncTargetTable *table, bool *has_rows)
{
	FileContents *contents = file_read((FileTarget *) base);
	FileTable  *found;

	if (contents == NULL)
		return false;
	found = file_table(contents, table->schema, table->name, false);
	*has_rows = found != NULL && rbt_leftmost(found->rows) != NULL;
	MemoryContextDelete(contents->context);
	return true;
}

bool
file_truncate(DbsyncTarget *base, DbsyncTargetTable **tables, int ntables)
{
	FileTarget *target = (FileTarget *) base;

	for (int i = 0; i < ntables; i++)
		file_table(target->batch, tables[i]->schema, tables[i]->name, true)->rows =
			file_new_rows(target->batch);
	return true;
}

bool
file_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table, DbsyncRowsMode mode, int64 expected_rows)
{
	FileTarget *target = (FileTarget *) base;

	if (mode == DBSYNC_ROWS_PATCH)
		return file_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_FEATURE_NOT_SUPPORTED,
						   "rows with untouched columns were sent to a driver that takes none",
						   NULL, NULL);
	target->sending = table;
	target->mode = mode;
	target->table = file_table(target->batch, table->schema, table->name, true);
	target->table->columns = MemoryContextStrdup(target->batch->context, table->columns);
	return true;
}

/* The row's key, as fields; of rows to delete there are only the columns of the key. */
static char *
key_of(const FileTarget *target, const DbsyncRow *row)
{
	const DbsyncTargetTable *table = target->sending;
	StringInfoData key;

	initStringInfo(&key);
	for (int k = 0; k < table->nkeys; k++)
	{
		int			at = target->mode == DBSYNC_ROWS_DELETE ? k : table->keys[k];

		file_put_field(&key, as_text(table, table->keys[k], row->values[at], row->lengths[at]));
	}
	return key.data;
}

static bool
put(FileTarget *target, const DbsyncRow *row, const char *key)
{
	StringInfoData values;

	initStringInfo(&values);
	for (int i = 0; i < target->sending->ncolumns; i++)
	{
		if (row->unchanged != NULL && row->unchanged[i])
			return file_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_FEATURE_NOT_SUPPORTED,
							   "a row with untouched columns was sent", NULL, NULL);
		file_put_field(&values, as_text(target->sending, i, row->values[i], row->lengths[i]));
	}
	file_put_row(target->batch, target->table, key, values.data);
	return true;
}

/* Called in a context that dies with the row. */
bool
file_rows_put(DbsyncTarget *base, const DbsyncRow *row)
{
	FileTarget *target = (FileTarget *) base;
	char	   *key = key_of(target, row);

	if (target->mode == DBSYNC_ROWS_DELETE || (target->mode == DBSYNC_ROWS_MERGE && row->kind == DBSYNC_ROW_DELETE))
		file_delete_row(target->table, key);
	else if (target->mode == DBSYNC_ROWS_APPEND && file_has_row(target->table, key))
	{
		/* the worker sends it once more, without a word; tests look for this one */
		ereport(LOG,
				(errmsg("duplicate key value in target \"%s\", table \"%s.%s\"",
						target->name, target->table->schema, target->table->name)));
		return file_refuse(target, DBSYNC_FAULT_CLASH, ERRCODE_UNIQUE_VIOLATION,
						   "a row to insert is there already", NULL, NULL);
	}
	else if (!put(target, row, key))
		return false;
	return file_hold(target, "rows");
}

bool
file_rows_end(DbsyncTarget *base)
{
	((FileTarget *) base)->sending = NULL;
	return true;
}
