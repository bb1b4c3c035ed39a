/*-------------------------------------------------------------------------
 *
 * worker/bundle/load_sql.c
 *	  The script that loads a bundle by hand, with nothing but psql.
 *
 * Whoever may create a table at the source chooses names that stand in this script, and somebody else
 * runs it.  psql takes a line that begins with a backslash to its end: a name with a newline would end it,
 * and what follows could be \! and a command for the shell.  So names of users are in plain SQL only,
 * always quoted, where psql looks for the closing quote and for nothing else; and not in comments, which a
 * newline ends, too.  Lines with a backslash have what is ours.  Text of SQL that is not quoted are types and
 * conditions, which the source's server has put into words.
 *
 * Tables that it makes have the key for their only unique index, so rows that swap a value are never in each
 * other's way there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/bundle/load_rows.h"
#include "worker/bundle/load_sql.h"

/* settings under which values were written, and statements mean what they say */
static const char settings[] =
"\\set ON_ERROR_STOP on\n"
"SET client_encoding = 'UTF8';\n"
"SET client_min_messages = 'warning';\n"
"SET standard_conforming_strings = on;\n"
"SET search_path = pg_catalog, pg_temp;\n"
"SET DateStyle = 'ISO, YMD';\n"
"SET IntervalStyle = 'postgres';\n"
"SET TimeZone = 'UTC';\n"
"SET extra_float_digits = 3;\n"
"SET bytea_output = 'hex';\n"
"SET lc_monetary = 'C';\n"
"SET xmloption = 'content';\n"
"SET array_nulls = on;\n"
"SET row_security = off;\n";

/* a bundle of more tables and steps than fit into so many bytes does without */
#define LENGTH_LIMIT	(16 * 1024 * 1024)

/* a statement that is put together by SQL ends so; the line is for psql, and has nothing of anybody else's in it */
#define RUN_IT	"\n\\gexec\n"

/* --- tables that are missing --- */

/*
 * A column, in a statement that is put together by SQL.  A type that is not built in may be missing there: then the
 * column is a text, which takes what rows say.
 */
static void
append_column(StringInfo text, const DbsyncBundleTable *table, int column)
{
	const DbsyncBundleColumn *from = &table->columns[column];
	StringInfoData piece;

	initStringInfo(&piece);
	appendStringInfo(&piece, "%s ", dbsync_load_column(table, column));
	if (OidIsValid(from->oid))
		appendStringInfoString(&piece, from->type);
	else
	{
		dbsync_load_quote(text, '\'', piece.data);
		appendStringInfoString(text, " || CASE WHEN to_regtype(");
		dbsync_load_quote(text, '\'', from->type);
		appendStringInfoString(text, ") IS NULL THEN 'text' ELSE ");
		dbsync_load_quote(text, '\'', from->type);
		appendStringInfoString(text, " END || ");
		resetStringInfo(&piece);
	}
	if (from->not_null)
		appendStringInfoString(&piece, " NOT NULL");
	dbsync_load_quote(text, '\'', piece.data);
}

static char *
primary_key(const DbsyncBundleTable *table)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&buf, "%s%s", k == 0 ? "PRIMARY KEY (" : ", ", dbsync_load_column(table, table->keys[k]));
	if (table->nkeys > 0)
		appendStringInfoChar(&buf, ')');
	return buf.data;
}

/* The schema is made only if it is missing: IF NOT EXISTS wants the right to make it all the same. */
static void
append_create(StringInfo text, const DbsyncBundleTable *table)
{
	StringInfoData schema;

	initStringInfo(&schema);
	dbsync_load_quote(&schema, '"', table->schema);
	appendStringInfoString(text, "\nSELECT 'CREATE SCHEMA ' || ");
	dbsync_load_quote(text, '\'', schema.data);
	appendStringInfoString(text, " WHERE to_regnamespace(");
	dbsync_load_quote(text, '\'', schema.data);
	appendStringInfoString(text, ") IS NULL" RUN_IT "SELECT 'CREATE TABLE IF NOT EXISTS ' || ");
	dbsync_load_quote(text, '\'', dbsync_load_table(table));
	appendStringInfoString(text, " || '('");
	for (int i = 0; i < table->ncolumns; i++)
	{
		appendStringInfoString(text, i == 0 ? "\n || " : " || ','\n || ");
		append_column(text, table, i);
	}
	appendStringInfoString(text, "\n || ");
	dbsync_load_quote(text, '\'', psprintf("%s%s)", table->nkeys > 0 ? ", " : "", primary_key(table)));
	appendStringInfoString(text, RUN_IT);
}

/* Which tables does a step make from another one that is here, too? */
static Bitmapset *
find_changed(const DbsyncBundleContents *contents)
{
	Bitmapset  *changed = NULL;
	ListCell   *lc;

	foreach(lc, contents->steps)
	{
		const DbsyncBundleStep *step = lfirst(lc);

		if (step->what == DBSYNC_BUNDLE_CHANGE && step->before >= 0)
			changed = bms_add_member(changed, step->table);
	}
	return changed;
}

/* --- enums, which must have their labels before a transaction begins that uses them --- */

static void
append_label(StringInfo text, const DbsyncEnum *type, int label)
{
	ListCell   *lc;
	StringInfoData statement;

	initStringInfo(&statement);
	foreach(lc, type->labels[label].former)
	{
		resetStringInfo(&statement);
		appendStringInfo(&statement, "ALTER TYPE %s RENAME VALUE ", type->type_name);
		dbsync_load_quote(&statement, '\'', lfirst(lc));
		appendStringInfoString(&statement, " TO ");
		dbsync_load_quote(&statement, '\'', type->labels[label].name);
		appendStringInfoString(text, "SELECT ");
		dbsync_load_quote(text, '\'', statement.data);
		appendStringInfoString(text, " FROM pg_enum WHERE enumtypid = to_regtype(");
		dbsync_load_quote(text, '\'', type->type_name);
		appendStringInfoString(text, ") AND enumlabel = ");
		dbsync_load_quote(text, '\'', lfirst(lc));
		appendStringInfoString(text, " AND NOT EXISTS (SELECT FROM pg_enum o WHERE o.enumtypid = pg_enum.enumtypid AND o.enumlabel = ");
		dbsync_load_quote(text, '\'', type->labels[label].name);
		appendStringInfoString(text, ")" RUN_IT);
	}
	resetStringInfo(&statement);
	appendStringInfo(&statement, "ALTER TYPE %s ADD VALUE IF NOT EXISTS ", type->type_name);
	dbsync_load_quote(&statement, '\'', type->labels[label].name);
	if (label > 0)
	{
		appendStringInfoString(&statement, " AFTER ");
		dbsync_load_quote(&statement, '\'', type->labels[label - 1].name);
	}
	appendStringInfoString(text, "SELECT ");
	dbsync_load_quote(text, '\'', statement.data);
	appendStringInfoString(text, " FROM pg_type WHERE typtype = 'e' AND oid = to_regtype(");
	dbsync_load_quote(text, '\'', type->type_name);
	appendStringInfoChar(text, ')');
	appendStringInfoString(text, RUN_IT);
}

static void
append_labels(StringInfo text, const DbsyncBundleContents *contents)
{
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, contents->steps)
	{
		foreach(lc2, ((DbsyncBundleStep *) lfirst(lc))->enums)
		{
			const DbsyncEnum *type = lfirst(lc2);

			for (int i = 0; i < type->nlabels; i++)
				append_label(text, type, i);
		}
	}
}

/* --- steps without rows --- */

static void
append_truncate(StringInfo text, const DbsyncBundleContents *contents, const DbsyncBundleStep *step)
{
	ListCell   *lc;
	const char *separator = "TRUNCATE ";

	foreach(lc, step->tables)
	{
		appendStringInfo(text, "%s%s", separator, dbsync_load_table(list_nth(contents->tables, lfirst_int(lc))));
		separator = ", ";
	}
	if (step->tables != NIL)
		appendStringInfoString(text, ";\n");
}

/* The key's constraint has any name. */
static void
append_key(StringInfo text, const DbsyncBundleTable *table)
{
	appendStringInfoString(text, "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint"
						   " WHERE contype = 'p' AND conrelid = to_regclass(");
	dbsync_load_quote(text, '\'', dbsync_load_table(table));
	appendStringInfoString(text, ")" RUN_IT);
	if (table->nkeys > 0)
		appendStringInfo(text, "ALTER TABLE %s ADD %s;\n", dbsync_load_table(table), primary_key(table));
}

/* Rows that are there already have this value in a new column. */
static void
append_fill(StringInfo text, const char *table, const char *column, const DbsyncChange *change)
{
	if (change->missing == NULL)
		return;
	appendStringInfo(text, "UPDATE %s SET %s = ", table, column);
	dbsync_load_quote(text, '\'', change->missing);
	appendStringInfoString(text, ";\n");
}

static void
append_change(StringInfo text, const DbsyncBundleTable *into, const DbsyncChange *change, bool fill)
{
	const char *table = dbsync_load_table(into);
	const char *type = change->type_name;
	StringInfoData column;

	initStringInfo(&column);
	if (change->column != NULL)
		dbsync_load_quote(&column, '"', change->column);
	if (fill)
	{
		if (change->kind == DBSYNC_CHANGE_ADD)
			append_fill(text, table, column.data, change);
		return;
	}
	if (type == NULL && OidIsValid(change->type))
		type = format_type_with_typemod(change->type, change->typmod);
	switch (change->kind)
	{
		case DBSYNC_CHANGE_DROP:
			appendStringInfo(text, "ALTER TABLE %s DROP COLUMN IF EXISTS %s;\n", table, column.data);
			break;
		case DBSYNC_CHANGE_RENAME:
			appendStringInfo(text, "ALTER TABLE %s RENAME COLUMN %s TO ", table, column.data);
			dbsync_load_quote(text, '"', change->new_name);
			appendStringInfoString(text, ";\n");
			break;
		case DBSYNC_CHANGE_TYPE:
			appendStringInfo(text, "ALTER TABLE %s ALTER COLUMN %s TYPE %s USING %s::%s;\n", table, column.data, type, column.data, type);
			break;
		case DBSYNC_CHANGE_ADD:
			appendStringInfo(text, "ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s %s;\n", table, column.data, type);
			append_fill(text, table, column.data, change);
			if (change->not_null)
				appendStringInfo(text, "ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n", table, column.data);
			break;
		case DBSYNC_CHANGE_NOT_NULL:
			appendStringInfo(text, "ALTER TABLE %s ALTER COLUMN %s %s NOT NULL;\n", table, column.data, change->not_null ? "SET" : "DROP");
			break;
		case DBSYNC_CHANGE_DEFAULT:
			/* rows come with all values */
			break;
		case DBSYNC_CHANGE_KEY:
			append_key(text, into);
			break;
	}
}

static void
append_changes(StringInfo text, const DbsyncBundleTable *into, const DbsyncBundleStep *step)
{
	ListCell   *lc;

	if (step->how & DBSYNC_CHANGE_EMPTY)
		appendStringInfo(text, "TRUNCATE %s;\n", dbsync_load_table(into));
	foreach(lc, step->changes)
		append_change(text, into, lfirst(lc), (step->how & DBSYNC_CHANGE_FILL) != 0);
}

static void
append_step(StringInfo text, const DbsyncBundleContents *contents, const DbsyncBundleStep *step)
{
	const DbsyncBundleTable *table = step->table >= 0 ? list_nth(contents->tables, step->table) : NULL;

	switch (step->what)
	{
		case DBSYNC_BUNDLE_TRUNCATE:
			append_truncate(text, contents, step);
			break;
		case DBSYNC_BUNDLE_DELETE_WHERE:
			appendStringInfo(text, "DELETE FROM %s WHERE %s;\n", dbsync_load_table(table), step->condition);
			break;
		case DBSYNC_BUNDLE_CHANGE:
			append_changes(text, table, step);
			break;
		case DBSYNC_BUNDLE_TYPES:
			/* they have come before the transaction */
			break;
		case DBSYNC_BUNDLE_SEQUENCES:
			/* rows do without */
			break;
		default:
			dbsync_load_rows(text, table, step);
			break;
	}
}

/*
 * Tables that are missing, and steps; what is used for one of them is given up before the next.  False: it is too long.
 */
static bool
append_all(StringInfo text, const DbsyncBundleContents *contents)
{
	Bitmapset  *changed = find_changed(contents);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync load.sql", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell   *lc;
	int			number = 0;

	append_labels(text, contents);
	appendStringInfoString(text, "BEGIN;\n");
	foreach(lc, contents->tables)
	{
		if (text->len > LENGTH_LIMIT)
			break;
		if (!bms_is_member(number++, changed))
			append_create(text, lfirst(lc));
		MemoryContextReset(context);
	}
	number = 0;
	foreach(lc, contents->steps)
	{
		if (text->len > LENGTH_LIMIT)
			break;
		appendStringInfo(text, "\n-- step %d\n", ++number);
		append_step(text, contents, lfirst(lc));
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return text->len <= LENGTH_LIMIT;
}

char *
dbsync_bundle_load_sql(const DbsyncBundleHead *head, const DbsyncBundleContents *contents)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text,
					 "-- Loads file " INT64_FORMAT " of chain " INT64_FORMAT ".  Prove the bundle, unzip its row members into one folder, and there:\n"
					 "--   psql -X -f load.sql\n"
					 "-- docs/bundles.md of dbsync says how, step by step.\n%s",
					 head->number, head->chain, settings);
	if (!append_all(&text, contents))
	{
		pfree(text.data);
		return NULL;
	}
	appendStringInfoString(&text, "\nCOMMIT;\n");
	return text.data;
}
