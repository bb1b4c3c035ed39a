/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/step_rows.c
 *	  PostgreSQL driver: statements that go out with a row.
 *
 * They are prepared the first time that they are queued; a table has one of each kind, and
 * one for each set of columns that a row lacks, or has as nulls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/step_queue.h"

static bool
has_keys_only(PostgresTableStatement statement)
{
	return statement == POSTGRES_TABLE_DELETE || statement == POSTGRES_TABLE_GONE;
}

/* parameters have the columns' own types, so nothing is left to guess */
static Oid *
row_types(const DbsyncTargetTable *table, PostgresTableStatement statement)
{
	bool		keys_only = has_keys_only(statement);
	int			n = keys_only ? table->nkeys : table->ncolumns;
	Oid		   *types = palloc(n * sizeof(Oid));

	for (int i = 0; i < n; i++)
		types[i] = table->columns[keys_only ? table->keys[i] : i].type;
	return types;
}

/* A row to delete may be gone already, and where there is nothing to assign one may be there. */
static PostgresStepKind
kind_of_row(const DbsyncTargetTable *table, PostgresTableStatement statement)
{
	if (statement == POSTGRES_TABLE_INSERT ||
		(statement == POSTGRES_TABLE_UPSERT && table->assignable))
		return POSTGRES_STEP_ROW;
	return statement == POSTGRES_TABLE_GONE ? POSTGRES_STEP_GONE : POSTGRES_STEP_PLAIN;
}

bool
dbsync_postgres_queue_table(PostgresTarget *target, DbsyncTargetTable *table,
							PostgresTableStatement statement, const char *sql, const DbsyncRow *row)
{
	char		name[NAMEDATALEN];
	int			nparams = has_keys_only(statement) ? table->nkeys : table->ncolumns;

	if (!dbsync_postgres_enter_pipeline(target))
		return false;
	snprintf(name, sizeof(name), "dbsync_table_%d_%d", table->number, statement);
	if (sql != NULL)
	{
		Oid		   *types = row_types(table, statement);

		if (!dbsync_postgres_queue_prepare(target, table, name, sql, nparams, types))
			return false;
		table->prepared[statement] = true;
		pfree(types);
	}
	return dbsync_postgres_queue_prepared(target, kind_of_row(table, statement), table, name, nparams, row->values,
						  table->binary ? row->lengths : NULL,
						  table->binary ? table->binary_formats : NULL);
}

bool
dbsync_postgres_queue_patch(PostgresTarget *target, DbsyncTargetTable *table,
							int mask, const char *sql, const DbsyncRow *row)
{
	char		name[NAMEDATALEN];
	Oid		   *types = NULL;
	bool		queued;

	if (!dbsync_postgres_enter_pipeline(target))
		return false;
	snprintf(name, sizeof(name), "dbsync_patch_%d_%d", table->number, mask);
	if (sql != NULL)
		types = row_types(table, POSTGRES_TABLE_UPSERT);
	if (mask < 0)
	{
		if (PQsendQueryParams(target->conn, sql, table->ncolumns, types, row->values,
							  table->binary ? row->lengths : NULL,
							  table->binary ? table->binary_formats : NULL, 0) == 0)
			return dbsync_postgres_lost(target);
		dbsync_postgres_add_step(target, POSTGRES_STEP_PATCH, table);
		queued = true;
	}
	else
		queued = (sql == NULL ||
				  dbsync_postgres_queue_prepare(target, table, name, sql, table->ncolumns, types)) &&
			dbsync_postgres_queue_prepared(target, POSTGRES_STEP_PATCH, table, name, table->ncolumns, row->values,
						   table->binary ? row->lengths : NULL,
						   table->binary ? table->binary_formats : NULL);
	if (types != NULL)
		pfree(types);
	return queued;
}

void
dbsync_postgres_expect(PostgresTarget *target, int64 rows, int64 *missing)
{
	PostgresStep *step = &target->steps[target->nsteps - 1];

	step->kind = POSTGRES_STEP_COUNT;
	step->wanted = rows;
	step->missing = missing;
}

/* A domain may forbid what a row had that is deleted now: it is compared as its base type. */
static void
count_parameters(const DbsyncTargetTable *table, const DbsyncRow *row, Oid *types,
				 const char **values, int *lengths, int *formats)
{
	int			n = table->ncolumns;

	for (int i = 0; i < n; i++)
	{
		types[i] = table->columns[i].base_type;
		values[i] = row->values[i];
		lengths[i] = row->lengths[i];
		formats[i] = table->binary ? 1 : 0;
	}
	types[n] = INT8OID;
	values[n] = psprintf(INT64_FORMAT, row->count);
	lengths[n] = formats[n] = 0;
}

bool
dbsync_postgres_queue_count(PostgresTarget *target, DbsyncTargetTable *table, int pattern,
							const char *sql, const DbsyncRow *row)
{
	int			n = table->ncolumns + 1;
	char		name[NAMEDATALEN];
	Oid		   *types = palloc(sizeof(Oid) * n);
	const char **values = palloc(sizeof(char *) * n);
	int		   *lengths = palloc(sizeof(int) * n);
	int		   *formats = palloc(sizeof(int) * n);
	bool		queued;

	if (!dbsync_postgres_enter_pipeline(target))
		return false;
	snprintf(name, sizeof(name), "dbsync_count_%d_%d", table->number, pattern);
	count_parameters(table, row, types, values, lengths, formats);
	if (pattern < 0)
	{
		if (PQsendQueryParams(target->conn, sql, n, types, values, lengths, formats, 0) == 0)
			return dbsync_postgres_lost(target);
		dbsync_postgres_add_step(target, POSTGRES_STEP_COUNT, table);
		queued = true;
	}
	else
		queued = (sql == NULL || dbsync_postgres_queue_prepare(target, table, name, sql, n, types)) &&
			dbsync_postgres_queue_prepared(target, POSTGRES_STEP_COUNT, table, name, n, values, lengths, formats);
	if (queued)
		dbsync_postgres_expect(target, row->count, &table->missing);
	pfree(unconstify(char *, values[n - 1]));
	pfree(types);
	pfree(values);
	pfree(lengths);
	pfree(formats);
	return queued;
}
