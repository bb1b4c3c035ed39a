/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/rows.c
 *	  SQLite driver: writing rows.
 *
 * Rows to put wait until there are so many that one statement puts them all, which saves a third of the time; what is
 * left in the end, and rows that are long, go one by one.  Rows are deleted one by one, by their key.
 *
 * A statement says OR ABORT, or what the table's own ON CONFLICT clauses say would be done: rows replaced, or left out, without a
 * word.  An upsert names the key, so a clash with another unique index is an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "worker/driver/sqlite/internal.h"

#define DOING_PUT		"write a row"
#define DOING_DELETE	"delete a row"

/* --- statements --- */

static void
append_list(StringInfo sql, char **items, const int *which, int n)
{
	for (int i = 0; i < n; i++)
		appendStringInfo(sql, "%s%s", i > 0 ? ", " : "", items[which ? which[i] : i]);
}

static void
append_parameters(StringInfo sql, int n)
{
	appendStringInfoChar(sql, '(');
	for (int i = 0; i < n; i++)
		appendStringInfoString(sql, i > 0 ? ", ?" : "?");
	appendStringInfoChar(sql, ')');
}

static bool
is_key(const DbsyncTargetTable *table, int column)
{
	for (int k = 0; k < table->nkeys; k++)
	{
		if (table->keys[k] == column)
			return true;
	}
	return false;
}

static void
append_upsert(StringInfo sql, const DbsyncTargetTable *table)
{
	int			n = 0;

	appendStringInfoString(sql, " ON CONFLICT (");
	append_list(sql, table->columns, table->keys, table->nkeys);
	appendStringInfoString(sql, ") DO ");
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (!is_key(table, i))
			appendStringInfo(sql, "%s%s = excluded.%s", n++ > 0 ? ", " : "UPDATE SET ", table->columns[i], table->columns[i]);
	}
	if (n == 0)
		appendStringInfoString(sql, "NOTHING");
}

static char *
put_sql(const DbsyncTargetTable *table, SqliteVerb verb, int rows)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "INSERT OR ABORT INTO " SQLITE_SCHEMA_NAME ".%s (", table->quoted);
	append_list(&sql, table->columns, NULL, table->ncolumns);
	appendStringInfoString(&sql, ") VALUES ");
	for (int i = 0; i < rows; i++)
	{
		if (i > 0)
			appendStringInfoString(&sql, ", ");
		append_parameters(&sql, table->ncolumns);
	}
	if (verb == SQLITE_VERB_UPSERT)
		append_upsert(&sql, table);
	return sql.data;
}

static char *
delete_sql(const DbsyncTargetTable *table)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM " SQLITE_SCHEMA_NAME ".%s WHERE ", table->quoted);
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&sql, "%s%s = ?", k > 0 ? " AND " : "", table->columns[table->keys[k]]);
	return sql.data;
}

static sqlite3_stmt *
statement_for(SqliteTarget *target, DbsyncTargetTable *table, SqliteVerb verb, const char *doing)
{
	if (table->statements[verb] == NULL)
		table->statements[verb] = dbsync_sqlite_prepare(target, verb == SQLITE_VERB_DELETE ? delete_sql(table) : put_sql(table, verb, 1),
														true, doing);
	return table->statements[verb];
}

void
dbsync_sqlite_bulk_free(SqliteTarget *target)
{
	(void) sqlite3_finalize(target->bulk);
	target->bulk = NULL;
	target->bulk_table = NULL;
}

/* The statement for many rows of a table; false: refused.  There is none where a row has too many columns. */
static bool
prepare_bulk(SqliteTarget *target, DbsyncTargetTable *table, SqliteVerb verb)
{
	int			most = sqlite3_limit(target->db, SQLITE_LIMIT_VARIABLE_NUMBER, -1);

	if (target->bulk_table == table && target->bulk_verb == verb)
		return true;
	dbsync_sqlite_bulk_free(target);
	target->bulk_rows = Min(SQLITE_BULK_ROWS, most / Max(table->ncolumns, 1));
	if (target->bulk_rows > 1)
	{
		target->bulk = dbsync_sqlite_prepare(target, put_sql(table, verb, target->bulk_rows), true, DOING_PUT);
		if (target->bulk == NULL)
			return false;
	}
	target->bulk_table = table;
	target->bulk_verb = verb;
	return true;
}

/* --- what is refused --- */

/* "(1, 'a')" is not quoted: it is for people. */
static char *
key_words(const DbsyncTargetTable *table, const SqliteValue *values, bool keys_only)
{
	StringInfoData words;

	initStringInfo(&words);
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&words, "%s%s", k > 0 ? ", " : "",
						 dbsync_sqlite_value_text(&values[keys_only ? k : table->keys[k]]));
	return words.data;
}

/* Which row it was, of what the fault says already. */
static bool
name_row(SqliteTarget *target, const SqliteValue *values, bool keys_only)
{
	DbsyncFault *fault = &target->base.fault;
	char	   *row = psprintf("Row of target table %s with key (%s).", target->table->label,
							   key_words(target->table, values, keys_only));

	fault->detail = MemoryContextStrdup(target->base.context, fault->detail ? psprintf("%s %s", row, fault->detail) : row);
	fault->rows_of = target->table;
	return false;
}

/* Statements that the table, as it is now, does not take. */
static void
is_other_table(SqliteTarget *target)
{
	if (target->base.fault.kind == DBSYNC_FAULT_REFUSED && target->base.fault.sqlstate == ERRCODE_FDW_ERROR)
		target->base.fault.kind = DBSYNC_FAULT_TABLE_CHANGED;
}

/* --- rows on their way --- */

static bool
bind_row(SqliteTarget *target, sqlite3_stmt *statement, int first, const SqliteValue *values, int n, const char *doing)
{
	for (int i = 0; i < n; i++)
	{
		if (!dbsync_sqlite_value_bind(statement, first + i, &values[i]))
			return dbsync_sqlite_fault(target, doing);
	}
	return true;
}

static bool
run_one(SqliteTarget *target, SqliteVerb verb, const SqliteValue *values)
{
	DbsyncTargetTable *table = target->table;
	bool		deletes = verb == SQLITE_VERB_DELETE;
	const char *doing = deletes ? DOING_DELETE : DOING_PUT;
	sqlite3_stmt *statement = statement_for(target, table, verb, doing);
	bool		done;

	if (statement == NULL)
	{
		is_other_table(target);
		return false;
	}
	done = bind_row(target, statement, 1, values, deletes ? table->nkeys : table->ncolumns, doing) &&
		dbsync_sqlite_step(target, statement, doing) == SQLITE_DONE;
	(void) sqlite3_reset(statement);
	if (done)
		return true;
	is_other_table(target);
	return name_row(target, values, deletes);
}

/* With columns of the target's own rows are not replaced: they would be lost. */
static SqliteVerb
put_verb(const SqliteTarget *target)
{
	return target->mode == DBSYNC_ROWS_APPEND && !target->table->has_own ? SQLITE_VERB_INSERT : SQLITE_VERB_UPSERT;
}

/* All that wait, by one statement; *done false: it has done nothing, as one of them was refused. */
static bool
flush_at_once(SqliteTarget *target, bool *done)
{
	DbsyncTargetTable *table = target->table;

	*done = false;
	if (!prepare_bulk(target, table, put_verb(target)))
	{
		is_other_table(target);
		return false;
	}
	if (target->bulk == NULL || target->npending != target->bulk_rows)
		return true;
	for (int i = 0; i < target->npending; i++)
	{
		if (!bind_row(target, target->bulk, i * table->ncolumns + 1, target->pending[i], table->ncolumns, DOING_PUT))
			return false;
	}
	*done = dbsync_sqlite_step(target, target->bulk, DOING_PUT) == SQLITE_DONE;
	(void) sqlite3_reset(target->bulk);
	if (*done)
		return true;
	if (target->base.fault.kind != DBSYNC_FAULT_REFUSED && target->base.fault.kind != DBSYNC_FAULT_CLASH)
		return false;
	/* some errors end the transaction, too: what came behind it would commit by itself */
	if (sqlite3_get_autocommit(target->db))
		return false;
	/* which row it was is found one by one */
	memset(&target->base.fault, 0, sizeof(DbsyncFault));
	return true;
}

static bool
flush(SqliteTarget *target)
{
	bool		done = false;
	bool		good = target->npending < 2 || target->pending_bytes > SQLITE_PENDING_MAX || flush_at_once(target, &done);

	for (int i = 0; good && !done && i < target->npending; i++)
		good = run_one(target, put_verb(target), target->pending[i]);
	target->npending = 0;
	target->pending_bytes = 0;
	MemoryContextReset(target->rows_context);
	return good;
}

/* Of all columns, or of the key's: in CurrentMemoryContext. */
static SqliteValue *
read_values(SqliteTarget *target, const DbsyncRow *row, bool keys_only)
{
	DbsyncTargetTable *table = target->table;
	bool		comes_so = target->mode == DBSYNC_ROWS_DELETE;
	int			n = keys_only ? table->nkeys : table->ncolumns;
	SqliteValue *values = palloc(sizeof(SqliteValue) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		int			column = keys_only ? table->keys[i] : i;
		int			from = comes_so ? i : column;

		dbsync_sqlite_value(table->forms[column].kind, row->values[from], row->lengths[from], &values[i]);
	}
	return values;
}

/* Called in a context that dies with the row: what waits is copied. */
static bool
put(SqliteTarget *target, const SqliteValue *values)
{
	int			n = target->table->ncolumns;
	SqliteValue *kept = MemoryContextAlloc(target->rows_context, sizeof(SqliteValue) * Max(n, 1));

	memcpy(kept, values, sizeof(SqliteValue) * n);
	for (int i = 0; i < n; i++)
	{
		dbsync_sqlite_value_keep(&kept[i], target->rows_context);
		target->pending_bytes += kept[i].length;
	}
	target->pending[target->npending++] = kept;
	if (target->npending < (target->bulk_table == target->table && target->bulk != NULL ? target->bulk_rows : SQLITE_BULK_ROWS) &&
		target->pending_bytes <= SQLITE_PENDING_MAX)
		return true;
	return flush(target);
}

bool
dbsync_sqlite_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table, DbsyncRowsMode mode, int64 expected_rows)
{
	SqliteTarget *target = (SqliteTarget *) base;

	target->table = table;
	target->mode = mode;
	target->npending = 0;
	target->pending_bytes = 0;
	MemoryContextReset(target->rows_context);
	if (table->schema_version != target->schema_version)
		return dbsync_sqlite_refuse(target, DBSYNC_FAULT_TABLE_CHANGED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
									psprintf("the schema of file \"%s\" has changed", target->options.path), NULL, NULL);
	if (mode == DBSYNC_ROWS_APPEND || mode == DBSYNC_ROWS_MERGE || mode == DBSYNC_ROWS_DELETE)
		return true;
	return dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_FEATURE_NOT_SUPPORTED,
								"rows were sent in a mode that SQLite targets do not have", NULL, NULL);
}

bool
dbsync_sqlite_rows_put(DbsyncTarget *base, const DbsyncRow *row)
{
	SqliteTarget *target = (SqliteTarget *) base;
	bool		deletes = target->mode == DBSYNC_ROWS_DELETE ||
		(target->mode == DBSYNC_ROWS_MERGE && row->kind == DBSYNC_ROW_DELETE);
	SqliteValue *values = read_values(target, row, deletes);

	return deletes ? run_one(target, SQLITE_VERB_DELETE, values) : put(target, values);
}

bool
dbsync_sqlite_rows_end(DbsyncTarget *base)
{
	SqliteTarget *target = (SqliteTarget *) base;
	bool		good = flush(target);

	if (good)
		target->table = NULL;
	return good;
}

bool
dbsync_sqlite_truncate(DbsyncTarget *base, DbsyncTargetTable **tables, int ntables)
{
	SqliteTarget *target = (SqliteTarget *) base;

	for (int i = 0; i < ntables; i++)
	{
		target->table = tables[i];
		if (tables[i]->schema_version != target->schema_version)
			return dbsync_sqlite_refuse(target, DBSYNC_FAULT_TABLE_CHANGED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
										psprintf("the schema of file \"%s\" has changed", target->options.path), NULL, NULL);
		if (!dbsync_sqlite_run(target, psprintf("DELETE FROM " SQLITE_SCHEMA_NAME ".%s", tables[i]->quoted), "empty a table"))
		{
			is_other_table(target);
			return false;
		}
	}
	target->table = NULL;
	return true;
}

bool
dbsync_sqlite_table_has_rows(DbsyncTarget *base, DbsyncTargetTable *table, bool *has_rows)
{
	int64		found;

	if (!dbsync_sqlite_number((SqliteTarget *) base, psprintf("SELECT EXISTS (SELECT 1 FROM " SQLITE_SCHEMA_NAME ".%s)", table->quoted),
							  &found, "look for rows"))
		return false;
	*has_rows = found != 0;
	return true;
}

/* What has another unique index takes no upsert: values that change places would be in each other's way. */
bool
dbsync_sqlite_table_wants_replace(const DbsyncTargetTable *table, int64 rows)
{
	return table->has_unique;
}
