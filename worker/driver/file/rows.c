/*-------------------------------------------------------------------------
 *
 * worker/driver/file/rows.c
 *	  File driver: rows, in the steps that their modes are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "worker/driver/file/internal.h"

/* so many bytes of rows go by before the file's size is looked at */
#define LOOK_EVERY		(64 * 1024)

static DbsyncBundleDo
step_of(DbsyncRowsMode mode)
{
	switch (mode)
	{
		case DBSYNC_ROWS_APPEND:
			return DBSYNC_BUNDLE_APPEND;
		case DBSYNC_ROWS_PATCH:
			return DBSYNC_BUNDLE_PATCH;
		case DBSYNC_ROWS_DELETE:
			return DBSYNC_BUNDLE_DELETE;
		case DBSYNC_ROWS_COUNT:
			return DBSYNC_BUNDLE_COUNT;
		case DBSYNC_ROWS_CLEAR:
			return DBSYNC_BUNDLE_CLEAR;
		case DBSYNC_ROWS_MERGE:
		case DBSYNC_ROWS_TOGETHER:
		case DBSYNC_ROWS_DOUBTED:
		case DBSYNC_ROWS_CLEAR_DOUBTED:
			break;
	}
	return DBSYNC_BUNDLE_MERGE;
}

/* fields before those of the table's columns, or of its key's */
static int
fields_before(DbsyncBundleDo what)
{
	switch (what)
	{
		case DBSYNC_BUNDLE_MERGE:
		case DBSYNC_BUNDLE_CLEAR:
			return 1;
		case DBSYNC_BUNDLE_PATCH:
		case DBSYNC_BUNDLE_COUNT:
			return 2;
		default:
			return 0;
	}
}

bool
dbsync_file_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table, DbsyncRowsMode mode, int64 expected_rows)
{
	FileTarget *target = (FileTarget *) base;
	FileSending *sending = &target->batch->sending;
	MemoryContext old = MemoryContextSwitchTo(target->batch->context);

	memset(sending, 0, sizeof(FileSending));
	sending->table = table;
	sending->what = step_of(mode);
	sending->nfields = fields_before(sending->what) +
		(sending->what == DBSYNC_BUNDLE_DELETE ? table->table.nkeys : table->table.ncolumns);
	sending->values = palloc0(sizeof(char *) * Max(sending->nfields, 1));
	sending->lengths = palloc0(sizeof(int) * Max(sending->nfields, 1));
	initStringInfo(&sending->same);
	initStringInfo(&sending->count);
	MemoryContextSwitchTo(old);
	return true;
}

/* The step's rows in this file. */
static void
begin_member(FileTarget *target)
{
	FileSending *sending = &target->batch->sending;
	FileWriting *file = &target->batch->file;
	MemoryContext old;

	sending->step = dbsync_file_writing_step(target, sending->what);
	sending->step->table = dbsync_file_writing_table(target, sending->table);
	if (sending->what == DBSYNC_BUNDLE_APPEND)
	{
		sending->step->first = sending->table->first;
		sending->table->first = false;
	}
	old = MemoryContextSwitchTo(file->context);
	dbsync_bundle_rows_begin(file->writer, sending->table->form, sending->nfields);
	MemoryContextSwitchTo(old);
}

static void
end_member(FileTarget *target)
{
	FileWriting *file = &target->batch->file;
	MemoryContext old = MemoryContextSwitchTo(file->context);

	dbsync_bundle_rows_end(file->writer, target->batch->sending.step);
	MemoryContextSwitchTo(old);
}

/* Another row has come, and there is no room for it: the same step goes on in another file. */
static void
go_on_in_next(FileTarget *target)
{
	FileSending *sending = &target->batch->sending;

	end_member(target);
	sending->step->continues = true;
	sending->step = NULL;
	sending->full = false;
	dbsync_file_writing_finish(target, false);
}

static void
put_operation(FileSending *sending, DbsyncRowKind kind)
{
	sending->values[0] = kind == DBSYNC_ROW_INSERT ? "I" : kind == DBSYNC_ROW_UPDATE ? "U" : "D";
	sending->lengths[0] = 1;
}

/* Numbers of the columns that stay as they are, from 1. */
static void
put_same(FileSending *sending, const DbsyncRow *row)
{
	resetStringInfo(&sending->same);
	for (int i = 0; row->unchanged != NULL && i < sending->table->table.ncolumns; i++)
	{
		if (row->unchanged[i])
			appendStringInfo(&sending->same, "%s%d", sending->same.len > 0 ? "," : "", i + 1);
	}
	sending->values[1] = sending->same.len > 0 ? sending->same.data : NULL;
	sending->lengths[1] = sending->same.len;
}

/* as a bigint of the table's form */
static void
put_count(FileSending *sending, int64 count)
{
	resetStringInfo(&sending->count);
	if (sending->table->form == DBSYNC_ENCODING_BINARY)
	{
		uint64		swapped = pg_hton64((uint64) count);

		appendBinaryStringInfo(&sending->count, (const char *) &swapped, sizeof(swapped));
	}
	else
		appendStringInfo(&sending->count, INT64_FORMAT, count);
	sending->values[1] = sending->count.data;
	sending->lengths[1] = sending->count.len;
}

static bool
is_key(const DbsyncBundleTable *table, int column)
{
	for (int k = 0; k < table->nkeys; k++)
	{
		if (table->keys[k] == column)
			return true;
	}
	return false;
}

/* Of a row to delete only its key means something, and nothing else is there. */
static void
put_columns(FileSending *sending, const DbsyncRow *row, int before)
{
	bool		keys_only = row->kind == DBSYNC_ROW_DELETE && before > 0 && sending->what != DBSYNC_BUNDLE_COUNT;

	for (int i = before; i < sending->nfields; i++)
	{
		int			column = i - before;
		bool		left_out = (keys_only && !is_key(&sending->table->table, column)) ||
			(row->unchanged != NULL && row->unchanged[column]);

		sending->values[i] = left_out ? NULL : row->values[column];
		sending->lengths[i] = sending->values[i] ? row->lengths[column] : 0;
		sending->unlooked += sending->lengths[i] + 4;
	}
}

static bool
put_row(FileTarget *target, const DbsyncRow *row)
{
	FileSending *sending = &target->batch->sending;
	int			before = fields_before(sending->what);

	if (sending->full)
		go_on_in_next(target);
	if (sending->step == NULL)
		begin_member(target);
	if (before > 0)
		put_operation(sending, row->kind);
	if (sending->what == DBSYNC_BUNDLE_PATCH)
		put_same(sending, row);
	if (sending->what == DBSYNC_BUNDLE_COUNT)
		put_count(sending, row->count);
	put_columns(sending, row, before);
	dbsync_bundle_rows_put(target->batch->file.writer, sending->values, sending->lengths);
	if (sending->unlooked >= LOOK_EVERY)
	{
		sending->unlooked = 0;
		sending->full = dbsync_file_writing_is_full(target);
	}
	return true;
}

bool
dbsync_file_rows_put(DbsyncTarget *base, const DbsyncRow *row)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, put_row(target, row));
}

/* A step without rows says nothing, but for one that a receiver is to look before. */
static bool
end_rows(FileTarget *target)
{
	FileSending *sending = &target->batch->sending;

	if (sending->step == NULL && sending->what == DBSYNC_BUNDLE_APPEND && sending->table->first)
		begin_member(target);
	if (sending->step != NULL)
		end_member(target);
	target->batch->clearing = sending->what == DBSYNC_BUNDLE_CLEAR ? sending->step : NULL;
	pfree(sending->values);
	pfree(sending->lengths);
	pfree(sending->same.data);
	pfree(sending->count.data);
	memset(sending, 0, sizeof(FileSending));
	return true;
}

bool
dbsync_file_rows_end(DbsyncTarget *base)
{
	FileTarget *target = (FileTarget *) base;

	DBSYNC_FILE_GUARDED(target, end_rows(target));
}
