/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/ranges.c
 *	  PostgreSQL driver: keys to delete that follow one another.
 *
 * Who deletes or rewrites many rows mostly takes those of neighbouring keys, in
 * their order.  Between two integers that follow one another there is no third,
 * so a run of them is the same set of rows as a range, and a range needs no stage
 * and no join.  Runs are gathered as keys come, and joined when all have come; one
 * that has become long is deleted at once, while the source reads on.  Where runs
 * turn out to be short, the keys go to the stage as all others do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "port/pg_bswap.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/copy.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/ranges.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"

/* room for runs: 8 MB at most, sorted when they are many */
#define FEW_RUNS	1024
#define MAX_RUNS	(512 * 1024)

/*
 * Keys of a run on the average, for a statement each to beat the stage: to parse and
 * plan one takes as long as the join takes for so many.
 */
#define MEAN_RUN	100

/* so many keys are not kept waiting */
#define LONG_RUN	100000

bool
dbsync_postgres_ranges_apply(const DbsyncTargetTable *table)
{
	const PostgresColumn *key = &table->columns[table->keys[0]];

	return table->binary && table->nkeys == 1 &&
		(key->base_type == INT2OID || key->base_type == INT4OID || key->base_type == INT8OID) &&
		strcmp(key->equals, "OPERATOR(pg_catalog.=)") == 0;
}

static int64
read_key(const DbsyncRow *row)
{
	uint16		u16;
	uint32		u32;
	uint64		u64;

	switch (row->lengths[0])
	{
		case sizeof(uint16):
			memcpy(&u16, row->values[0], sizeof(u16));
			return (int16) pg_ntoh16(u16);
		case sizeof(uint32):
			memcpy(&u32, row->values[0], sizeof(u32));
			return (int32) pg_ntoh32(u32);
		default:
			memcpy(&u64, row->values[0], sizeof(u64));
			return (int64) pg_ntoh64(u64);
	}
}

static bool
delete_run(PostgresTarget *target, const PostgresRun *run)
{
	DbsyncTargetTable *table = target->rows.table;
	const char *key = table->columns[table->keys[0]].quoted;
	char	   *rows = psprintf("%s WHERE %s OPERATOR(pg_catalog.>=) '" INT64_FORMAT "'"
								" AND %s OPERATOR(pg_catalog.<=) '" INT64_FORMAT "'",
								table->only, key, run->first, key, run->last);
	char	   *sql = psprintf("DELETE FROM %s", rows);
	bool		queued = dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_PLAIN, sql) &&
		(!table->swallows ||
		 dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_GONE, dbsync_postgres_gone_sql(rows)));

	pfree(rows);
	pfree(sql);
	return queued;
}

/* Does the key belong to the run, or make it one longer? */
static bool
extend_run(PostgresRun *run, int64 key)
{
	if (key >= run->first && key <= run->last)
		return true;
	if (run->last < PG_INT64_MAX && key == run->last + 1)
	{
		run->last++;
		return true;
	}
	if (run->first > PG_INT64_MIN && key == run->first - 1)
	{
		run->first--;
		return true;
	}
	return false;
}

/* Sort the runs and join those that meet: neighbours need not have come together. */
static int
compare_runs(const void *a, const void *b)
{
	int64		x = ((const PostgresRun *) a)->first;
	int64		y = ((const PostgresRun *) b)->first;

	return x < y ? -1 : (x > y ? 1 : 0);
}

static void
join_runs(PostgresRows *rows)
{
	int			n = 0;

	qsort(rows->runs, rows->nruns, sizeof(PostgresRun), compare_runs);
	for (int i = 1; i < rows->nruns; i++)
	{
		PostgresRun *last = &rows->runs[n];

		if (last->last == PG_INT64_MAX || rows->runs[i].first <= last->last + 1)
			last->last = Max(last->last, rows->runs[i].last);
		else
			rows->runs[++n] = rows->runs[i];
	}
	rows->nruns = Min(rows->nruns, n + 1);
}

/* The keys one by one, to the stage; from here on all others follow them there. */
static bool
expand_runs(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;
	int			size = rows->table->columns[rows->table->keys[0]].base_type == INT8OID ? 8 :
		rows->table->columns[rows->table->keys[0]].base_type == INT4OID ? 4 : 2;
	uint64		bytes;
	const char *value;
	DbsyncRow	row = {.kind = DBSYNC_ROW_DELETE,.values = &value,.lengths = &size};

	rows->ranging = false;
	rows->deletes = 0;
	if (!dbsync_postgres_copy_begin(target))
		return false;
	for (int i = 0; i < rows->nruns; i++)
	{
		for (int64 key = rows->runs[i].first;; key++)
		{
			/* the last bytes in network order are those of the narrower types */
			bytes = pg_hton64((uint64) key);
			value = (const char *) &bytes + sizeof(bytes) - size;
			rows->deletes++;
			if (!dbsync_postgres_copy_row(target, &row))
				return false;
			if (key == rows->runs[i].last)
				break;
		}
	}
	return true;
}

/* Delete what is gathered: as ranges, or by way of the stage, which then stays. */
static bool
delete_gathered(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;
	int64		keys = 0;

	join_runs(rows);
	for (int i = 0; i < rows->nruns; i++)
		keys += rows->runs[i].last - rows->runs[i].first + 1;
	if (keys < (int64) rows->nruns * MEAN_RUN)
		return expand_runs(target);
	for (int i = 0; i < rows->nruns; i++)
	{
		if (!delete_run(target, &rows->runs[i]))
			return false;
	}
	rows->nruns = 0;
	return true;
}

static void
make_room(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;

	if (rows->nruns < rows->maxruns)
		return;
	if (rows->maxruns == 0)
		rows->runs = MemoryContextAlloc(target->base.context, sizeof(PostgresRun) * FEW_RUNS);
	else
		rows->runs = repalloc(rows->runs, sizeof(PostgresRun) * rows->maxruns * 2);
	rows->maxruns = Max(FEW_RUNS, rows->maxruns * 2);
}

bool
dbsync_postgres_ranges_put(PostgresTarget *target, const DbsyncRow *row)
{
	PostgresRows *rows = &target->rows;
	int64		key = read_key(row);
	PostgresRun *run;

	if (rows->nruns > 0)
	{
		run = &rows->runs[rows->nruns - 1];
		if (extend_run(run, key))
		{
			if (run->last - run->first < LONG_RUN)
				return true;
			rows->nruns--;
			return delete_run(target, run);
		}
	}
	if (rows->nruns == MAX_RUNS)
	{
		if (!delete_gathered(target))
			return false;
		if (!rows->ranging)
		{
			rows->deletes++;
			return dbsync_postgres_copy_row(target, row);
		}
	}
	make_room(target);
	run = &rows->runs[rows->nruns++];
	run->first = run->last = key;
	return true;
}

bool
dbsync_postgres_ranges_end(PostgresTarget *target)
{
	if (!delete_gathered(target))
		return false;
	return target->rows.ranging || dbsync_postgres_copy_end(target);
}
