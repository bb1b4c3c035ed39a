/*-------------------------------------------------------------------------
 *
 * worker/bundle/load_rows.c
 *	  SQL for rows, in the script that loads a bundle by hand, and its names.
 *
 * Rows go into a temporary table whose names are ours, as what reads them is a line with a backslash
 * (see dbsync_bundle_load_sql()): dbsync_1, dbsync_2 ..., with columns c1, c2 ...  From there on all is plain SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/bundle/load_rows.h"

#define LOADED	"pg_temp.dbsync_%d"

/* the step that is being written; "s" is what was loaded, "t" the table */
typedef struct Load
{
	StringInfo	text;
	const DbsyncBundleTable *table;
	const DbsyncBundleStep *step;
} Load;

void
dbsync_load_quote(StringInfo text, char quote, const char *words)
{
	appendStringInfoChar(text, quote);
	for (const char *c = words; *c != '\0'; c++)
	{
		if (*c == quote)
			appendStringInfoChar(text, quote);
		appendStringInfoChar(text, *c);
	}
	appendStringInfoChar(text, quote);
}

const char *
dbsync_load_table(const DbsyncBundleTable *table)
{
	StringInfoData buf;

	initStringInfo(&buf);
	dbsync_load_quote(&buf, '"', table->schema);
	appendStringInfoChar(&buf, '.');
	dbsync_load_quote(&buf, '"', table->table);
	return buf.data;
}

const char *
dbsync_load_column(const DbsyncBundleTable *table, int column)
{
	StringInfoData buf;

	initStringInfo(&buf);
	dbsync_load_quote(&buf, '"', table->columns[column].name);
	return buf.data;
}

static bool
is_key(const DbsyncBundleTable *table, int column)
{
	for (int k = 0; k < table->nkeys; k++)
	{
		if (table->keys[k] == column)
			return true;
	}
	return false;
}

/* --- rows into a temporary table --- */

/* Fields before those of columns: what they are called, and their types. */
static int
own_fields(DbsyncBundleDo what, const char *names[2], const char *types[2])
{
	names[0] = "dbsync_op";
	types[0] = "\"char\"";
	switch (what)
	{
		case DBSYNC_BUNDLE_MERGE:
		case DBSYNC_BUNDLE_CLEAR:
			return 1;
		case DBSYNC_BUNDLE_PATCH:
			names[1] = "dbsync_same";
			types[1] = "text";
			return 2;
		case DBSYNC_BUNDLE_COUNT:
			names[1] = "dbsync_count";
			types[1] = "bigint";
			return 2;
		default:
			return 0;
	}
}

/* How many columns its rows have, and which one is the nth. */
static int
count_fields(const Load *load)
{
	return load->step->what == DBSYNC_BUNDLE_DELETE ? load->table->nkeys : load->table->ncolumns;
}

static int
column_of_field(const Load *load, int field)
{
	return load->step->what == DBSYNC_BUNDLE_DELETE ? load->table->keys[field] : field;
}

/* Binary is of the source's types.  Text is read as what it is to become. */
static void
append_fields(Load *load)
{
	StringInfo	text = load->text;
	bool		binary = load->step->form == DBSYNC_ENCODING_BINARY;
	const char *separator = "";
	const char *names[2];
	const char *types[2];
	int			nown = own_fields(load->step->what, names, types);

	appendStringInfo(text, "CREATE TEMPORARY TABLE dbsync_%d %s", load->step->member, binary ? "(" : "AS SELECT ");
	for (int i = 0; i < nown; i++)
	{
		if (binary)
			appendStringInfo(text, "%s%s %s", separator, names[i], types[i]);
		else
			appendStringInfo(text, "%sCAST(NULL AS %s) AS %s", separator, types[i], names[i]);
		separator = ", ";
	}
	for (int i = 0; i < count_fields(load); i++)
	{
		int			column = column_of_field(load, i);

		if (binary)
			appendStringInfo(text, "%sc%d %s", separator, i + 1, load->table->columns[column].type);
		else
			appendStringInfo(text, "%st.%s AS c%d", separator, dbsync_load_column(load->table, column), i + 1);
		separator = ", ";
	}
	if (binary)
		appendStringInfoString(text, ");\n");
	else
		appendStringInfo(text, " FROM %s t WITH NO DATA;\n", dbsync_load_table(load->table));
}

/* The table for them, and the line that reads them. */
static void
append_rows(Load *load)
{
	StringInfo	text = load->text;
	const DbsyncBundleStep *step = load->step;

	append_fields(load);
	appendStringInfo(text, "\\copy " LOADED, step->member);
	appendStringInfo(text, " from '%d.copy' with (format %s)\n", step->member,
					 step->form == DBSYNC_ENCODING_BINARY ? "binary" : "text");
	appendStringInfo(text, "DO $$ BEGIN IF (SELECT count(*) FROM " LOADED ") <> " INT64_FORMAT
					 " THEN RAISE EXCEPTION '%d.copy has not the rows that belong to this bundle'; END IF; END $$;\n",
					 step->member, step->rows, step->member);
}

/* --- what becomes of them --- */

/*
 * "t" and "s" have the same key.  What is not built in is compared as text: we do not know its operator.
 */
static void
append_key_match(Load *load)
{
	for (int k = 0; k < load->table->nkeys; k++)
	{
		int			column = load->table->keys[k];
		const char *cast = OidIsValid(load->table->columns[column].oid) ? "" : "::text";

		appendStringInfo(load->text, "%st.%s%s = s.c%d%s", k == 0 ? "" : " AND ", dbsync_load_column(load->table, column), cast,
						 (load->step->what == DBSYNC_BUNDLE_DELETE ? k : column) + 1, cast);
	}
}

/* "DELETE FROM t USING s WHERE ", or the like */
static void
append_delete(Load *load, const char *condition)
{
	appendStringInfo(load->text, "DELETE FROM %s t USING " LOADED " s WHERE %s", dbsync_load_table(load->table),
					 load->step->member, condition);
}

/* "INSERT ... SELECT ... FROM s"; identity columns take what they are given. */
static void
append_insert(Load *load)
{
	StringInfo	text = load->text;

	appendStringInfo(text, "INSERT INTO %s (", dbsync_load_table(load->table));
	for (int i = 0; i < load->table->ncolumns; i++)
		appendStringInfo(text, "%s%s", i == 0 ? "" : ", ", dbsync_load_column(load->table, i));
	appendStringInfoString(text, ") OVERRIDING SYSTEM VALUE SELECT ");
	for (int i = 0; i < load->table->ncolumns; i++)
		appendStringInfo(text, "%ss.c%d", i == 0 ? "" : ", ", i + 1);
	appendStringInfo(text, " FROM " LOADED " s", load->step->member);
}

static void
append_update(Load *load)
{
	StringInfo	text = load->text;
	bool		patch = load->step->what == DBSYNC_BUNDLE_PATCH;
	bool		any = false;

	for (int i = 0; i < load->table->ncolumns; i++)
	{
		const char *name = dbsync_load_column(load->table, i);

		if (is_key(load->table, i))
			continue;
		if (any)
			appendStringInfoString(text, ", ");
		else
			appendStringInfo(text, "UPDATE %s t SET ", dbsync_load_table(load->table));
		any = true;
		if (patch)
			appendStringInfo(text, "%s = CASE WHEN '%d' = ANY (string_to_array(s.dbsync_same, ',')) THEN t.%s ELSE s.c%d END",
							 name, i + 1, name, i + 1);
		else
			appendStringInfo(text, "%s = s.c%d", name, i + 1);
	}
	/* all of it is the key */
	if (!any)
		return;
	appendStringInfo(text, " FROM " LOADED " s WHERE s.dbsync_op <> 'D' AND ", load->step->member);
	append_key_match(load);
	appendStringInfoString(text, ";\n");
}

/* Rows that lack columns must be there. */
static void
append_check(Load *load)
{
	StringInfo	text = load->text;
	int			member = load->step->member;

	appendStringInfo(text, "DELETE FROM " LOADED " s WHERE s.dbsync_op <> 'D' AND s.dbsync_same IS NOT NULL AND EXISTS (SELECT FROM %s t WHERE ",
					 member, dbsync_load_table(load->table));
	append_key_match(load);
	appendStringInfo(text, ");\nDO $$ BEGIN IF EXISTS (SELECT FROM " LOADED " WHERE dbsync_op <> 'D' AND dbsync_same IS NOT NULL)"
					 " THEN RAISE EXCEPTION 'rows are missing that %d.copy changes in part: a bundle before this one has not been loaded'; END IF; END $$;\n",
					 member, member);
}

static void
append_merge(Load *load)
{
	StringInfo	text = load->text;

	append_delete(load, "s.dbsync_op = 'D' AND ");
	append_key_match(load);
	appendStringInfoString(text, ";\n");
	append_update(load);
	if (load->step->what == DBSYNC_BUNDLE_PATCH)
		append_check(load);
	append_insert(load);
	appendStringInfo(text, " WHERE s.dbsync_op <> 'D' AND NOT EXISTS (SELECT FROM %s t WHERE ", dbsync_load_table(load->table));
	append_key_match(load);
	appendStringInfoString(text, ");\n");
}

/* "ROW(...)::text" of the table's columns, or of what was loaded: tells apart what differs in any way. */
static void
append_whole(Load *load, bool loaded)
{
	appendStringInfoString(load->text, "ROW(");
	for (int i = 0; i < load->table->ncolumns; i++)
	{
		if (loaded)
			appendStringInfo(load->text, "%ss.c%d", i == 0 ? "" : ", ", i + 1);
		else
			appendStringInfo(load->text, "%st.%s", i == 0 ? "" : ", ", dbsync_load_column(load->table, i));
	}
	appendStringInfoString(load->text, ")::text");
}

/* Of equal rows, as many go as there are to go, whichever. */
static void
append_count(Load *load)
{
	StringInfo	text = load->text;
	const char *table = dbsync_load_table(load->table);

	appendStringInfo(text, "DELETE FROM %s WHERE (tableoid, ctid) IN (SELECT d.tableoid, d.ctid FROM (SELECT t.tableoid, t.ctid, s.dbsync_count,"
					 " row_number() OVER (PARTITION BY s.ctid) AS n FROM %s t JOIN " LOADED " s ON s.dbsync_op = 'D' AND ",
					 table, table, load->step->member);
	append_whole(load, false);
	appendStringInfoString(text, " = ");
	append_whole(load, true);
	appendStringInfoString(text, ") d WHERE d.n <= d.dbsync_count);\n");
	append_insert(load);
	appendStringInfoString(text, " CROSS JOIN generate_series(1, s.dbsync_count) WHERE s.dbsync_op = 'I';\n");
}

static void
append_clear(Load *load)
{
	StringInfo	text = load->text;
	ListCell   *lc;
	ListCell   *lc2;

	foreach(lc, load->step->sets)
	{
		append_delete(load, "s.dbsync_op <> 'D' AND ");
		foreach(lc2, (List *) lfirst(lc))
		{
			int			column = lfirst_int(lc2);
			const char *cast = OidIsValid(load->table->columns[column].oid) ? "" : "::text";

			appendStringInfo(text, "t.%s%s = s.c%d%s AND ", dbsync_load_column(load->table, column), cast, column + 1, cast);
		}
		appendStringInfoString(text, "NOT (");
		append_key_match(load);
		appendStringInfoString(text, ");\n");
	}
}

void
dbsync_load_rows(StringInfo text, const DbsyncBundleTable *table, const DbsyncBundleStep *step)
{
	Load		load = {.text = text, .table = table, .step = step};

	append_rows(&load);
	switch (step->what)
	{
		case DBSYNC_BUNDLE_APPEND:
			append_insert(&load);
			appendStringInfoString(text, ";\n");
			break;
		case DBSYNC_BUNDLE_DELETE:
			append_delete(&load, "");
			append_key_match(&load);
			appendStringInfoString(text, ";\n");
			break;
		case DBSYNC_BUNDLE_COUNT:
			append_count(&load);
			break;
		case DBSYNC_BUNDLE_CLEAR:
			append_clear(&load);
			break;
		default:
			append_merge(&load);
			break;
	}
	appendStringInfo(text, "DROP TABLE " LOADED ";\n", step->member);
}
