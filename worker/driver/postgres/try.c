/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/try.c
 *	  PostgreSQL driver: doubted rows go the roads of all others, behind a savepoint.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/clear.h"
#include "worker/driver/postgres/doubting.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/recover.h"
#include "worker/driver/postgres/rows.h"
#include "worker/driver/postgres/step.h"

static bool
put_key(PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncRow *row)
{
	const char *values[INDEX_MAX_KEYS];
	int			lengths[INDEX_MAX_KEYS];
	DbsyncRow	key = {.kind = DBSYNC_ROW_DELETE,.values = values,.lengths = lengths,.count = 1};

	for (int k = 0; k < table->nkeys; k++)
	{
		values[k] = row->values[table->keys[k]];
		lengths[k] = row->lengths[table->keys[k]];
	}
	return dbsync_postgres_rows_put(&target->base, &key);
}

static bool
write_rows(PostgresTarget *target, DbsyncTargetTable *table, PostgresDoubted **rows, int n, DbsyncRowsMode mode)
{
	int			writes = 0;
	MemoryContext context;
	MemoryContext old;
	bool		good = true;

	for (int i = 0; i < n; i++)
		writes += mode != DBSYNC_ROWS_APPEND || rows[i]->row.kind != DBSYNC_ROW_DELETE;
	if (writes == 0)
		return true;
	if (!dbsync_postgres_rows_begin(&target->base, table, mode, writes))
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "dbsync doubted row", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	for (int i = 0; good && i < n; i++)
	{
		DbsyncRow	row;

		if (mode == DBSYNC_ROWS_APPEND && rows[i]->row.kind == DBSYNC_ROW_DELETE)
			continue;
		MemoryContextReset(context);
		row = mode == DBSYNC_ROWS_DELETE ? rows[i]->row : dbsync_postgres_doubted_row(rows[i]);
		good = mode == DBSYNC_ROWS_DELETE ? put_key(target, table, &row) : dbsync_postgres_rows_put(&target->base, &row);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return good && dbsync_postgres_rows_end(&target->base) && dbsync_postgres_merge_finish(target) && dbsync_postgres_settle(target);
}

bool
dbsync_postgres_doubted_write(PostgresTarget *target, DbsyncTargetTable *table, PostgresDoubted **rows, int n,
							  DbsyncRowsMode mode)
{
	bool		binary = table->binary;
	bool		good;

	/* they have come as text, as people are to read those that are refused */
	table->binary = false;
	good = write_rows(target, table, rows, n, mode);
	table->binary = binary;
	return good;
}

static char *
keep(const char *text)
{
	return text ? pstrdup(text) : NULL;
}

bool
dbsync_postgres_doubted_back(PostgresTarget *target, const PostgresMark *mark, DbsyncFault *said)
{
	const DbsyncFault *fault = &target->base.fault;

	if (!fault->of_row || target->broken)
		return false;
	*said = *fault;
	said->message = keep(fault->message);
	said->detail = keep(fault->detail);
	said->hint = keep(fault->hint);
	dbsync_postgres_forget_fault(target);
	return dbsync_postgres_go_back(target, mark);
}

bool
dbsync_postgres_doubted_try(PostgresTarget *target, DbsyncTargetTable *table, PostgresDoubted **rows, int n, bool replace,
							bool *fits, DbsyncFault *said)
{
	PostgresMark mark;

	if (!dbsync_postgres_mark(target, list_make1(table), &mark))
		return false;
	*fits = replace || !table->upsertable
		? dbsync_postgres_doubted_write(target, table, rows, n, DBSYNC_ROWS_DELETE) &&
		dbsync_postgres_doubted_write(target, table, rows, n, DBSYNC_ROWS_APPEND)
		: dbsync_postgres_doubted_write(target, table, rows, n, DBSYNC_ROWS_MERGE);
	if (*fits)
		return dbsync_postgres_keep(target);
	return dbsync_postgres_doubted_back(target, &mark, said);
}

/* --- room for them --- */

/* What is in the way of these is deleted, and its keys are kept. */
static bool
clear_staged(PostgresTarget *target, DbsyncTargetTable *table)
{
	PostgresDoubt *doubt = target->doubt;
	List	   *keys = NIL;
	ListCell   *lc;

	if (!dbsync_postgres_rows_clear(&target->base, table, NIL, &keys))
		return false;
	foreach(lc, keys)
	{
		MemoryContext old = MemoryContextSwitchTo(doubt->kept_context);
		char	  **key = palloc(sizeof(char *) * table->nkeys);

		for (int k = 0; k < table->nkeys; k++)
			key[k] = pstrdup(((char **) lfirst(lc))[k]);
		doubt->cleared = lappend(doubt->cleared, key);
		MemoryContextSwitchTo(old);
	}
	return true;
}

bool
dbsync_postgres_doubted_clear(PostgresTarget *target, DbsyncTargetTable *table, PostgresDoubted **rows, int n)
{
	PostgresMark mark;
	DbsyncFault said;
	int			before = list_length(target->doubt->cleared);

	if (n == 0)
		return true;
	if (!dbsync_postgres_mark(target, list_make1(table), &mark))
		return false;
	if (dbsync_postgres_doubted_write(target, table, rows, n, DBSYNC_ROWS_CLEAR) && clear_staged(target, table))
		return dbsync_postgres_keep(target);
	if (!dbsync_postgres_doubted_back(target, &mark, &said))
		return false;
	target->doubt->cleared = list_truncate(target->doubt->cleared, before);
	return n == 1 || (dbsync_postgres_doubted_clear(target, table, rows, n / 2) && dbsync_postgres_doubted_clear(target, table, rows + n / 2, n - n / 2));
}
