/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/carry.c
 *	  PostgreSQL driver: rows that have got another key, as they did at the source.
 *
 * Where a row goes and a new one has a value of it that foreign keys lead to, the target's row is given the
 * new key, and all else of the new row.  So the value never leaves its row, and what
 * the target does ON DELETE has no occasion.  (A partitioned table's row stays in its partition then, as what
 * keys lead to there says which that is.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/carry.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"

static bool
takes_other_keys(const DbsyncTargetTable *table)
{
	for (int k = 0; k < table->nkeys; k++)
	{
		if (table->columns[table->keys[k]].identity_always)
			return false;
	}
	return true;
}

static char *
create_sql(const DbsyncTargetTable *table, const char *carried)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE TEMPORARY TABLE %s (", carried);
	for (int k = 0; k < table->nkeys; k++)
	{
		const char *type = table->columns[table->keys[k]].stage_type;

		appendStringInfo(&buf, "%so%d %s, n%d %s", k > 0 ? ", " : "", k + 1, type, k + 1, type);
	}
	appendStringInfoString(&buf, ") USING heap ON COMMIT DROP");
	return buf.data;
}

/* Pairs by one set of columns; of those by sets before nothing is left in the stage that could be one. */
static char *
pairs_sql(const DbsyncTargetTable *table, const char *carried, const PostgresLedTo *led_to)
{
	const char *stage = dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS);
	StringInfoData columns;

	initStringInfo(&columns);
	for (int k = 0; k < table->nkeys; k++)
	{
		const char *name = table->columns[table->keys[k]].quoted;

		appendStringInfo(&columns, "%sd.%s, n.%s", k > 0 ? ", " : "", name, name);
	}
	return psprintf("INSERT INTO %s SELECT %s FROM %s AS n JOIN %s AS p ON %s"
					" JOIN %s AS d ON d.%s = 'D' AND %s"
					" WHERE n.%s NOT IN ('D', '" POSTGRES_CARRIED "') AND NOT EXISTS (SELECT FROM %s AS q WHERE %s)",
					carried, columns.data, stage, table->only, led_to->same,
					stage, table->op_column, dbsync_postgres_key_match(table, "p", "d"),
					table->op_column, table->only, dbsync_postgres_key_match(table, "q", "n"));
}

bool
dbsync_postgres_carry(PostgresTarget *target, PostgresTogether *one)
{
	const DbsyncTargetTable *table = one->table;
	const char *stage = dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS);
	char	   *carried;
	ListCell   *lc;

	if (one->deletes == 0 || !takes_other_keys(table))
		return true;
	carried = psprintf("pg_temp.dbsync_carried_%d", ++target->nasides);
	if (!dbsync_postgres_execute(target, table, create_sql(table, carried), NULL))
		return false;
	foreach(lc, table->led_to)
	{
		int64		pairs;

		/* a row that keeps the value could be moved to another partition, where the key does not lead */
		if (((const PostgresLedTo *) lfirst(lc))->in_part)
			continue;
		if (!dbsync_postgres_execute(target, table, pairs_sql(table, carried, lfirst(lc)), &pairs))
			return false;
		if (pairs <= 0)
			continue;
		one->carried = carried;
		if (!dbsync_postgres_execute(target, table,
									 psprintf("DELETE FROM %s AS d USING %s AS c WHERE d.%s = 'D' AND %s", stage, carried,
											  table->op_column, dbsync_postgres_key_match_numbered(table, "d", "c.o")), NULL) ||
			!dbsync_postgres_execute(target, table,
									 psprintf("UPDATE %s AS n SET %s = '" POSTGRES_CARRIED "' FROM %s AS c WHERE n.%s <> 'D' AND %s",
											  stage, table->op_column, carried, table->op_column,
											  dbsync_postgres_key_match_numbered(table, "n", "c.n")), NULL))
			return false;
	}
	return true;
}

char *
dbsync_postgres_carry_update_sql(const PostgresTogether *one)
{
	const DbsyncTargetTable *table = one->table;
	StringInfoData buf;
	bool		first = true;

	initStringInfo(&buf);
	appendStringInfo(&buf, "UPDATE %s AS t SET ", table->only);
	for (int i = 0; i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		if (!column->is_assigned && !column->is_key)
			continue;
		appendStringInfo(&buf, "%s%s = n.%s", first ? "" : ", ", column->quoted, column->quoted);
		first = false;
	}
	appendStringInfo(&buf, " FROM %s AS c JOIN %s AS n ON n.%s = '" POSTGRES_CARRIED "' AND %s WHERE %s",
					 one->carried, dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS), table->op_column,
					 dbsync_postgres_key_match_numbered(table, "n", "c.n"),
					 dbsync_postgres_key_match_numbered(table, "t", "c.o"));
	return buf.data;
}

char *
dbsync_postgres_carry_insert_sql(const PostgresTogether *one)
{
	return psprintf("%s AND %s.%s <> '" POSTGRES_CARRIED "'",
					dbsync_postgres_merge_insert_sql(one->table, POSTGRES_STAGE_ROWS), DBSYNC_POSTGRES_STAGE_ALIAS,
					one->table->op_column);
}
