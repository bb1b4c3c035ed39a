/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/rows.c
 *	  PostgreSQL driver: rows of one table, and the small road.
 *
 * Rows wait in memory until rows_end, or until there are too many of them for
 * the small road.  Waiting lets all deletes go before the first insert, in
 * whatever order rows come: a row that takes over a unique value must find it
 * free.  The worker's estimate only spares the waiting when it is high; it may
 * be wrong in both directions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/careful.h"
#include "worker/driver/postgres/copy.h"
#include "worker/driver/postgres/count.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/narrow.h"
#include "worker/driver/postgres/patch.h"
#include "worker/driver/postgres/ranges.h"
#include "worker/driver/postgres/rows.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/table.h"
#include "worker/driver/postgres/together.h"

/*
 * Where a COPY into the stage and its merge begin to beat statements for single
 * rows, which need no round trip; and the most memory that rows may wait in.
 */
#define SMALL_ROWS	250
#define SMALL_BYTES (256 * 1024)

/*
 * From so many rows on, and where they are such a part of the table, to delete
 * them by their keys and to COPY them anew takes half the time of an update: the
 * COPY fills whole pages, and the rows are not staged.  Fewer rows leave their
 * pages the chance of heap-only updates.
 */
#define REPLACE_ROWS	20000
#define REPLACE_PART	0.3

bool
dbsync_postgres_is_large(int64 rows)
{
	return rows < 0 || rows > SMALL_ROWS;
}

bool
dbsync_postgres_table_wants_replace(const DbsyncTargetTable *table, int64 rows)
{
	return !table->upsertable ||
		(table->replaceable && rows >= REPLACE_ROWS && rows >= table->tuples * REPLACE_PART);
}

bool
dbsync_postgres_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table,
						   DbsyncRowsMode mode, int64 expected_rows)
{
	PostgresTarget *target = (PostgresTarget *) base;
	PostgresRows *rows = &target->rows;

	Assert(rows->table == NULL);
	Assert(mode != DBSYNC_ROWS_MERGE || table->upsertable || target->careful);
	Assert(mode != DBSYNC_ROWS_PATCH || dbsync_postgres_table_takes_unchanged(table) || target->careful);
	MemoryContextReset(rows->context);
	dbsync_postgres_touch(target, table);
	rows->table = table;
	rows->mode = mode;
	rows->ncolumns = mode == DBSYNC_ROWS_DELETE ? table->nkeys : table->ncolumns;
	rows->large = dbsync_postgres_is_large(expected_rows) || mode == DBSYNC_ROWS_TOGETHER || mode == DBSYNC_ROWS_CLEAR ||
		(mode == DBSYNC_ROWS_COUNT && dbsync_postgres_count_is_large(table, expected_rows));
	dbsync_postgres_careful_begin(target);
	rows->ranging = mode == DBSYNC_ROWS_DELETE && rows->large && dbsync_postgres_ranges_apply(table);
	rows->nruns = 0;
	rows->copying = rows->between = false;
	rows->turn = 0;
	resetStringInfo(&rows->held);
	rows->inserts = rows->updates = rows->deletes = rows->patches = 0;
	rows->added = rows->removed = 0;
	rows->first = NULL;
	rows->last = &rows->first;
	rows->bytes = 0;
	if (mode != DBSYNC_ROWS_DELETE || !rows->large)
		return true;
	/* what is deleted here may be inserted anew */
	table->emptied = target->batches;
	return dbsync_postgres_guard(target, table);
}

/* copy of a row, values behind it, in one piece */
static void
keep_row(PostgresRows *rows, const DbsyncRow *row)
{
	int			n = rows->ncolumns;
	Size		size = sizeof(PostgresWaitingRow) + n * (sizeof(char *) + sizeof(int));
	PostgresWaitingRow *waiting;
	char	   *bytes;

	for (int i = 0; i < n; i++)
		size += row->values[i] ? row->lengths[i] + 1 : 0;
	if (row->unchanged != NULL)
		size += n * sizeof(bool);
	waiting = MemoryContextAllocHuge(rows->context, size);
	waiting->next = NULL;
	waiting->row.kind = row->kind;
	waiting->row.count = row->count;
	waiting->row.values = (const char **) (waiting + 1);
	waiting->row.lengths = (int *) (waiting->row.values + n);
	waiting->row.unchanged = NULL;
	waiting->row.parked = NULL;
	bytes = (char *) (waiting->row.lengths + n);
	if (row->unchanged != NULL)
	{
		waiting->row.unchanged = memcpy(bytes, row->unchanged, n * sizeof(bool));
		bytes += n * sizeof(bool);
	}
	for (int i = 0; i < n; i++)
	{
		waiting->row.lengths[i] = row->lengths[i];
		waiting->row.values[i] = NULL;
		if (row->values[i] == NULL)
			continue;
		waiting->row.values[i] = memcpy(bytes, row->values[i], row->lengths[i]);
		bytes[row->lengths[i]] = '\0';
		bytes += row->lengths[i] + 1;
	}
	*rows->last = waiting;
	rows->last = &waiting->next;
	rows->bytes += size;
}

/* too many or too large: those that wait go first on the large road */
static bool
change_road(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;

	if (!dbsync_postgres_copy_begin(target))
		return false;
	for (PostgresWaitingRow *waiting = rows->first; waiting; waiting = waiting->next)
	{
		if (!dbsync_postgres_copy_row(target, &waiting->row))
			return false;
	}
	rows->first = NULL;
	rows->last = &rows->first;
	MemoryContextReset(rows->context);
	return true;
}

static Size
row_size(const PostgresRows *rows, const DbsyncRow *row)
{
	Size		size = 0;

	for (int i = 0; i < rows->ncolumns; i++)
		size += row->lengths[i];
	return size;
}

bool
dbsync_postgres_rows_put(DbsyncTarget *base, const DbsyncRow *row)
{
	PostgresTarget *target = (PostgresTarget *) base;
	PostgresRows *rows = &target->rows;

	switch (row->kind)
	{
		case DBSYNC_ROW_INSERT:
			rows->inserts++;
			rows->added += row->count;
			break;
		case DBSYNC_ROW_UPDATE:
			rows->updates++;
			break;
		case DBSYNC_ROW_DELETE:
			rows->deletes++;
			rows->removed += row->count;
			break;
	}
	if (row->unchanged != NULL)
		rows->patches++;
	if (rows->table->narrow && !dbsync_postgres_check_narrow(target, row))
		return false;
	if (rows->ranging)
		return dbsync_postgres_ranges_put(target, row);
	/* not before the first row: what was queued goes on while the source sorts */
	if (!rows->copying &&
		(rows->large || dbsync_postgres_is_large(rows->inserts + rows->updates + rows->deletes) ||
		 (rows->mode == DBSYNC_ROWS_COUNT && dbsync_postgres_is_large(rows->added)) ||
		 rows->bytes + row_size(rows, row) > SMALL_BYTES))
	{
		if (!change_road(target))
			return false;
	}
	if (rows->copying)
		return dbsync_postgres_copy_row(target, row);
	keep_row(rows, row);
	return true;
}

static bool
queue(PostgresTarget *target, DbsyncTargetTable *table, PostgresTableStatement statement,
	  const DbsyncRow *row)
{
	return dbsync_postgres_queue_table(target, table, statement,
									   table->prepared[statement] ? NULL
									   : dbsync_postgres_row_sql(table, statement), row);
}

static bool
queue_delete_by_key(PostgresTarget *target, const DbsyncRow *key)
{
	DbsyncTargetTable *table = target->rows.table;

	return queue(target, table, POSTGRES_TABLE_DELETE, key) &&
		(!table->swallows ||
		 queue(target, table, POSTGRES_TABLE_GONE, key));
}

/* in modes MERGE and PATCH a row to delete comes with all columns */
static bool
queue_delete(PostgresTarget *target, const DbsyncRow *row)
{
	DbsyncTargetTable *table = target->rows.table;
	const char *values[INDEX_MAX_KEYS];
	int			lengths[INDEX_MAX_KEYS];
	DbsyncRow	key = {.kind = DBSYNC_ROW_DELETE,.values = values,.lengths = lengths};

	if (target->rows.mode == DBSYNC_ROWS_COUNT)
		return dbsync_postgres_count_row(target, row);
	if (target->rows.mode == DBSYNC_ROWS_DELETE)
		return queue_delete_by_key(target, row);
	for (int k = 0; k < table->nkeys; k++)
	{
		values[k] = row->values[table->keys[k]];
		lengths[k] = row->lengths[table->keys[k]];
	}
	return queue_delete_by_key(target, &key);
}

static bool
queue_upsert(PostgresTarget *target, const DbsyncRow *row)
{
	PostgresRows *rows = &target->rows;

	if (row->unchanged != NULL)
		return dbsync_postgres_patch_row(target, row);
	if (rows->mode == DBSYNC_ROWS_COUNT)
	{
		for (int64 i = 0; i < row->count; i++)
		{
			if (!queue(target, rows->table, POSTGRES_TABLE_INSERT, row))
				return false;
		}
		return true;
	}
	return queue(target, rows->table,
									   rows->mode == DBSYNC_ROWS_APPEND
									   ? POSTGRES_TABLE_INSERT : POSTGRES_TABLE_UPSERT, row);
}

static bool
queue_waiting(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;

	if (rows->first != NULL && !dbsync_postgres_merge_finish(target))
		return false;
	for (PostgresWaitingRow *waiting = rows->first; waiting; waiting = waiting->next)
	{
		if (waiting->row.kind == DBSYNC_ROW_DELETE && !queue_delete(target, &waiting->row))
			return false;
	}
	for (PostgresWaitingRow *waiting = rows->first; waiting; waiting = waiting->next)
	{
		if (waiting->row.kind != DBSYNC_ROW_DELETE && !queue_upsert(target, &waiting->row))
			return false;
	}
	return true;
}

/* these are written by one statement, from a stage */
static bool
change_road_for_mixed(PostgresTarget *target)
{
	return target->rows.copying || target->rows.careful || !dbsync_postgres_rows_are_mixed(&target->rows) || change_road(target);
}

bool
dbsync_postgres_rows_end(DbsyncTarget *base)
{
	PostgresTarget *target = (PostgresTarget *) base;
	PostgresRows *rows = &target->rows;
	bool		good = !change_road_for_mixed(target) ? false : rows->ranging ? dbsync_postgres_ranges_end(target) :
		rows->copying ? dbsync_postgres_copy_end(target) : queue_waiting(target);

	/*
	 * That a row was left out is no error there, and a pipeline commits with its end: so
	 * its answers are read first.
	 */
	if (good && rows->table->swallows)
		good = dbsync_postgres_settle(target);

	/* statistics are read once per connection: keep up with what we do */
	if (rows->mode == DBSYNC_ROWS_APPEND && rows->table->emptied != target->batches)
		rows->table->tuples += rows->inserts;
	rows->table = NULL;
	target->batch_rows += rows->inserts + rows->updates + rows->deletes;
	return good;
}

bool
dbsync_postgres_rows_have_room(DbsyncTarget *base)
{
	/* 1: the socket does not take what is there already; of errors the next row tells */
	return PQflush(((PostgresTarget *) base)->conn) != 1;
}
