/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/narrow.c
 *	  PostgreSQL driver: values of which the target would keep a part, without a word.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type_d.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/narrow.h"

/*
 * From 16 on a "char" that is not ASCII is written as \377, say, which older ones read as a
 * backslash, and leave the rest out without a word.  (In binary form it is what it is.)
 */
bool
dbsync_postgres_misreads_char(const PostgresTarget *target, const PostgresColumn *column)
{
	return PG_VERSION_NUM >= 160000 && target->base.identity.version < 160000 &&
		(column->base_type == CHAROID || column->element == CHAROID);
}

/* Is there such an escape?  In an array's text the backslash is written twice. */
static bool
has_escape(const char *value, int length, bool array)
{
	int			slashes = array ? 2 : 1;

	for (int i = 0; i + slashes < length; i++)
	{
		if (strncmp(value + i, "\\\\", slashes) == 0 && isdigit((unsigned char) value[i + slashes]))
			return true;
	}
	return false;
}

bool
dbsync_postgres_check_chars(PostgresTarget *target, const DbsyncRow *row)
{
	const PostgresRows *rows = &target->rows;
	const DbsyncTargetTable *table = rows->table;

	for (int i = 0; i < rows->ncolumns; i++)
	{
		const PostgresColumn *column =
			&table->columns[rows->mode == DBSYNC_ROWS_DELETE ? table->keys[i] : i];

		if (row->values[i] != NULL && dbsync_postgres_misreads_char(target, column) &&
			has_escape(row->values[i], row->lengths[i], column->base_type != CHAROID))
			return dbsync_postgres_refuse(target, ERRCODE_FEATURE_NOT_SUPPORTED,
										  psprintf("column %s of target table %s cannot take a \"char\" that is not ASCII",
												   column->quoted, table->label),
										  psprintf("The target runs %s; before PostgreSQL 16 it would read another value.",
												   target->base.identity.version_text),
										  psprintf("On the target: ALTER TABLE %s ALTER %s TYPE ...; to text, say.",
												   table->quoted, column->quoted));
	}
	return true;
}
