/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/sql.c
 *	  PostgreSQL driver: the text of the statements that write to a table.
 *
 * Everything is qualified, operators too: the session's search_path is empty,
 * and "=" found by name would be another operator for types of extensions.
 *
 * Key columns are assigned as well where equal values can differ in their bytes
 * (1.0 and 1.00).  A GENERATED ALWAYS identity column takes our value by
 * OVERRIDING SYSTEM VALUE in an INSERT, and cannot be assigned in an UPDATE:
 * such a column outside of the key makes a table one for delete-then-insert.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/sql.h"

/* alias of target table and stage in merges */
#define TARGET	"t"
#define STAGE	DBSYNC_POSTGRES_STAGE_ALIAS

static void
append_columns(StringInfo buf, const DbsyncTargetTable *table, const char *alias)
{
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(buf, "%s%s%s%s", i > 0 ? ", " : "", alias ? alias : "",
						 alias ? "." : "", table->columns[i].quoted);
}

static void
append_keys(StringInfo buf, const DbsyncTargetTable *table)
{
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(buf, "%s%s", k > 0 ? ", " : "", table->columns[table->keys[k]].quoted);
}

static void
append_insert_head(StringInfo buf, const DbsyncTargetTable *table)
{
	/* the alias hides the table's name, which may be that of the pseudo-table "excluded" */
	appendStringInfo(buf, "INSERT INTO %s AS " TARGET " (", table->quoted);
	append_columns(buf, table, NULL);
	appendStringInfo(buf, ")%s ", table->overriding ? " OVERRIDING SYSTEM VALUE" : "");
}

static void
append_assignments(StringInfo buf, const DbsyncTargetTable *table, const char *source)
{
	bool		first = true;

	for (int i = 0; i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		if (!column->is_assigned)
			continue;
		appendStringInfo(buf, "%s%s = %s.%s", first ? "" : ", ", column->quoted,
						 source, column->quoted);
		first = false;
	}
}

static void
append_on_conflict(StringInfo buf, const DbsyncTargetTable *table)
{
	appendStringInfoString(buf, " ON CONFLICT (");
	append_keys(buf, table);
	if (!table->assignable)
	{
		appendStringInfoString(buf, ") DO NOTHING");
		return;
	}
	appendStringInfoString(buf, ") DO UPDATE SET ");
	append_assignments(buf, table, "EXCLUDED");
}

char *
dbsync_postgres_key_match(const DbsyncTargetTable *table, const char *left, const char *right)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int k = 0; k < table->nkeys; k++)
	{
		const PostgresColumn *column = &table->columns[table->keys[k]];

		appendStringInfo(&buf, "%s%s.%s %s %s.%s", k > 0 ? " AND " : "",
						 left, column->quoted, column->equals, right, column->quoted);
	}
	return buf.data;
}

char *
dbsync_postgres_key_match_numbered(const DbsyncTargetTable *table, const char *left, const char *right)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int k = 0; k < table->nkeys; k++)
	{
		const PostgresColumn *column = &table->columns[table->keys[k]];

		appendStringInfo(&buf, "%s%s.%s %s %s%d", k > 0 ? " AND " : "",
						 left, column->quoted, column->equals, right, k + 1);
	}
	return buf.data;
}

char *
dbsync_postgres_key_numbered(const DbsyncTargetTable *table, const char *alias, const char *prefix)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&buf, "%s%s.%s AS %s%d", k > 0 ? ", " : "", alias,
						 table->columns[table->keys[k]].quoted, prefix, k + 1);
	return buf.data;
}

static void
append_key_match(StringInfo buf, const DbsyncTargetTable *table)
{
	appendStringInfoString(buf, dbsync_postgres_key_match(table, TARGET, STAGE));
}

char *
dbsync_postgres_one_row_sql(const DbsyncTargetTable *table)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s WHERE ", table->only);
	for (int k = 0; k < table->nkeys; k++)
	{
		const PostgresColumn *column = &table->columns[table->keys[k]];

		appendStringInfo(&buf, "%s%s %s $%d", k > 0 ? " AND " : "",
						 column->quoted, column->equals, k + 1);
	}
	return buf.data;
}

static char *
delete_row_sql(const DbsyncTargetTable *table)
{
	return psprintf("DELETE FROM %s", dbsync_postgres_one_row_sql(table));
}

char *
dbsync_postgres_gone_sql(const char *from)
{
	/* the planner cannot work the cast out beforehand, as it does not know the case */
	return psprintf("SELECT CAST(CASE WHEN EXISTS (SELECT FROM %s)"
					" THEN '" POSTGRES_STILL_THERE "' ELSE '1' END AS integer)", from);
}

char *
dbsync_postgres_row_sql(const DbsyncTargetTable *table, PostgresTableStatement statement)
{
	StringInfoData buf;

	if (statement == POSTGRES_TABLE_DELETE)
		return delete_row_sql(table);
	if (statement == POSTGRES_TABLE_GONE)
		return dbsync_postgres_gone_sql(dbsync_postgres_one_row_sql(table));

	initStringInfo(&buf);
	append_insert_head(&buf, table);
	appendStringInfoString(&buf, "VALUES (");
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&buf, "%s$%d", i > 0 ? ", " : "", i + 1);
	appendStringInfoChar(&buf, ')');
	if (statement == POSTGRES_TABLE_UPSERT)
		append_on_conflict(&buf, table);
	return buf.data;
}

char *
dbsync_postgres_stage_name(const DbsyncTargetTable *table, PostgresStageKind kind)
{
	static const char *const names[] = {
		[POSTGRES_STAGE_ROWS] = "stage",
		[POSTGRES_STAGE_PATCH] = "patch",
		[POSTGRES_STAGE_KEYS] = "keys",
		[POSTGRES_STAGE_COUNT] = "count"
	};

	return psprintf("pg_temp.dbsync_%s_%d", names[kind], table->number);
}

static void
append_stage_column(StringInfo buf, const PostgresColumn *column)
{
	appendStringInfo(buf, "%s %s", column->quoted, column->stage_type);
}

char *
dbsync_postgres_stage_create_sql(const DbsyncTargetTable *table, PostgresStageKind kind)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE TEMPORARY TABLE %s (", dbsync_postgres_stage_name(table, kind));
	if (kind != POSTGRES_STAGE_KEYS)
		appendStringInfo(&buf, "%s %s", table->op_column,
						 kind == POSTGRES_STAGE_PATCH ? "text" : kind == POSTGRES_STAGE_COUNT ? "bigint" : "\"char\"");
	for (int i = 0; kind != POSTGRES_STAGE_KEYS && i < table->ncolumns; i++)
	{
		appendStringInfoString(&buf, ", ");
		append_stage_column(&buf, &table->columns[i]);
	}
	for (int k = 0; kind == POSTGRES_STAGE_KEYS && k < table->nkeys; k++)
	{
		appendStringInfoString(&buf, k > 0 ? ", " : "");
		append_stage_column(&buf, &table->columns[table->keys[k]]);
	}
	appendStringInfoString(&buf, ") USING heap ON COMMIT DELETE ROWS");
	return buf.data;
}

char *
dbsync_postgres_stage_analyze_sql(const DbsyncTargetTable *table, PostgresStageKind kind)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "ANALYZE %s (", dbsync_postgres_stage_name(table, kind));
	if (kind != POSTGRES_STAGE_KEYS)
		appendStringInfo(&buf, "%s, ", table->op_column);
	append_keys(&buf, table);
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

char *
dbsync_postgres_copy_sql(const DbsyncTargetTable *table, DbsyncRowsMode mode)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (mode == DBSYNC_ROWS_APPEND)
		appendStringInfo(&buf, "COPY %s (", table->quoted);
	else if (mode == DBSYNC_ROWS_DELETE)
		appendStringInfo(&buf, "COPY %s (", dbsync_postgres_stage_name(table, POSTGRES_STAGE_KEYS));
	else
		appendStringInfo(&buf, "COPY %s (%s, ",
						 dbsync_postgres_stage_name(table, mode == DBSYNC_ROWS_PATCH ? POSTGRES_STAGE_PATCH :
													mode == DBSYNC_ROWS_COUNT ? POSTGRES_STAGE_COUNT : POSTGRES_STAGE_ROWS),
						 table->op_column);
	if (mode == DBSYNC_ROWS_DELETE)
		append_keys(&buf, table);
	else
		append_columns(&buf, table, NULL);
	appendStringInfo(&buf, ") FROM STDIN%s", table->binary ? " (FORMAT binary)" : "");
	return buf.data;
}

char *
dbsync_postgres_merge_delete_sql(const DbsyncTargetTable *table, PostgresStageKind kind)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "DELETE FROM %s AS " TARGET " USING %s AS " STAGE " WHERE ",
					 table->only, dbsync_postgres_stage_name(table, kind));
	append_key_match(&buf, table);
	if (kind != POSTGRES_STAGE_KEYS)
		appendStringInfo(&buf, " AND " STAGE ".%s = 'D'", table->op_column);
	return buf.data;
}

char *
dbsync_postgres_merge_gone_sql(const DbsyncTargetTable *table, PostgresStageKind kind)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s AS " TARGET ", %s AS " STAGE " WHERE ",
					 table->only, dbsync_postgres_stage_name(table, kind));
	append_key_match(&buf, table);
	if (kind != POSTGRES_STAGE_KEYS)
		appendStringInfo(&buf, " AND " STAGE ".%s = 'D'", table->op_column);
	return dbsync_postgres_gone_sql(buf.data);
}

/* Assignments of a merge from the stage, where a column may stay as it is. */
static void
append_patch_assignments(StringInfo buf, const DbsyncTargetTable *table,
						 const char *target, const char *stage)
{
	bool		first = true;

	for (int i = 0; i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];
		const char *name = column->quoted;

		if (!column->is_assigned)
			continue;
		appendStringInfo(buf, "%s%s = ", first ? "" : ", ", name);
		if (column->can_be_unchanged)
			appendStringInfo(buf, "CASE WHEN pg_catalog.substr(%s.%s, %d, 1) = '1' THEN %s.%s ELSE %s.%s END",
							 stage, table->op_column, i + 2, target, name, stage, name);
		else
			appendStringInfo(buf, "%s.%s", stage, name);
		first = false;
	}
}

char *
dbsync_postgres_merge_update_sql(const DbsyncTargetTable *table, PostgresStageKind kind)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "UPDATE %s AS " TARGET " SET ", table->only);
	if (kind == POSTGRES_STAGE_PATCH)
		append_patch_assignments(&buf, table, TARGET, STAGE);
	else
		append_assignments(&buf, table, STAGE);
	appendStringInfo(&buf, " FROM %s AS " STAGE " WHERE " STAGE ".%s <> 'D' AND ",
					 dbsync_postgres_stage_name(table, kind), table->op_column);
	append_key_match(&buf, table);
	return buf.data;
}

char *
dbsync_postgres_merge_insert_sql(const DbsyncTargetTable *table, PostgresStageKind kind)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_insert_head(&buf, table);
	appendStringInfoString(&buf, "SELECT ");
	append_columns(&buf, table, STAGE);
	appendStringInfo(&buf, " FROM %s AS " STAGE " WHERE " STAGE ".%s <> 'D'",
					 dbsync_postgres_stage_name(table, kind), table->op_column);
	/* a row that lacks columns is none to insert */
	if (kind == POSTGRES_STAGE_PATCH)
		appendStringInfo(&buf, " AND " STAGE ".%s NOT LIKE 'P%%'", table->op_column);
	appendStringInfo(&buf, " AND NOT EXISTS (SELECT FROM %s AS " TARGET " WHERE ", table->only);
	append_key_match(&buf, table);
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

/* The table's rows that are in the stage of rows. */
static void
append_staged(StringInfo buf, const DbsyncTargetTable *table, const char *word)
{
	appendStringInfo(buf, " %s %s AS " STAGE " WHERE ", word, dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS));
	append_key_match(buf, table);
}

char *
dbsync_postgres_stage_delete_all_sql(const DbsyncTargetTable *table)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "DELETE FROM %s AS " TARGET, table->only);
	append_staged(&buf, table, "USING");
	return buf.data;
}

char *
dbsync_postgres_stage_left_sql(const DbsyncTargetTable *table)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s AS " TARGET, table->only);
	append_staged(&buf, table, ",");
	return buf.data;
}

char *
dbsync_postgres_stage_insert_all_sql(const DbsyncTargetTable *table)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_insert_head(&buf, table);
	appendStringInfoString(&buf, "SELECT ");
	append_columns(&buf, table, STAGE);
	appendStringInfo(&buf, " FROM %s AS " STAGE " WHERE " STAGE ".%s <> 'D'",
					 dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS), table->op_column);
	return buf.data;
}

char *
dbsync_postgres_stage_free_sql(const DbsyncTargetTable *table, List *columns)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "UPDATE %s AS " TARGET " SET ", table->only);
	foreach(lc, columns)
		appendStringInfo(&buf, "%s%s = NULL", foreach_current_index(lc) > 0 ? ", " : "",
						 ((const PostgresColumn *) lfirst(lc))->quoted);
	append_staged(&buf, table, "FROM");
	appendStringInfoString(&buf, " AND (");
	foreach(lc, columns)
		appendStringInfo(&buf, "%s" TARGET ".%s IS NOT NULL", foreach_current_index(lc) > 0 ? " OR " : "",
						 ((const PostgresColumn *) lfirst(lc))->quoted);
	appendStringInfoChar(&buf, ')');
	return buf.data;
}

char *
dbsync_postgres_stage_clear_sql(const DbsyncTargetTable *table, int n, const int *columns, const char **operators)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "DELETE FROM %s AS " TARGET " USING %s AS " STAGE " WHERE " STAGE ".%s <> 'D' AND ",
					 table->only, dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS), table->op_column);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, TARGET ".%s %s " STAGE ".%s AND ", table->columns[columns[i]].quoted,
						 operators[i], table->columns[columns[i]].quoted);
	appendStringInfoString(&buf, "NOT (");
	append_key_match(&buf, table);
	appendStringInfoChar(&buf, ')');
	return buf.data;
}
