/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/careful.c
 *	  PostgreSQL driver: rows that are completed from the target's own, and take their place.
 *
 * Two rows that swap a unique value cannot be written one after the other: both have to go before
 * one of them comes.  What they lack, as the source has left it untouched, would go with them; and
 * whoever plays what was recorded has no source to ask.  So the stage is completed first, from the rows
 * that are there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/careful.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/stage.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/together.h"

void
dbsync_postgres_careful_begin(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;

	rows->careful = target->careful &&
		(rows->mode == DBSYNC_ROWS_MERGE || rows->mode == DBSYNC_ROWS_PATCH || rows->mode == DBSYNC_ROWS_TOGETHER);
	if (!rows->careful)
		return;
	rows->waits = rows->mode == DBSYNC_ROWS_TOGETHER;
	rows->mode = DBSYNC_ROWS_PATCH;
	rows->large = true;
}

/* The first row that lacks columns and is not there: its key, in words. */
static bool
check_all_there(PostgresTarget *target, DbsyncTargetTable *table)
{
	StringInfoData sql;
	const PostgresAnswer *answer;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT pg_catalog.concat_ws(', '");
	for (int k = 0; k < table->nkeys; k++)
	{
		const char *quoted = table->columns[table->keys[k]].quoted;

		appendStringInfo(&sql, ", pg_catalog.concat(%s, ' = ', s.%s)", quote_literal_cstr(quoted), quoted);
	}
	appendStringInfo(&sql, ") FROM %s AS s WHERE s.%s LIKE 'P%%' AND NOT EXISTS (SELECT FROM %s AS t WHERE %s) LIMIT 1",
					 dbsync_postgres_stage_name(table, POSTGRES_STAGE_PATCH), table->op_column, table->only,
					 dbsync_postgres_key_match(table, "t", "s"));
	answer = dbsync_postgres_query(target, sql.data, 0, NULL, "?t");
	if (answer == NULL)
		return dbsync_postgres_refused_by(target, table->label);
	if (dbsync_postgres_answer_rows(answer) == 0)
		return true;
	(void) dbsync_postgres_refuse(target, ERRCODE_NO_DATA_FOUND,
								  psprintf("a row of target table %s is missing: %s", table->label,
										   dbsync_postgres_answer_text(answer, 0, 0)),
								  "It comes without the values that its change has left as they were.", NULL);
	target->base.fault.kind = DBSYNC_FAULT_ROW_MISSING;
	return false;
}

/* From the stage of patches to that of rows, whole. */
static char *
complete_sql(const PostgresRows *rows)
{
	const DbsyncTargetTable *table = rows->table;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT INTO %s SELECT CAST(CASE pg_catalog.substr(s.%s, 1, 1) WHEN 'P' THEN 'U'"
					 " ELSE pg_catalog.substr(s.%s, 1, 1) END AS \"char\")",
					 dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS), table->op_column, table->op_column);
	for (int i = 0; i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		if (rows->patches > 0 && column->can_be_unchanged)
			appendStringInfo(&sql, ", CASE WHEN pg_catalog.substr(s.%s, %d, 1) = '1' THEN t.%s ELSE s.%s END",
							 table->op_column, i + 2, column->quoted, column->quoted);
		else
			appendStringInfo(&sql, ", s.%s", column->quoted);
	}
	appendStringInfo(&sql, " FROM %s AS s", dbsync_postgres_stage_name(table, POSTGRES_STAGE_PATCH));
	if (rows->patches > 0)
		appendStringInfo(&sql, " LEFT JOIN %s AS t ON s.%s LIKE 'P%%' AND %s", table->only, table->op_column,
						 dbsync_postgres_key_match(table, "t", "s"));
	return sql.data;
}

/* They take the place of those that are there. */
static bool
replace(PostgresTarget *target, DbsyncTargetTable *table)
{
	PostgresRows *rows = &target->rows;
	int64		inserted = 0;

	if (!dbsync_postgres_execute(target, table, dbsync_postgres_stage_delete_all_sql(table), NULL))
		return false;
	if (table->swallows &&
		!dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_GONE,
								   dbsync_postgres_gone_sql(dbsync_postgres_stage_left_sql(table))))
		return false;
	if (!dbsync_postgres_execute(target, table, dbsync_postgres_stage_insert_all_sql(table), &inserted))
		return false;
	return inserted >= rows->inserts + rows->updates || dbsync_postgres_swallowed(target, table);
}

bool
dbsync_postgres_careful_staged(PostgresTarget *target)
{
	PostgresRows *rows = &target->rows;
	DbsyncTargetTable *table = rows->table;
	int64		n = rows->inserts + rows->updates + rows->deletes;

	if (!dbsync_postgres_merge_prepare_for(target, table, POSTGRES_STAGE_PATCH, n) ||
		(rows->patches > 0 && !check_all_there(target, table)) ||
		!dbsync_postgres_stage_make(target, table, POSTGRES_STAGE_ROWS) ||
		!dbsync_postgres_execute(target, table, complete_sql(rows), NULL))
		return false;
	if (rows->waits)
	{
		dbsync_postgres_together_staged(target);
		return true;
	}
	return dbsync_postgres_merge_prepare_for(target, table, POSTGRES_STAGE_ROWS, n) && replace(target, table);
}
