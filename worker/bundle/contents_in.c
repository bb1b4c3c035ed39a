/*-------------------------------------------------------------------------
 *
 * worker/bundle/contents_in.c
 *	  contents.json: the tables and steps of a bundle, read and checked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"

#include "worker/bundle/contents.h"

typedef struct Reading
{
	DbsyncBundleContents *contents;
	const char *suffix;
} Reading;

/* --- tables --- */

static void
read_column_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncBundleColumn *column = arg;

	if (strcmp(key, "name") == 0)
		column->name = dbsync_json_string(json);
	else if (strcmp(key, "type") == 0)
		column->type = dbsync_json_string(json);
	else if (strcmp(key, "oid") == 0)
		column->oid = dbsync_json_int(json, 0, PG_UINT32_MAX);
	else if (strcmp(key, "typmod") == 0)
		column->typmod = dbsync_json_int(json, -1, PG_INT32_MAX);
	else if (strcmp(key, "not_null") == 0)
		column->not_null = dbsync_json_bool(json);
	else
		dbsync_json_skip(json);
}

static void
read_column(DbsyncJson *json, void *arg)
{
	DbsyncBundleTable *table = arg;
	DbsyncBundleColumn *column;

	if (table->ncolumns == MaxTupleAttributeNumber)
	{
		dbsync_json_wrong(json, "a table has too many columns");
		return;
	}
	/* twice as many at 1, 2, 4 ... */
	table->columns = dbsync_json_grow(table->columns, table->ncolumns, sizeof(DbsyncBundleColumn));
	column = &table->columns[table->ncolumns++];
	memset(column, 0, sizeof(DbsyncBundleColumn));
	column->typmod = -1;
	dbsync_json_object(json, read_column_member, column);
	if (column->name == NULL || column->type == NULL)
		dbsync_json_wrong(json, "a column has no name or no type");
	/* the reader's own types have such numbers, and are others */
	if (column->oid >= FirstGenbkiObjectId)
		dbsync_json_wrong(json, "a column has the number of a type that is not built in");
}

static void
read_key(DbsyncJson *json, void *arg)
{
	DbsyncBundleTable *table = arg;

	if (table->nkeys == INDEX_MAX_KEYS)
	{
		dbsync_json_wrong(json, "a key has too many columns");
		return;
	}
	if (table->nkeys == 0)
		table->keys = palloc(sizeof(int) * INDEX_MAX_KEYS);
	table->keys[table->nkeys++] = (int) dbsync_json_int(json, 1, MaxTupleAttributeNumber) - 1;
}

static void
read_generated(DbsyncJson *json, void *arg)
{
	DbsyncBundleTable *table = arg;
	char	   *name = dbsync_json_string(json);

	if (name == NULL || table->ngenerated == MaxTupleAttributeNumber)
	{
		dbsync_json_wrong(json, "a generated column has no name");
		return;
	}
	table->generated = dbsync_json_grow(table->generated, table->ngenerated, sizeof(char *));
	table->generated[table->ngenerated++] = name;
}

static void
read_fingerprint(DbsyncJson *json, DbsyncBundleTable *table)
{
	char	   *hex = dbsync_json_utf8(json);

	if (hex == NULL || strlen(hex) >= DBSYNC_BUNDLE_HEX)
		dbsync_json_wrong(json, "\"fingerprint\" is no SHA-256");
	else
		strlcpy(table->fingerprint, hex, DBSYNC_BUNDLE_HEX);
}

static void
read_table_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncBundleTable *table = arg;

	if (strcmp(key, "id") == 0)
		dbsync_json_uuid(json, &table->id);
	else if (strcmp(key, "source") == 0)
		table->source = dbsync_json_string(json);
	else if (strcmp(key, "schema") == 0)
		table->schema = dbsync_json_string(json);
	else if (strcmp(key, "table") == 0)
		table->table = dbsync_json_string(json);
	else if (strcmp(key, "columns") == 0)
		dbsync_json_array(json, read_column, table);
	else if (strcmp(key, "key") == 0)
		dbsync_json_array(json, read_key, table);
	else if (strcmp(key, "generated") == 0)
		dbsync_json_array(json, read_generated, table);
	else if (strcmp(key, "chosen") == 0)
		table->chosen = dbsync_json_bool(json);
	else if (strcmp(key, "fingerprint") == 0)
		read_fingerprint(json, table);
	else
		dbsync_json_skip(json);
}

static void
read_table(DbsyncJson *json, void *arg)
{
	Reading    *reading = arg;
	DbsyncBundleTable *table = palloc0(sizeof(DbsyncBundleTable));

	dbsync_json_object(json, read_table_member, table);
	if (table->schema == NULL || table->table == NULL || table->source == NULL)
		dbsync_json_wrong(json, "a table has no name");
	for (int i = 0; i < table->nkeys; i++)
	{
		if (table->keys[i] >= table->ncolumns)
			dbsync_json_wrong(json, "a key has a column that is not there");
	}
	reading->contents->tables = lappend(reading->contents->tables, table);
}

/* --- parts --- */

static void
read_boundary(DbsyncJson *json, void *arg)
{
	DbsyncLedgerPart *part = arg;
	char	   *value = dbsync_json_string(json);

	if (value == NULL || part->nkeys == INDEX_MAX_KEYS)
	{
		dbsync_json_wrong(json, "a boundary has no such value");
		return;
	}
	if (part->nkeys == 0)
		part->boundary = palloc(sizeof(char *) * INDEX_MAX_KEYS);
	part->boundary[part->nkeys++] = value;
}

static void
read_part_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncLedgerPart *part = arg;

	if (strcmp(key, "id") == 0)
		dbsync_json_uuid(json, &part->attachment);
	else if (strcmp(key, "live") == 0)
		part->live = dbsync_json_bool(json);
	else if (strcmp(key, "boundary") == 0)
		dbsync_json_array(json, read_boundary, part);
	else if (strcmp(key, "rows") == 0)
		part->rows = dbsync_json_int(json, PG_INT64_MIN, PG_INT64_MAX);
	else if (strcmp(key, "after") == 0)
		part->after = dbsync_json_string(json);
	else if (strcmp(key, "upto") == 0)
		part->upto = dbsync_json_string(json);
	else if (strcmp(key, "closing") == 0)
		part->closing = dbsync_head_lsn(json);
	else if (strcmp(key, "closing_xid") == 0)
		part->closing_xid = dbsync_json_int(json, 0, PG_INT64_MAX);
	else if (strcmp(key, "checksum") == 0)
		part->checksum = dbsync_json_int(json, PG_INT64_MIN, PG_INT64_MAX);
	else if (strcmp(key, "relation") == 0)
		part->relation = dbsync_json_string(json);
	else
		dbsync_json_skip(json);
}

static void
read_part(DbsyncJson *json, void *arg)
{
	Reading    *reading = arg;
	DbsyncLedgerPart *part = palloc0(sizeof(DbsyncLedgerPart));

	dbsync_json_object(json, read_part_member, part);
	reading->contents->parts = lappend(reading->contents->parts, part);
}

/* --- steps --- */

typedef struct Step
{
	DbsyncBundleStep *step;
	const char *suffix;
	bool		has_do;
	bool		has_form;
} Step;

static void
read_step_table(DbsyncJson *json, void *arg)
{
	DbsyncBundleStep *step = arg;

	step->tables = lappend_int(step->tables, (int) dbsync_json_int(json, 1, PG_INT32_MAX) - 1);
}

static void
read_do(DbsyncJson *json, Step *reading)
{
	char	   *word = dbsync_json_utf8(json);
	int			what = word ? dbsync_contents_read_do(word) : -1;

	if (what < 0)
		dbsync_json_wrong(json, "there is a step that is not known");
	reading->step->what = what;
	reading->has_do = true;
}

static void
read_form(DbsyncJson *json, Step *reading)
{
	char	   *word = dbsync_json_utf8(json);
	bool		binary = word && strcmp(word, "binary") == 0;

	if (!binary && (word == NULL || strcmp(word, "text") != 0))
		dbsync_json_wrong(json, "there are rows in a form that is not known");
	reading->step->form = binary ? DBSYNC_ENCODING_BINARY : DBSYNC_ENCODING_TEXT;
	reading->has_form = true;
}

/* A number, and just the suffix that all have. */
static void
read_file(DbsyncJson *json, Step *reading)
{
	char	   *name = dbsync_json_utf8(json);
	int			digits = name ? strspn(name, "0123456789") : 0;

	if (digits == 0 || digits > 6 || name[0] == '0' || strcmp(name + digits, reading->suffix) != 0)
		dbsync_json_wrong(json, "a step has no such file");
	else
		reading->step->member = atoi(name);
}

static void
read_step_member(DbsyncJson *json, const char *key, void *arg)
{
	Step	   *reading = arg;
	DbsyncBundleStep *step = reading->step;

	if (strcmp(key, "do") == 0)
		read_do(json, reading);
	else if (strcmp(key, "table") == 0)
		step->table = (int) dbsync_json_int(json, 0, PG_INT32_MAX) - 1;
	else if (strcmp(key, "tables") == 0)
		dbsync_json_array(json, read_step_table, step);
	else if (strcmp(key, "form") == 0)
		read_form(json, reading);
	else if (strcmp(key, "file") == 0)
		read_file(json, reading);
	else if (strcmp(key, "rows") == 0)
		step->rows = dbsync_json_int(json, 0, PG_INT64_MAX);
	else if (strcmp(key, "bytes") == 0)
		step->bytes = dbsync_json_int(json, 0, PG_INT64_MAX);
	else if (strcmp(key, "continues") == 0)
		step->continues = dbsync_json_bool(json);
	else if (strcmp(key, "first") == 0)
		step->first = dbsync_json_bool(json);
	else if (!dbsync_extras_read(json, key, step))
		dbsync_json_skip(json);
}

static void
read_step(DbsyncJson *json, void *arg)
{
	Reading    *reading = arg;
	Step		step = {.suffix = reading->suffix};

	step.step = palloc0(sizeof(DbsyncBundleStep));
	step.step->table = step.step->before = -1;
	dbsync_json_object(json, read_step_member, &step);
	if (!step.has_do)
		dbsync_json_wrong(json, "a step does not say what is to be done");
	else if (dbsync_contents_has_rows(step.step->what) && (!step.has_form || step.step->member == 0))
		dbsync_json_wrong(json, "a step has no file, or no form");
	reading->contents->steps = lappend(reading->contents->steps, step.step);
}

/* --- all of it --- */

static void
read_contents(DbsyncJson *json, const char *key, void *arg)
{
	Reading    *reading = arg;
	DbsyncBundleContents *contents = reading->contents;

	if (strcmp(key, "encoding") == 0)
		contents->encoding = dbsync_json_string(json);
	else if (strcmp(key, "route") == 0)
		contents->route = dbsync_json_string(json);
	else if (strcmp(key, "tables") == 0)
		dbsync_json_array(json, read_table, reading);
	else if (strcmp(key, "steps") == 0)
		dbsync_json_array(json, read_step, reading);
	else if (strcmp(key, "parts") == 0)
		dbsync_json_array(json, read_part, reading);
	else
		dbsync_json_skip(json);
}

static const char *
problem_of_sets(List *sets, const DbsyncBundleTable *table)
{
	ListCell   *lc;
	ListCell   *column;

	foreach(lc, sets)
	{
		foreach(column, (List *) lfirst(lc))
		{
			if (lfirst_int(column) >= table->ncolumns)
				return "a step names a column that is not there";
		}
	}
	return NULL;
}

/* Are the tables there that it names, and has it those that it must have? */
static const char *
problem_of_step(const DbsyncBundleStep *step, List *tables)
{
	int			ntables = list_length(tables);
	const DbsyncBundleTable *table;
	ListCell   *lc;

	foreach(lc, step->tables)
	{
		if (lfirst_int(lc) >= ntables)
			return "a step names a table that is not there";
	}
	if (step->table >= ntables || step->before >= ntables)
		return "a step names a table that is not there";
	if (step->what == DBSYNC_BUNDLE_TRUNCATE)
		return step->tables == NIL ? "a step has no tables" : NULL;
	if (step->what == DBSYNC_BUNDLE_TYPES || step->what == DBSYNC_BUNDLE_SEQUENCES)
		return NULL;
	if (step->table < 0)
		return "a step has no table";
	if (step->what == DBSYNC_BUNDLE_DELETE_WHERE && step->condition == NULL)
		return "a step has no condition";
	table = list_nth(tables, step->table);
	if (dbsync_contents_has_rows(step->what) && table->ncolumns == 0)
		return "a step has rows of a table without columns";
	if (dbsync_contents_has_rows(step->what) && step->what != DBSYNC_BUNDLE_APPEND && step->what != DBSYNC_BUNDLE_COUNT && table->nkeys == 0)
		return "a step has rows that are found by the key, of a table without one";
	return problem_of_sets(step->sets, table);
}

const char *
dbsync_contents_read(const char *text, size_t length, const char *suffix,
					 DbsyncBundleContents **contents)
{
	Reading		reading = {.suffix = suffix};
	DbsyncJson	json;
	ListCell   *lc;

	reading.contents = palloc0(sizeof(DbsyncBundleContents));
	dbsync_json_begin(&json, text, length);
	dbsync_json_object(&json, read_contents, &reading);
	dbsync_json_end(&json);
	if (json.problem != NULL)
		return json.problem;
	if (reading.contents->encoding == NULL || strcmp(reading.contents->encoding, "UTF8") != 0)
		return "\"encoding\" is not UTF8";
	foreach(lc, reading.contents->steps)
	{
		const char *problem = problem_of_step(lfirst(lc), reading.contents->tables);

		if (problem != NULL)
			return problem;
	}
	*contents = reading.contents;
	return NULL;
}
