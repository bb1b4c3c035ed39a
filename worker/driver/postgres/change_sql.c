/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/change_sql.c
 *	  PostgreSQL driver: changes of a table in the words of the server.
 *
 * Types are those of the source's catalogs, called by their qualified names, which are
 * the same at the target or are not there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "worker/driver/postgres/change_sql.h"

char *
dbsync_postgres_type_sql(Oid type, int32 typmod)
{
	return format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
}

/* A type that the source has and we do not is called by its name. */
char *
dbsync_postgres_type_of_change_sql(const DbsyncChange *change)
{
	if (!OidIsValid(change->type) && change->type_name != NULL)
		return pstrdup(change->type_name);
	return dbsync_postgres_type_sql(change->type, change->typmod);
}

/* " COLLATE x" of a column that has another collation than its type, or "" */
static char *
collate_sql(const DbsyncChange *change)
{
	HeapTuple	tuple;
	Form_pg_collation form;
	char	   *sql;

	if (!OidIsValid(change->collation) || !OidIsValid(change->type) || change->collation == get_typcollation(change->type))
		return "";
	tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(change->collation));
	if (!HeapTupleIsValid(tuple))
		return "";
	form = (Form_pg_collation) GETSTRUCT(tuple);
	sql = psprintf(" COLLATE %s",
				   quote_qualified_identifier(get_namespace_name(form->collnamespace),
											  NameStr(form->collname)));
	ReleaseSysCache(tuple);
	return sql;
}

char *
dbsync_postgres_column_sql(const DbsyncChange *change)
{
	return psprintf("%s %s%s", quote_identifier(change->column),
					dbsync_postgres_type_of_change_sql(change), collate_sql(change));
}

char *
dbsync_postgres_missing_sql(const DbsyncChange *change)
{
	if (change->missing == NULL)
		return "NULL";
	return psprintf("CAST(%s AS %s)", quote_literal_cstr(change->missing),
					dbsync_postgres_type_of_change_sql(change));
}

char *
dbsync_postgres_unfilled_sql(const DbsyncChange *change)
{
	/* as text: there are types without an operator for equality */
	return psprintf("CAST(%s AS text) IS DISTINCT FROM CAST(%s AS text)",
					quote_identifier(change->column), dbsync_postgres_missing_sql(change));
}

char *
dbsync_postgres_fill_sql(const char *quoted, const DbsyncChange *change)
{
	return psprintf("UPDATE %s SET %s = %s WHERE %s", quoted, quote_identifier(change->column),
					dbsync_postgres_missing_sql(change), dbsync_postgres_unfilled_sql(change));
}

char *
dbsync_postgres_columns_sql(const char *const *columns, int n)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", quote_identifier(columns[i]));
	return list.data;
}

static char *
default_sql(const char *quoted, const DbsyncChange *change)
{
	const char *column = quote_identifier(change->column);

	if (change->value == NULL)
		return psprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", quoted, column);
	return psprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", quoted, column, change->value);
}

/*
 * Rows that are there get the value they have at the source, which the default that comes
 * with the column may not give: it can be of a function.
 */
static List *
add_sql(const char *quoted, const DbsyncChange *change)
{
	StringInfoData sql;
	List	   *statements;

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ADD COLUMN %s", quoted, dbsync_postgres_column_sql(change));
	if (change->missing != NULL)
		appendStringInfo(&sql, " DEFAULT %s", dbsync_postgres_missing_sql(change));
	if (change->not_null)
		appendStringInfoString(&sql, " NOT NULL");
	statements = list_make1(sql.data);
	if (change->value != NULL || change->missing != NULL)
		statements = lappend(statements, default_sql(quoted, change));
	return statements;
}

/*
 * The old default may not be one of the new type; the new one is set when it is.  An identity
 * has none, and goes on.
 */
static List *
type_sql(const char *quoted, const DbsyncChange *change, bool emptied, bool identity)
{
	const char *column = quote_identifier(change->column);
	char	   *type = dbsync_postgres_type_of_change_sql(change);

	/* of no rows nothing is converted, and nothing has to be convertible */
	if (emptied)
	{
		List	   *statements =
			list_make1(psprintf("ALTER TABLE %s %sALTER COLUMN %s TYPE %s%s USING NULL", quoted,
								identity ? "" : psprintf("ALTER COLUMN %s DROP DEFAULT, ", column),
								column, type, collate_sql(change)));

		return change->value != NULL && !identity ? lappend(statements, default_sql(quoted, change)) : statements;
	}
	return list_make1(psprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s%s", quoted, column, type, collate_sql(change)));
}

List *
dbsync_postgres_change_sql(const char *quoted, const DbsyncChange *change, bool emptied, bool identity)
{
	const char *column = change->column ? quote_identifier(change->column) : NULL;

	switch (change->kind)
	{
		case DBSYNC_CHANGE_DROP:
			return list_make1(psprintf("ALTER TABLE %s DROP COLUMN %s", quoted, column));
		case DBSYNC_CHANGE_RENAME:
			return list_make1(psprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", quoted, column,
									   quote_identifier(change->new_name)));
		case DBSYNC_CHANGE_TYPE:
			return type_sql(quoted, change, emptied, identity);
		case DBSYNC_CHANGE_ADD:
			return add_sql(quoted, change);
		case DBSYNC_CHANGE_DEFAULT:
			return list_make1(default_sql(quoted, change));
		case DBSYNC_CHANGE_NOT_NULL:
			return list_make1(psprintf("ALTER TABLE %s ALTER COLUMN %s %s NOT NULL", quoted, column,
									   change->not_null ? "SET" : "DROP"));
		case DBSYNC_CHANGE_KEY:
			break;
	}
	elog(ERROR, "a change of the key is no change of a column");
}

List *
dbsync_postgres_change_type_sql(const char *type, const DbsyncChange *change)
{
	const char *column = change->column ? quote_identifier(change->column) : NULL;

	switch (change->kind)
	{
		case DBSYNC_CHANGE_DROP:
			return list_make1(psprintf("ALTER TYPE %s DROP ATTRIBUTE %s CASCADE", type, column));
		case DBSYNC_CHANGE_RENAME:
			return list_make1(psprintf("ALTER TYPE %s RENAME ATTRIBUTE %s TO %s CASCADE", type, column,
									   quote_identifier(change->new_name)));
		case DBSYNC_CHANGE_TYPE:
			return list_make1(psprintf("ALTER TYPE %s ALTER ATTRIBUTE %s TYPE %s%s CASCADE", type, column,
									   dbsync_postgres_type_of_change_sql(change), collate_sql(change)));
		case DBSYNC_CHANGE_ADD:
			return list_make1(psprintf("ALTER TYPE %s ADD ATTRIBUTE %s %s%s CASCADE", type, column,
									   dbsync_postgres_type_of_change_sql(change), collate_sql(change)));
		default:
			return NIL;
	}
}
