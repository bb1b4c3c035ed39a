/*-------------------------------------------------------------------------
 *
 * worker/bundle/contents_out.c
 *	  contents.json: the tables and steps of a bundle, written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/json.h"

#include "worker/bundle/contents.h"

static const char *const words[] = {
	[DBSYNC_BUNDLE_TRUNCATE] = "truncate",
	[DBSYNC_BUNDLE_APPEND] = "append",
	[DBSYNC_BUNDLE_MERGE] = "merge",
	[DBSYNC_BUNDLE_PATCH] = "patch",
	[DBSYNC_BUNDLE_DELETE] = "delete",
	[DBSYNC_BUNDLE_COUNT] = "count",
	[DBSYNC_BUNDLE_CLEAR] = "clear",
	[DBSYNC_BUNDLE_DELETE_WHERE] = "delete_where",
	[DBSYNC_BUNDLE_CHANGE] = "change",
	[DBSYNC_BUNDLE_TYPES] = "types",
	[DBSYNC_BUNDLE_SEQUENCES] = "sequences"
};

const char *
dbsync_contents_do(DbsyncBundleDo what)
{
	return words[what];
}

int
dbsync_contents_read_do(const char *word)
{
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		if (strcmp(words[i], word) == 0)
			return i;
	}
	return -1;
}

bool
dbsync_contents_has_rows(DbsyncBundleDo what)
{
	return what >= DBSYNC_BUNDLE_APPEND && what <= DBSYNC_BUNDLE_CLEAR;
}

/* Numbers from 1. */
static void
put_numbers(StringInfo out, const char *key, int n, const int *numbers)
{
	dbsync_json_key(out, key);
	appendStringInfoChar(out, '[');
	for (int i = 0; i < n; i++)
	{
		dbsync_json_item(out);
		appendStringInfo(out, "%d", numbers[i] + 1);
	}
	appendStringInfoChar(out, ']');
}

static void
put_strings(StringInfo out, const char *key, int n, const char *const *strings)
{
	dbsync_json_key(out, key);
	appendStringInfoChar(out, '[');
	for (int i = 0; i < n; i++)
	{
		dbsync_json_item(out);
		if (strings[i] != NULL)
			escape_json(out, strings[i]);
		else
			appendStringInfoString(out, "null");
	}
	appendStringInfoChar(out, ']');
}

static void
put_column(StringInfo out, const DbsyncBundleColumn *column)
{
	dbsync_json_item(out);
	appendStringInfoChar(out, '{');
	dbsync_json_put_string(out, "name", column->name);
	dbsync_json_put_string(out, "type", column->type);
	dbsync_json_put_int(out, "oid", column->oid);
	dbsync_json_put_int(out, "typmod", column->typmod);
	dbsync_json_put_bool(out, "not_null", column->not_null);
	appendStringInfoChar(out, '}');
}

static void
put_table(StringInfo out, const DbsyncBundleTable *table)
{
	appendStringInfoChar(out, '{');
	dbsync_json_put_uuid(out, "id", &table->id);
	dbsync_json_put_string(out, "source", table->source);
	dbsync_json_put_string(out, "schema", table->schema);
	dbsync_json_put_string(out, "table", table->table);
	dbsync_json_key(out, "columns");
	appendStringInfoChar(out, '[');
	for (int i = 0; i < table->ncolumns; i++)
		put_column(out, &table->columns[i]);
	appendStringInfoChar(out, ']');
	put_numbers(out, "key", table->nkeys, table->keys);
	put_strings(out, "generated", table->ngenerated, table->generated);
	dbsync_json_put_bool(out, "chosen", table->chosen);
	dbsync_json_put_string(out, "fingerprint", table->fingerprint);
	appendStringInfoChar(out, '}');
}

/* A list in which each has a line. */
static void
begin_lines(StringInfo out, const char *key)
{
	appendStringInfo(out, ",\n\"%s\": [\n", key);
}

static void
put_part(StringInfo out, const DbsyncLedgerPart *part)
{
	appendStringInfoChar(out, '{');
	dbsync_json_put_uuid(out, "id", &part->attachment);
	dbsync_json_put_bool(out, "live", part->live);
	put_strings(out, "boundary", part->nkeys, (const char *const *) part->boundary);
	dbsync_json_put_int(out, "rows", part->rows);
	dbsync_head_put_place(out, part->after, part->upto, part->closing, part->closing_xid);
	dbsync_json_put_int(out, "checksum", part->checksum);
	dbsync_json_put_string(out, "relation", part->relation);
	appendStringInfoChar(out, '}');
}

static void
put_tables(StringInfo out, List *tables)
{
	ListCell   *lc;

	begin_lines(out, "tables");
	foreach(lc, tables)
	{
		put_table(out, lfirst(lc));
		appendStringInfoString(out, lnext(tables, lc) ? ",\n" : "");
	}
	appendStringInfoChar(out, ']');
}

static void
put_parts(StringInfo out, List *parts)
{
	ListCell   *lc;

	begin_lines(out, "parts");
	foreach(lc, parts)
	{
		put_part(out, lfirst(lc));
		appendStringInfoString(out, lnext(parts, lc) ? ",\n" : "");
	}
	appendStringInfoChar(out, ']');
}

/* File, and what is in it. */
static void
put_rows(StringInfo out, const DbsyncBundleStep *step, const char *suffix)
{
	char		file[DBSYNC_BUNDLE_NAME_LIMIT];

	snprintf(file, sizeof(file), "%d%s", step->member, suffix);
	dbsync_json_put_string(out, "form", step->form == DBSYNC_ENCODING_BINARY ? "binary" : "text");
	dbsync_json_put_string(out, "file", file);
	dbsync_json_put_int(out, "rows", step->rows);
	dbsync_json_put_int(out, "bytes", step->bytes);
	if (step->continues)
		dbsync_json_put_bool(out, "continues", true);
	if (step->first)
		dbsync_json_put_bool(out, "first", true);
}

static void
put_step(StringInfo out, const DbsyncBundleStep *step, const char *suffix)
{
	ListCell   *lc;

	appendStringInfoChar(out, '{');
	dbsync_json_put_string(out, "do", dbsync_contents_do(step->what));
	if (step->what == DBSYNC_BUNDLE_TRUNCATE)
	{
		dbsync_json_key(out, "tables");
		appendStringInfoChar(out, '[');
		foreach(lc, step->tables)
		{
			dbsync_json_item(out);
			appendStringInfo(out, "%d", lfirst_int(lc) + 1);
		}
		appendStringInfoChar(out, ']');
	}
	else if (step->what < DBSYNC_BUNDLE_TYPES)
		dbsync_json_put_int(out, "table", step->table + 1);
	if (dbsync_contents_has_rows(step->what))
		put_rows(out, step, suffix);
	dbsync_extras_write(out, step);
	appendStringInfoChar(out, '}');
}

void
dbsync_contents_write(StringInfo out, const DbsyncBundleContents *contents, const char *suffix)
{
	StringInfoData text;
	ListCell   *lc;
	char	   *utf8;

	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	dbsync_json_put_string(&text, "encoding", "UTF8");
	dbsync_json_put_string(&text, "route", contents->route);
	put_tables(&text, contents->tables);
	begin_lines(&text, "steps");
	foreach(lc, contents->steps)
	{
		put_step(&text, lfirst(lc), suffix);
		appendStringInfoString(&text, lnext(contents->steps, lc) ? ",\n" : "");
	}
	appendStringInfoChar(&text, ']');
	put_parts(&text, contents->parts);
	appendStringInfoString(&text, "}\n");
	utf8 = pg_server_to_any(text.data, text.len, PG_UTF8);
	appendStringInfoString(out, utf8);
	pfree(text.data);
}
