/*-------------------------------------------------------------------------
 *
 * worker/types/fit.c
 *	  Whether a column that the target has already holds what is sent.
 *
 * Left out of the list are types that take what they are given and keep something else, without an error in any mode: of
 * MariaDB float (six digits), timestamp (moves with the session's zone, ends in 2038, is now() where null is sent), year, enum,
 * set, bit, binary(n) (zeros behind the value), char (blanks), and what is unsigned; of SQLite numbers of affinity real or numeric
 * for exact ones.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"

#include "worker/types/fit.h"
#include "worker/types/table.h"

#define MYSQL_TEXT	"varchar tinytext text mediumtext longtext"

/* types that hold all values of a standard type, if there are digits enough */
static const char *const held_by[DBSYNC_SQL_TYPES][DBSYNC_DIALECTS] = {
	[DBSYNC_SQL_BOOLEAN] = {[DBSYNC_DIALECT_MYSQL] = "tinyint smallint mediumint int bigint decimal",
	[DBSYNC_DIALECT_SQLITE] = "integer numeric blob"},
	[DBSYNC_SQL_SMALLINT] = {[DBSYNC_DIALECT_MYSQL] = "smallint mediumint int bigint decimal",
	[DBSYNC_DIALECT_SQLITE] = "integer numeric blob"},
	[DBSYNC_SQL_INTEGER] = {[DBSYNC_DIALECT_MYSQL] = "int bigint decimal", [DBSYNC_DIALECT_SQLITE] = "integer numeric blob"},
	[DBSYNC_SQL_BIGINT] = {[DBSYNC_DIALECT_MYSQL] = "bigint decimal", [DBSYNC_DIALECT_SQLITE] = "integer numeric blob"},
	[DBSYNC_SQL_DECIMAL] = {[DBSYNC_DIALECT_MYSQL] = "decimal", [DBSYNC_DIALECT_SQLITE] = "text blob"},
	[DBSYNC_SQL_REAL] = {[DBSYNC_DIALECT_MYSQL] = "double", [DBSYNC_DIALECT_SQLITE] = "real blob"},
	[DBSYNC_SQL_DOUBLE] = {[DBSYNC_DIALECT_MYSQL] = "double", [DBSYNC_DIALECT_SQLITE] = "real blob"},
	[DBSYNC_SQL_VARCHAR] = {[DBSYNC_DIALECT_MYSQL] = MYSQL_TEXT, [DBSYNC_DIALECT_SQLITE] = "text blob"},
	[DBSYNC_SQL_CLOB] = {[DBSYNC_DIALECT_MYSQL] = MYSQL_TEXT, [DBSYNC_DIALECT_SQLITE] = "text blob"},
	[DBSYNC_SQL_BLOB] = {[DBSYNC_DIALECT_MYSQL] = "varbinary tinyblob blob mediumblob longblob",
	[DBSYNC_DIALECT_SQLITE] = "blob"},
	[DBSYNC_SQL_DATE] = {[DBSYNC_DIALECT_MYSQL] = "date", [DBSYNC_DIALECT_SQLITE] = "text numeric blob"},
	[DBSYNC_SQL_TIME] = {[DBSYNC_DIALECT_MYSQL] = "time", [DBSYNC_DIALECT_SQLITE] = "text numeric blob"},
	[DBSYNC_SQL_TIMESTAMP] = {[DBSYNC_DIALECT_MYSQL] = "datetime", [DBSYNC_DIALECT_SQLITE] = "text numeric blob"},
	[DBSYNC_SQL_TIMESTAMP_TZ] = {[DBSYNC_DIALECT_MYSQL] = "datetime", [DBSYNC_DIALECT_SQLITE] = "text numeric blob"},
	[DBSYNC_SQL_UUID] = {[DBSYNC_DIALECT_MYSQL] = "char uuid " MYSQL_TEXT, [DBSYNC_DIALECT_SQLITE] = "text numeric blob"},
	[DBSYNC_SQL_JSON] = {[DBSYNC_DIALECT_MYSQL] = MYSQL_TEXT, [DBSYNC_DIALECT_SQLITE] = "text blob"},
	[DBSYNC_SQL_BITS] = {[DBSYNC_DIALECT_MYSQL] = MYSQL_TEXT, [DBSYNC_DIALECT_SQLITE] = "text blob"}
};

static bool
has_word(const char *list, const char *word)
{
	int			length = strlen(word);

	for (const char *at = list; at != NULL && (at = strstr(at, word)) != NULL; at += length)
	{
		if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
			return true;
	}
	return false;
}

static bool
is_listed(DbsyncDialect dialect, const DbsyncColumn *column, const char *type)
{
	if (*type == '\0' || strchr(type, ' ') != NULL)
		return false;
	/* without blanks at their end, they lose none */
	if (dialect == DBSYNC_DIALECT_MYSQL && column->type == BPCHAROID && strcmp(type, "char") == 0)
		return true;
	return has_word(held_by[column->sql][dialect], type);
}

/* Digits before the point that every value has room in; 0: that depends on the value. */
static int
whole_digits(const DbsyncColumn *column)
{
	switch (column->sql)
	{
		case DBSYNC_SQL_BOOLEAN:
			return 1;
		case DBSYNC_SQL_SMALLINT:
			return 5;
		case DBSYNC_SQL_INTEGER:
			return 10;
		case DBSYNC_SQL_BIGINT:
			return 19;
		default:
			return column->precision < 0 ? 0 : column->precision - column->scale;
	}
}

static bool
has_digits(const DbsyncColumn *column, const DbsyncColumnThere *there, const char **why)
{
	int			whole = whole_digits(column);

	if (there->precision - there->scale < whole)
		*why = psprintf("it has %d digits before the point, %d are needed", there->precision - there->scale, whole);
	else if (there->scale < column->scale)
		*why = psprintf("it has %d digits behind the point, %d are needed", there->scale, column->scale);
	return *why == NULL;
}

static bool
is_of_clock(DbsyncSqlType sql)
{
	return sql == DBSYNC_SQL_TIME || sql == DBSYNC_SQL_TIMESTAMP || sql == DBSYNC_SQL_TIMESTAMP_TZ;
}

bool
dbsync_type_fits(DbsyncDialect dialect, const DbsyncColumn *column, const DbsyncColumnThere *there,
				 DbsyncForm *form, const char **why)
{
	const DbsyncDialectLine *line = &dbsync_dialect_lines[column->sql][dialect];
	bool		limited = dialect != DBSYNC_DIALECT_SQLITE;

	*why = NULL;
	*form = (DbsyncForm) {line->kind, -1, -1, -1, -1, line->takes};
	if (dialect == DBSYNC_DIALECT_POSTGRES)
		return true;
	if (!is_listed(dialect, column, there->type))
	{
		*why = psprintf("%s does not hold all values of it as they are", there->type);
		return false;
	}
	if (limited && strcmp(there->type, "decimal") == 0)
	{
		form->precision = there->precision;
		form->scale = there->scale;
		return has_digits(column, there, why);
	}
	if (limited && is_of_clock(column->sql))
	{
		form->scale = there->scale;
		if (there->scale < column->scale)
			*why = psprintf("it has %d digits of a second, %d are needed", there->scale, column->scale);
		return *why == NULL;
	}
	if (limited)
		form->length = there->length;
	if (column->sql == DBSYNC_SQL_UUID && there->length >= 0 && there->length < 36)
		*why = psprintf("it has %d characters, 36 are needed", there->length);
	return *why == NULL;
}
