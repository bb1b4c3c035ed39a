/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/merge.c
 *	  PostgreSQL driver: the large road, from a stage to its table by sets.
 *
 * Deletes, updates of what is there, inserts of what the updates have not found,
 * whatever a row was called on its way.  (ON CONFLICT would do the last two in
 * one, at more than twice the cost of the inserts.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"

/*
 * From this many rows on, the merge's plan is worth an ANALYZE of the stage
 * (some milliseconds, and a few dead rows in the target's catalogs).
 */
#define ANALYZE_ROWS	5000

/* work_mem of a merge, on the target and unless it has more anyway */
#define MERGE_MEMORY	"64MB"

/*
 * Up to this part of a table, its rows are looked up one by one.  They come in the
 * order of their keys, mostly, so the index's pages are at hand, and the rows' own
 * have to be read for the update anyway.  The planner, which takes each for a
 * random page, would rather read the table and hash it, in twice the time.
 */
#define LOOKUP_PART		0.25

/*
 * A table that was analyzed while it was nearly empty, and has been filled since,
 * is one of a few rows to the planner.  It may then scan the whole stage for
 * each row of the table: minutes for a thousand rows.  Where the statistics say
 * that pages hold less than a row, a hash join, which at worst reads the table
 * once, is the only one allowed.  And the hash of one merge may take some memory:
 * in the default's few megabytes it would go through files.
 */
static char *
prepare_merge_sql(Oid relid)
{
	return psprintf("SELECT pg_catalog.set_config('enable_nestloop', 'off', true),"
					" pg_catalog.set_config('enable_hashjoin', 'on', true)"
					/* OFFSET: each is looked up, where the planner would read all of pg_class */
					" WHERE EXISTS (SELECT FROM (SELECT CAST(%u AS pg_catalog.oid)"
					" UNION SELECT t.relid FROM pg_catalog.pg_partition_tree(%u) t) b (oid)"
					" CROSS JOIN LATERAL (SELECT x.* FROM pg_catalog.pg_class x WHERE x.oid = b.oid OFFSET 0) c"
					" WHERE c.relkind = 'r' AND c.relpages > 0 AND c.reltuples < c.relpages"
					" AND pg_catalog.pg_relation_size(c.oid) > 512 * 1024)"
					" UNION ALL SELECT pg_catalog.set_config('work_mem', '" MERGE_MEMORY "', true), NULL"
					" WHERE pg_catalog.pg_size_bytes(pg_catalog.current_setting('work_mem'))"
					" < pg_catalog.pg_size_bytes('" MERGE_MEMORY "')",
					relid, relid);
}

/* Joins of merges from here on: by index alone, or as the planner likes. */
static bool
restrict_joins(PostgresTarget *target, bool by_index)
{
	const char *value = by_index ? "off" : "on";

	if (by_index == (target->joined_by_index == target->batches))
		return true;
	target->joined_by_index = by_index ? target->batches : 0;
	return dbsync_postgres_queue_sql(target, target->rows.table, POSTGRES_STEP_SETTING,
									 psprintf("SELECT pg_catalog.set_config('enable_hashjoin', '%s', true),"
											  " pg_catalog.set_config('enable_mergejoin', '%s', true)",
											  value, value));
}

bool
dbsync_postgres_merge_by_hash(PostgresTarget *target, bool on)
{
	const DbsyncTargetTable *table = target->rows.table;
	const char *others = on ? "off" : "on";

	target->joined_by_index = 0;
	return (!on || dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_SETTING,
											 prepare_merge_sql(table->relid))) &&
		dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_SETTING,
								  psprintf("SELECT pg_catalog.set_config('enable_hashjoin', 'on', true),"
										   " pg_catalog.set_config('enable_nestloop', '%s', true),"
										   " pg_catalog.set_config('enable_mergejoin', '%s', true)",
										   others, others));
}

static bool
prepare_merge(PostgresTarget *target)
{
	const PostgresRows *rows = &target->rows;
	double		n = rows->inserts + rows->updates + rows->deletes;

	return restrict_joins(target, n <= rows->table->tuples * LOOKUP_PART) &&
		dbsync_postgres_queue_sql(target, rows->table, POSTGRES_STEP_SETTING,
								  prepare_merge_sql(rows->table->relid));
}

bool
dbsync_postgres_merge_prepare_for(PostgresTarget *target, const DbsyncTargetTable *table,
								  PostgresStageKind stage, int64 rows)
{
	return (rows < ANALYZE_ROWS ||
			dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_PLAIN,
									  dbsync_postgres_stage_analyze_sql(table, stage))) &&
		restrict_joins(target, false) &&
		dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_SETTING, prepare_merge_sql(table->relid));
}

static bool
queue_deletes(PostgresTarget *target, PostgresStageKind stage)
{
	const DbsyncTargetTable *table = target->rows.table;

	return dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_PLAIN,
									 dbsync_postgres_merge_delete_sql(table, stage)) &&
		(!table->swallows ||
		 dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_GONE,
								   dbsync_postgres_merge_gone_sql(table, stage)));
}

/*
 * Deletes and updates are queued.  Whether there is anything left to insert is
 * looked at when something else is to be sent: until then the source reads on.
 */
static bool
merge_upsert(PostgresTarget *target, PostgresStageKind stage)
{
	const PostgresRows *rows = &target->rows;
	DbsyncTargetTable *table = rows->table;
	int64		upserts = rows->inserts + rows->updates;

	if (rows->deletes > 0 && !queue_deletes(target, stage))
		return false;
	if (upserts == 0)
		return true;
	target->merge.table = table;
	target->merge.stage = stage;
	target->merge.upserts = upserts;
	target->merge.patches = rows->patches;
	target->merge.found = 0;
	return !table->assignable ||
		dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_MERGE,
								  dbsync_postgres_merge_update_sql(table, stage));
}

bool
dbsync_postgres_merge_finish(PostgresTarget *target)
{
	PostgresMerge *merge = &target->merge;
	const DbsyncTargetTable *table = merge->table;
	int64		inserted = 0;

	if (table == NULL)
		return true;
	if (!dbsync_postgres_settle(target))
		return false;
	merge->table = NULL;
	if (merge->found < merge->upserts &&
		!dbsync_postgres_execute(target, table,
								 dbsync_postgres_merge_insert_sql(table, merge->stage), &inserted))
		return false;
	/* what was neither there nor could be inserted lacks columns, or was left out there */
	if (merge->found + inserted >= merge->upserts)
		return true;
	if (merge->patches > 0)
		return dbsync_postgres_incomplete(target, table);
	return !table->assignable || dbsync_postgres_swallowed(target, table);
}

bool
dbsync_postgres_merge_begin(PostgresTarget *target, PostgresStageKind stage)
{
	const PostgresRows *rows = &target->rows;
	const DbsyncTargetTable *table = rows->table;

	/* how many they are the planner sees for itself, and a key of one column is in no doubt */
	if (rows->inserts + rows->updates + rows->deletes >= ANALYZE_ROWS && table->nkeys > 1 &&
		!dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_PLAIN,
								   dbsync_postgres_stage_analyze_sql(table, stage)))
		return false;
	if (!prepare_merge(target))
		return false;
	if (rows->mode == DBSYNC_ROWS_DELETE)
		return queue_deletes(target, stage);
	return merge_upsert(target, stage);
}
