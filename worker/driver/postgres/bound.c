/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/bound.c
 *	  PostgreSQL driver: rows that the bound of one of the source's partitions is true of.
 *
 * The bound is the source's SQL.  It is true of the same rows here only if its columns have the same
 * values and the same idea of what is equal: so their types must be the source's, and may
 * not be narrower, and their collations must tell different texts apart.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/bound.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/table.h"

static bool
is_word(char c)
{
	return IS_HIGHBIT_SET(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '$';
}

/*
 * Does a condition mention an identifier, as it is quoted in SQL?  Where it mentions a type of
 * that name, it seems to; which costs a look at a column's type.
 */
static bool
mentions(const char *condition, const char *quoted)
{
	size_t		length = strlen(quoted);
	const char *at = condition;

	while (*at != '\0')
	{
		const char *begin = at;

		if (*at == '\'' || *at == '"')
		{
			char		quote = *at++;

			/* a doubled one ends a piece and begins the next */
			while (*at != '\0' && *at != quote)
				at++;
			if (*at != '\0')
				at++;
			if (quote == '\'')
				continue;
			while (*at == '"')
			{
				at++;
				while (*at != '\0' && *at != '"')
					at++;
				if (*at != '\0')
					at++;
			}
		}
		else if (is_word(*at))
		{
			while (is_word(*at))
				at++;
		}
		else
		{
			at++;
			continue;
		}
		if (at - begin == length && memcmp(begin, quoted, length) == 0)
			return true;
	}
	return false;
}

static bool
refuse(PostgresTarget *target, const DbsyncTargetTable *table, const char *column, const char *why)
{
	dbsync_postgres_refuse(target, ERRCODE_DATATYPE_MISMATCH,
						   psprintf("target table %s cannot tell which rows a partition of the source held", table->label),
						   psprintf("Column \"%s\", by which the source is partitioned, %s.", column, why),
						   "Let the column have the source's type and a deterministic collation; or leave the partition's rows to a new copy: dbsync.copy_table().");
	return false;
}

/* Is the column's collation one that calls different texts equal? */
static bool
check_collation(PostgresTarget *target, const DbsyncTargetTable *table, const char *column)
{
	const char *values[2] = {psprintf("%u", table->relid), column};
	const PostgresAnswer *answer =
		dbsync_postgres_query(target, "SELECT EXISTS (SELECT FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation"
							  " WHERE a.attrelid = $1::oid AND a.attname = $2::name AND NOT c.collisdeterministic)",
							  2, values, "1b");

	if (answer == NULL)
		return false;
	if (dbsync_postgres_answer_bool(answer, 0, 0))
		return refuse(target, table, column, "has a nondeterministic collation here");
	return true;
}

static bool
check_columns(PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncTableSpec *spec,
			  const char *condition)
{
	for (int i = 0; i < spec->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		if (!mentions(condition, quote_identifier(spec->columns[i].name)))
			continue;
		if (column->base_type != spec->columns[i].type)
			return refuse(target, table, spec->columns[i].name, "is of another type here");
		if (column->typmod >= 0 && column->typmod != spec->columns[i].typmod)
			return refuse(target, table, spec->columns[i].name, "is of another length or precision here");
		if (OidIsValid(spec->columns[i].collation) && !check_collation(target, table, spec->columns[i].name))
			return false;
	}
	return true;
}

bool
dbsync_postgres_delete_where(DbsyncTarget *base, DbsyncTargetTable *table,
							 const DbsyncTableSpec *spec, const char *condition)
{
	PostgresTarget *target = (PostgresTarget *) base;
	char	   *rows = psprintf("%s WHERE %s", table->only, condition);

	if (!dbsync_postgres_merge_finish(target) || !check_columns(target, table, spec, condition))
		return false;
	dbsync_postgres_touch(target, table);
	if (!dbsync_postgres_execute(target, table, psprintf("DELETE FROM %s", rows), NULL))
		return false;
	return !table->swallows ||
		dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_GONE, dbsync_postgres_gone_sql(rows));
}
