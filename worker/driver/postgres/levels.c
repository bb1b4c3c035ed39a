/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/levels.c
 *	  PostgreSQL driver: in which order rows are updated that take values from one another.
 *
 * Unique values are looked at row by row.  Those that could not be set null before are free when the row that has
 * them has been updated: so it goes first, in a part of the statement of its own.  Rows that take values in a circle
 * have no such order.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/clear.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/levels.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"

/* parts of a statement for one table; in the stage level 1 is 'a' */
#define MAX_LEVELS	20

static const PostgresColumn *
find_column(const DbsyncTargetTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	}
	return NULL;
}

/*
 * Condition: a row p of the table has a value that n of the stage takes, by some unique index beside the key's.  NULL:
 * there is none, or (*asked false) the fault is set.
 */
static char *
takes_sql(PostgresTarget *target, const DbsyncTargetTable *table, bool *asked)
{
	const PostgresAnswer *answer = dbsync_postgres_unique_indexes(target, table);
	StringInfoData sql;
	int			n;

	initStringInfo(&sql);
	*asked = answer != NULL;
	for (int first = 0; *asked && first < dbsync_postgres_answer_rows(answer); first += n)
	{
		StringInfoData index;
		bool		keys_alone = true;
		bool		ours = true;

		initStringInfo(&index);
		for (n = 0; first + n < dbsync_postgres_answer_rows(answer) &&
			 dbsync_postgres_answer_int(answer, first + n, 0) == dbsync_postgres_answer_int(answer, first, 0); n++)
		{
			const PostgresColumn *column = find_column(table, dbsync_postgres_answer_text(answer, first + n, 1));

			ours &= column != NULL;
			keys_alone &= column != NULL && column->is_key;
			if (column != NULL)
				appendStringInfo(&index, "%sp.%s %s n.%s", n > 0 ? " AND " : "", column->quoted,
								 dbsync_postgres_answer_text(answer, first + n, 2), column->quoted);
		}
		if (ours && !keys_alone)
			appendStringInfo(&sql, "%s(%s)", sql.len > 0 ? " OR " : "", index.data);
	}
	return sql.len > 0 ? sql.data : NULL;
}

static const char *
is_of_level(const DbsyncTargetTable *table, const char *alias, int level)
{
	if (level == 0)
		return psprintf("%s.%s NOT IN ('D', 'C')", alias, table->op_column);
	return psprintf("%s.%s = '%c'", alias, table->op_column, 'a' + level - 1);
}

/* Of a level those that take something from others of it are of the next. */
bool
dbsync_postgres_find_levels(PostgresTarget *target, PostgresTogether *one)
{
	const DbsyncTargetTable *table = one->table;
	const char *stage = dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS);
	bool		asked;
	char	   *takes = takes_sql(target, table, &asked);
	int64		before = -1;

	one->levels = 0;
	if (!asked)
		return dbsync_postgres_refused_by(target, table->label);
	while (takes != NULL && one->levels < MAX_LEVELS)
	{
		int64		rows;
		char	   *sql = psprintf("UPDATE %s AS n SET %s = '%c' WHERE %s AND EXISTS (SELECT FROM %s AS p JOIN %s AS s ON %s"
								   " WHERE (%s) AND %s AND NOT (%s))",
								   stage, table->op_column, 'a' + one->levels, is_of_level(table, "n", one->levels),
								   table->only, stage, dbsync_postgres_key_match(table, "p", "s"),
								   takes, is_of_level(table, "s", one->levels),
								   dbsync_postgres_key_match(table, "p", "n"));

		if (!dbsync_postgres_execute(target, table, sql, &rows))
			return false;
		if (rows == 0)
			break;
		one->levels++;
		/* a circle */
		if (rows == before)
			break;
		before = rows;
	}
	return true;
}

char *
dbsync_postgres_level_sql(const PostgresTogether *one, int level)
{
	const char *alias = DBSYNC_POSTGRES_STAGE_ALIAS;

	if (level == 0)
		return psprintf(" AND %s.%s < 'a'", alias, one->table->op_column);
	return psprintf(" AND %s", is_of_level(one->table, alias, level));
}
