/*-------------------------------------------------------------------------
 *
 * worker/bundle/contents_extras.c
 *	  contents.json: what steps say that not each reader of format 1 knows, written and read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "utils/json.h"

#include "worker/bundle/contents.h"

static const char *const kinds[] = {
	[DBSYNC_CHANGE_DROP] = "drop",
	[DBSYNC_CHANGE_RENAME] = "rename",
	[DBSYNC_CHANGE_TYPE] = "type",
	[DBSYNC_CHANGE_ADD] = "add",
	[DBSYNC_CHANGE_DEFAULT] = "default",
	[DBSYNC_CHANGE_NOT_NULL] = "not_null",
	[DBSYNC_CHANGE_KEY] = "key"
};

/* how a table is changed: flag and word */
static const struct
{
	int			flag;
	const char *word;
}			ways[] = {
	{DBSYNC_CHANGE_TAKEN, "taken"},
	{DBSYNC_CHANGE_EMPTY, "empty"},
	{DBSYNC_CHANGE_SHARED, "shared"},
	{DBSYNC_CHANGE_FILL, "fill"}
};

/* --- out --- */

void
dbsync_extras_put_words(StringInfo out, const char *key, List *words)
{
	ListCell   *lc;

	dbsync_json_key(out, key);
	appendStringInfoChar(out, '[');
	foreach(lc, words)
	{
		dbsync_json_item(out);
		escape_json(out, lfirst(lc));
	}
	appendStringInfoChar(out, ']');
}

static void
put_sets(StringInfo out, List *sets)
{
	ListCell   *lc;
	ListCell   *column;

	dbsync_json_key(out, "sets");
	appendStringInfoChar(out, '[');
	foreach(lc, sets)
	{
		dbsync_json_item(out);
		appendStringInfoChar(out, '[');
		foreach(column, (List *) lfirst(lc))
		{
			dbsync_json_item(out);
			appendStringInfo(out, "%d", lfirst_int(column) + 1);
		}
		appendStringInfoChar(out, ']');
	}
	appendStringInfoChar(out, ']');
}

/* Of types and collations that are the same in each database. */
Oid
dbsync_extras_same_everywhere(Oid oid)
{
	return oid < FirstGenbkiObjectId ? oid : InvalidOid;
}

static void
put_index(StringInfo out, const DbsyncIndex *index)
{
	dbsync_json_key(out, "index");
	appendStringInfoChar(out, '{');
	dbsync_json_put_string(out, "name", index->name);
	dbsync_json_put_bool(out, "unique", index->unique);
	dbsync_json_put_string(out, "definition", index->definition);
	appendStringInfoChar(out, '}');
}

static void
put_change(StringInfo out, const DbsyncChange *change)
{
	List	   *keys = NIL;

	for (int i = 0; i < change->nkeys; i++)
		keys = lappend(keys, unconstify(char *, change->keys[i]));
	dbsync_json_item(out);
	appendStringInfoChar(out, '{');
	dbsync_json_put_string(out, "kind", kinds[change->kind]);
	dbsync_json_put_string(out, "column", change->column);
	dbsync_json_put_string(out, "new_name", change->new_name);
	dbsync_json_put_string(out, "type", change->type_name);
	dbsync_json_put_int(out, "oid", dbsync_extras_same_everywhere(change->type));
	dbsync_json_put_int(out, "typmod", change->typmod);
	dbsync_json_put_int(out, "collation", dbsync_extras_same_everywhere(change->collation));
	dbsync_json_put_int(out, "old_oid", dbsync_extras_same_everywhere(change->old_type));
	dbsync_json_put_int(out, "old_typmod", change->old_typmod);
	dbsync_json_put_bool(out, "not_null", change->not_null);
	dbsync_json_put_string(out, "value", change->value);
	dbsync_json_put_string(out, "missing", change->missing);
	dbsync_extras_put_words(out, "key", keys);
	dbsync_json_put_string(out, "identity", change->identity);
	if (change->index != NULL)
		put_index(out, change->index);
	appendStringInfoChar(out, '}');
}

static void
put_changes(StringInfo out, const DbsyncBundleStep *step)
{
	List	   *how = NIL;
	ListCell   *lc;

	if (step->before >= 0)
		dbsync_json_put_int(out, "before", step->before + 1);
	for (int i = 0; i < (int) lengthof(ways); i++)
	{
		if (step->how & ways[i].flag)
			how = lappend(how, unconstify(char *, ways[i].word));
	}
	dbsync_extras_put_words(out, "how", how);
	dbsync_json_key(out, "changes");
	appendStringInfoChar(out, '[');
	foreach(lc, step->changes)
		put_change(out, lfirst(lc));
	appendStringInfoChar(out, ']');
}

static void
put_sequence(StringInfo out, const DbsyncSequenceGoal *goal)
{
	dbsync_json_item(out);
	appendStringInfoChar(out, '{');
	dbsync_json_put_string(out, "schema", goal->schema);
	dbsync_json_put_string(out, "relation", goal->relation);
	dbsync_json_put_string(out, "column", goal->column);
	dbsync_json_put_int(out, "here", goal->here);
	dbsync_json_put_int(out, "goal", goal->goal);
	dbsync_json_put_int(out, "min", goal->min);
	dbsync_json_put_int(out, "max", goal->max);
	dbsync_json_put_bool(out, "descending", goal->descending);
	dbsync_json_put_bool(out, "cycles", goal->cycles);
	appendStringInfoChar(out, '}');
}

void
dbsync_extras_write(StringInfo out, const DbsyncBundleStep *step)
{
	ListCell   *lc;

	switch (step->what)
	{
		case DBSYNC_BUNDLE_CLEAR:
			put_sets(out, step->sets);
			break;
		case DBSYNC_BUNDLE_DELETE_WHERE:
			dbsync_json_put_string(out, "condition", step->condition);
			break;
		case DBSYNC_BUNDLE_CHANGE:
			put_changes(out, step);
			break;
		case DBSYNC_BUNDLE_TYPES:
			dbsync_types_write(out, step);
			break;
		case DBSYNC_BUNDLE_SEQUENCES:
			dbsync_json_key(out, "sequences");
			appendStringInfoChar(out, '[');
			foreach(lc, step->sequences)
				put_sequence(out, lfirst(lc));
			appendStringInfoChar(out, ']');
			break;
		default:
			break;
	}
}

/* --- in --- */

void
dbsync_extras_read_word(DbsyncJson *json, void *arg)
{
	List	  **words = arg;
	char	   *word = dbsync_json_string(json);

	if (word == NULL)
		dbsync_json_wrong(json, "a name is missing");
	*words = lappend(*words, word);
}

static void
read_set_column(DbsyncJson *json, void *arg)
{
	List	  **set = arg;

	*set = lappend_int(*set, (int) dbsync_json_int(json, 1, 1600) - 1);
}

static void
read_set(DbsyncJson *json, void *arg)
{
	DbsyncBundleStep *step = arg;
	List	   *set = NIL;

	dbsync_json_array(json, read_set_column, &set);
	step->sets = lappend(step->sets, set);
}

static void
read_way(DbsyncJson *json, void *arg)
{
	DbsyncBundleStep *step = arg;
	char	   *word = dbsync_json_utf8(json);

	for (int i = 0; word != NULL && i < (int) lengthof(ways); i++)
	{
		if (strcmp(word, ways[i].word) == 0)
		{
			step->how |= ways[i].flag;
			return;
		}
	}
	dbsync_json_wrong(json, "a table is changed in a way that is not known");
}

static void
read_index(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncIndex *index = arg;

	if (strcmp(key, "name") == 0)
		index->name = dbsync_json_string(json);
	else if (strcmp(key, "unique") == 0)
		index->unique = dbsync_json_bool(json);
	else if (strcmp(key, "definition") == 0)
		index->definition = dbsync_json_string(json);
	else
		dbsync_json_skip(json);
}

static void
read_kind(DbsyncJson *json, DbsyncChange *change)
{
	char	   *word = dbsync_json_utf8(json);

	for (int i = 0; word != NULL && i < (int) lengthof(kinds); i++)
	{
		if (strcmp(word, kinds[i]) == 0)
		{
			change->kind = i;
			return;
		}
	}
	dbsync_json_wrong(json, "there is a change of a kind that is not known");
}

static void
read_keys(DbsyncJson *json, DbsyncChange *change)
{
	List	   *keys = NIL;
	ListCell   *lc;

	dbsync_json_array(json, dbsync_extras_read_word, &keys);
	change->keys = palloc(sizeof(char *) * (list_length(keys) + 1));
	change->nkeys = 0;
	foreach(lc, keys)
		change->keys[change->nkeys++] = lfirst(lc);
}

static bool
read_change_type(DbsyncJson *json, const char *key, DbsyncChange *change)
{
	if (strcmp(key, "type") == 0)
		change->type_name = dbsync_json_string(json);
	else if (strcmp(key, "oid") == 0)
		change->type = dbsync_extras_same_everywhere(dbsync_json_int(json, 0, PG_UINT32_MAX));
	else if (strcmp(key, "typmod") == 0)
		change->typmod = dbsync_json_int(json, -1, PG_INT32_MAX);
	else if (strcmp(key, "collation") == 0)
		change->collation = dbsync_extras_same_everywhere(dbsync_json_int(json, 0, PG_UINT32_MAX));
	else if (strcmp(key, "old_oid") == 0)
		change->old_type = dbsync_extras_same_everywhere(dbsync_json_int(json, 0, PG_UINT32_MAX));
	else if (strcmp(key, "old_typmod") == 0)
		change->old_typmod = dbsync_json_int(json, -1, PG_INT32_MAX);
	else
		return false;
	return true;
}

static void
read_change_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncChange *change = arg;
	DbsyncIndex *index;

	if (read_change_type(json, key, change))
		return;
	if (strcmp(key, "kind") == 0)
		read_kind(json, change);
	else if (strcmp(key, "column") == 0)
		change->column = dbsync_json_string(json);
	else if (strcmp(key, "new_name") == 0)
		change->new_name = dbsync_json_string(json);
	else if (strcmp(key, "not_null") == 0)
		change->not_null = dbsync_json_bool(json);
	else if (strcmp(key, "value") == 0)
		change->value = dbsync_json_string(json);
	else if (strcmp(key, "missing") == 0)
		change->missing = dbsync_json_string(json);
	else if (strcmp(key, "key") == 0)
		read_keys(json, change);
	else if (strcmp(key, "identity") == 0)
		change->identity = dbsync_json_string(json);
	else if (strcmp(key, "index") == 0)
	{
		change->index = index = palloc0(sizeof(DbsyncIndex));
		dbsync_json_object(json, read_index, index);
		if (index->definition == NULL)
			dbsync_json_wrong(json, "an index has no definition");
	}
	else
		dbsync_json_skip(json);
}

static void
read_change(DbsyncJson *json, void *arg)
{
	DbsyncBundleStep *step = arg;
	DbsyncChange *change = palloc0(sizeof(DbsyncChange));

	change->kind = -1;
	change->typmod = change->old_typmod = -1;
	dbsync_json_object(json, read_change_member, change);
	if ((int) change->kind < 0)
		dbsync_json_wrong(json, "a change has no kind");
	else if (change->kind != DBSYNC_CHANGE_KEY && change->column == NULL)
		dbsync_json_wrong(json, "a change has no column");
	else if (change->kind == DBSYNC_CHANGE_RENAME && change->new_name == NULL)
		dbsync_json_wrong(json, "a column gets no name");
	else if ((change->kind == DBSYNC_CHANGE_ADD || change->kind == DBSYNC_CHANGE_TYPE) &&
			 change->type_name == NULL && !OidIsValid(change->type))
		dbsync_json_wrong(json, "a column gets no type");
	step->changes = lappend(step->changes, change);
}

static void
read_sequence_member(DbsyncJson *json, const char *key, void *arg)
{
	DbsyncSequenceGoal *goal = arg;

	if (strcmp(key, "schema") == 0)
		goal->schema = dbsync_json_string(json);
	else if (strcmp(key, "relation") == 0)
		goal->relation = dbsync_json_string(json);
	else if (strcmp(key, "column") == 0)
		goal->column = dbsync_json_string(json);
	else if (strcmp(key, "here") == 0)
		goal->here = dbsync_json_int(json, PG_INT64_MIN, PG_INT64_MAX);
	else if (strcmp(key, "goal") == 0)
		goal->goal = dbsync_json_int(json, PG_INT64_MIN, PG_INT64_MAX);
	else if (strcmp(key, "min") == 0)
		goal->min = dbsync_json_int(json, PG_INT64_MIN, PG_INT64_MAX);
	else if (strcmp(key, "max") == 0)
		goal->max = dbsync_json_int(json, PG_INT64_MIN, PG_INT64_MAX);
	else if (strcmp(key, "descending") == 0)
		goal->descending = dbsync_json_bool(json);
	else if (strcmp(key, "cycles") == 0)
		goal->cycles = dbsync_json_bool(json);
	else
		dbsync_json_skip(json);
}

static void
read_sequence(DbsyncJson *json, void *arg)
{
	DbsyncBundleStep *step = arg;
	DbsyncSequenceGoal *goal = palloc0(sizeof(DbsyncSequenceGoal));

	dbsync_json_object(json, read_sequence_member, goal);
	if (goal->schema == NULL || goal->relation == NULL)
		dbsync_json_wrong(json, "a sequence has no name");
	step->sequences = lappend(step->sequences, goal);
}

bool
dbsync_extras_read(DbsyncJson *json, const char *key, DbsyncBundleStep *step)
{
	if (strcmp(key, "sets") == 0)
		dbsync_json_array(json, read_set, step);
	else if (strcmp(key, "condition") == 0)
		step->condition = dbsync_json_string(json);
	else if (strcmp(key, "before") == 0)
		step->before = (int) dbsync_json_int(json, 1, PG_INT32_MAX) - 1;
	else if (strcmp(key, "how") == 0)
		dbsync_json_array(json, read_way, step);
	else if (strcmp(key, "changes") == 0)
		dbsync_json_array(json, read_change, step);
	else if (strcmp(key, "sequences") == 0)
		dbsync_json_array(json, read_sequence, step);
	else
		return dbsync_types_read(json, key, step);
	return true;
}
