/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/look.c
 *	  SQLite driver: looking a table up, and refusing what would not take the rows as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/driver/sqlite/internal.h"

#define DOING_LOOK	"look a table up"

static bool
refuse(SqliteTarget *target, int sqlstate, const char *message, const char *detail, const char *hint)
{
	return dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, sqlstate, message, detail, hint);
}

static char *
to_utf8(const char *name)
{
	return pstrdup(dbsync_sqlite_to_utf8(name, strlen(name)));
}

/* Names are the same to SQLite where ASCII's letters differ in their case only. */
static bool
is_same_name(const char *a, const char *b)
{
	return sqlite3_stricmp(a, b) == 0;
}

/* --- names, without looking --- */

static bool
check_place(SqliteTarget *target, DbsyncTargetTable *table, const DbsyncTableSpec *spec)
{
	if (strcmp(spec->schema, SQLITE_SCHEMA_NAME) != 0)
		return refuse(target, ERRCODE_INVALID_SCHEMA_NAME, psprintf("target table %s cannot be there", table->label),
					  psprintf("An SQLite file has no schema \"%s\": its tables are in \"" SQLITE_SCHEMA_NAME "\".", spec->schema),
					  "Give it another place: dbsync.remove_table(), and dbsync.add_table(..., target_table => ...).");
	if (is_same_name(table->name, SQLITE_LEDGER))
		return refuse(target, ERRCODE_RESERVED_NAME, psprintf("target table %s is the ledger", table->label), NULL,
					  "Give it another name: dbsync.add_table(..., target_table => ...).");
	for (int i = 0; i < spec->nothers; i++)
	{
		if (is_same_name(to_utf8(spec->other_tables[i]), table->name))
			return refuse(target, ERRCODE_DUPLICATE_TABLE,
						  psprintf("target tables %s and \"%s\" are one to SQLite", table->label, spec->other_tables[i]),
						  "It does not tell capital letters from small ones.",
						  "Give one of them another name: dbsync.add_table(..., target_table => ...).");
	}
	for (int i = 0; i < spec->ncolumns; i++)
	{
		for (int j = 0; j < i; j++)
		{
			if (is_same_name(to_utf8(spec->columns[i].name), to_utf8(spec->columns[j].name)))
				return refuse(target, ERRCODE_DUPLICATE_COLUMN,
							  psprintf("columns \"%s\" and \"%s\" of target table %s are one to SQLite",
									   spec->columns[j].name, spec->columns[i].name, table->label),
							  "It does not tell capital letters from small ones.",
							  "Give one of them another name: dbsync.add_table(..., columns => ...).");
		}
	}
	return true;
}

/* --- the table --- */

static bool
refuse_kind(SqliteTarget *target, const DbsyncTargetTable *table, const char *what)
{
	return refuse(target, ERRCODE_WRONG_OBJECT_TYPE, psprintf("target table %s is %s", table->label, what),
				  "Rows can be written to ordinary tables only.", NULL);
}

/* A word at *at, and what is blank around it, is passed by. */
static bool
take_word(const char **at, const char *word)
{
	const char *from = *at;
	int			length = strlen(word);

	while (isspace((unsigned char) *from))
		from++;
	if (sqlite3_strnicmp(from, word, length) != 0 || (isalpha((unsigned char) *word) && isalnum((unsigned char) from[length])))
		return false;
	for (from += length; isspace((unsigned char) *from);)
		from++;
	*at = from;
	return true;
}

/*
 * Does its definition end with STRICT?  pragma_table_list() would say so, too, but connects all virtual tables of the file for it.
 * What is not understood there (comments) is taken for a no: then less is known to be kept.
 */
static bool
is_strict(const char *definition)
{
	const char *options = definition ? strrchr(definition, ')') : NULL;
	bool		strict = false;

	if (options == NULL)
		return false;
	options++;
	do
	{
		if (take_word(&options, "STRICT"))
			strict = true;
		else if (!take_word(&options, "WITHOUT") || !take_word(&options, "ROWID"))
			return false;
	} while (take_word(&options, ","));
	return strict && *options == '\0';
}

static bool
look_at_kind(SqliteTarget *target, DbsyncTargetTable *table)
{
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, "SELECT type, coalesce(rootpage, 0), name, sql FROM sqlite_master"
													" WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')", false, DOING_LOOK);
	bool		good = false;
	int			code;

	if (statement == NULL)
		return false;
	(void) sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_TRANSIENT);
	code = dbsync_sqlite_step(target, statement, DOING_LOOK);
	if (code == SQLITE_DONE)
		refuse(target, ERRCODE_UNDEFINED_TABLE, psprintf("target table %s does not exist", table->label),
			   psprintf("File \"%s\".", target->options.path),
			   "Create it on the target, with the columns and the key of the source table.");
	else if (code == SQLITE_ROW && sqlite3_column_text(statement, 0)[0] == 'v')
		refuse_kind(target, table, "a view");
	else if (code == SQLITE_ROW && sqlite3_column_int64(statement, 1) == 0)
		refuse_kind(target, table, "a virtual table");
	else if (code == SQLITE_ROW && sqlite3_strnicmp((const char *) sqlite3_column_text(statement, 2), "sqlite_", 7) == 0)
		refuse_kind(target, table, "a table of SQLite's own");
	else
		good = code == SQLITE_ROW;
	table->is_strict = good && is_strict((const char *) sqlite3_column_text(statement, 3));
	(void) sqlite3_finalize(statement);
	return good;
}

/* --- columns --- */

static int
find_column(const DbsyncTableSpec *spec, const char *name)
{
	for (int i = 0; i < spec->ncolumns; i++)
	{
		if (is_same_name(to_utf8(spec->columns[i].name), name))
			return i;
	}
	return -1;
}

static bool
is_generated(const DbsyncTableSpec *spec, const char *name)
{
	for (int i = 0; i < spec->ngenerated; i++)
	{
		if (is_same_name(to_utf8(spec->generated[i]), name))
			return true;
	}
	return false;
}

/* One that the source does not send. */
static bool
check_own(SqliteTarget *target, DbsyncTargetTable *table, const DbsyncTableSpec *spec, const char *name,
		  bool not_null, bool has_default)
{
	if (is_generated(spec, name))
		return refuse(target, ERRCODE_GENERATED_ALWAYS,
					  psprintf("column \"%s\" of target table %s is not generated, as it is at the source", dbsync_sqlite_words(name), table->label),
					  "Generated columns are not sent, so it would stay null.", "Have the target generate it, or drop it there.");
	table->has_own = true;
	if (!not_null || has_default)
		return true;
	return refuse(target, ERRCODE_NOT_NULL_VIOLATION,
				  psprintf("column \"%s\" of target table %s must have a default", dbsync_sqlite_words(name), table->label),
				  "Only the target has it, and it must not be null.", "Give it a default, or let it be null.");
}

/* As people know it. */
static const char *
type_in_words(const DbsyncColumn *column)
{
	return column->type_name ? column->type_name : format_type_with_typemod(column->type, column->typmod);
}

/* Would it keep values as they come? */
static bool
check_values(SqliteTarget *target, DbsyncTargetTable *table, const DbsyncColumn *column, const char *declared, DbsyncForm *form)
{
	DbsyncColumnThere there = {dbsync_sqlite_affinity(declared, table->is_strict), -1, -1, -1};
	const char *detail = NULL;
	const char *why;

	if (!dbsync_sqlite_host.type_fits(DBSYNC_DIALECT_SQLITE, column, &there, form, &why))
		detail = psprintf("At the source it is %s; affinity %s.", type_in_words(column), why);
	else if (table->is_strict && pg_strcasecmp(declared, "BLOB") == 0 && form->kind != DBSYNC_FORM_BYTES)
		detail = psprintf("At the source it is %s; in a STRICT table a BLOB takes nothing but bytes.", type_in_words(column));
	if (detail == NULL)
		return true;
	return refuse(target, ERRCODE_DATATYPE_MISMATCH,
				  psprintf("column \"%s\" of target table %s is declared %s", column->name, table->label, dbsync_sqlite_words(declared)),
				  detail, psprintf("Declare it %s there, or send it as another type: dbsync.add_table(..., columns => ...).", column->declaration));
}

/* A row of table_xinfo: name, type, notnull, has a default, hidden. */
static bool
take_column(SqliteTarget *target, DbsyncTargetTable *table, const DbsyncTableSpec *spec, sqlite3_stmt *row, bool *found)
{
	const char *name = (const char *) sqlite3_column_text(row, 0);
	const char *declared = (const char *) sqlite3_column_text(row, 1);
	int			hidden = sqlite3_column_int(row, 4);
	int			column = find_column(spec, name);

	if (column < 0)
		return hidden != 0 || check_own(target, table, spec, name, sqlite3_column_int(row, 2) != 0, sqlite3_column_int(row, 3) != 0);
	if (hidden != 0)
		return refuse(target, ERRCODE_GENERATED_ALWAYS,
					  psprintf("column \"%s\" of target table %s is generated", spec->columns[column].name, table->label),
					  "The source sends values for it.", "Leave it out: dbsync.add_table(..., columns => ...).");
	found[column] = true;
	table->columns[column] = dbsync_sqlite_quote(name);
	return check_values(target, table, &spec->columns[column], declared ? declared : "", &table->forms[column]);
}

static bool
look_at_columns(SqliteTarget *target, DbsyncTargetTable *table, const DbsyncTableSpec *spec)
{
	bool	   *found = palloc0(sizeof(bool) * Max(spec->ncolumns, 1));
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, hidden"
													" FROM pragma_table_xinfo(?1, '" SQLITE_SCHEMA_NAME "')", false, DOING_LOOK);
	bool		good = statement != NULL;
	int			code = SQLITE_ROW;

	if (good)
		(void) sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_TRANSIENT);
	while (good && (code = dbsync_sqlite_step(target, statement, DOING_LOOK)) == SQLITE_ROW)
		good = take_column(target, table, spec, statement, found);
	(void) sqlite3_finalize(statement);
	if (!good || code != SQLITE_DONE)
		return false;
	for (int i = 0; i < spec->ncolumns; i++)
	{
		if (!found[i])
			return refuse(target, ERRCODE_UNDEFINED_COLUMN,
						  psprintf("column \"%s\" of target table %s does not exist", spec->columns[i].name, table->label), NULL,
						  "Add it there, or leave it out: dbsync.add_table(..., columns => ...).");
	}
	return true;
}

static void
fill(DbsyncTargetTable *table, const DbsyncTableSpec *spec)
{
	table->label = psprintf("\"%s.%s\"", spec->schema, spec->table);
	table->name = to_utf8(spec->table);
	table->quoted = dbsync_sqlite_quote(table->name);
	table->ncolumns = spec->ncolumns;
	table->columns = palloc0(sizeof(char *) * Max(spec->ncolumns, 1));
	table->forms = palloc0(sizeof(DbsyncForm) * Max(spec->ncolumns, 1));
	table->nkeys = spec->nkeys;
	table->keys = palloc(sizeof(int) * Max(spec->nkeys, 1));
	memcpy(table->keys, spec->keys, sizeof(int) * spec->nkeys);
}

/* To replace rows is to delete them first, with what only the target has. */
static bool
check_replaceable(SqliteTarget *target, const DbsyncTargetTable *table)
{
	if (!table->has_own || !table->has_unique)
		return true;
	return refuse(target, ERRCODE_FEATURE_NOT_SUPPORTED,
				  psprintf("target table %s has columns of its own, and unique indexes beside the key", table->label),
				  "Rows whose unique values change places are deleted and inserted anew, and would lose what only the target has.",
				  "Drop the columns, or the indexes.");
}

/* All of it as of one moment, which the schema's version stands for. */
static bool
look(SqliteTarget *target, DbsyncTargetTable *table, const DbsyncTableSpec *spec)
{
	int64		version;
	bool		good;

	if (!check_place(target, table, spec) ||
		!dbsync_sqlite_file_is_same(target) ||
		!dbsync_sqlite_run(target, "BEGIN", DOING_LOOK))
		return false;
	good = dbsync_sqlite_number(target, "PRAGMA schema_version", &version, DOING_LOOK) &&
		look_at_kind(target, table) &&
		look_at_columns(target, table, spec) &&
		dbsync_sqlite_look_at_key(target, table, spec) &&
		check_replaceable(target, table);
	if (!good)
	{
		/* nothing was written; the fault is what counts */
		(void) sqlite3_exec(target->db, "ROLLBACK", NULL, NULL, NULL);
		return false;
	}
	table->schema_version = (int) version;
	return dbsync_sqlite_run(target, "COMMIT", DOING_LOOK);
}

DbsyncTargetTable *
dbsync_sqlite_table_open(DbsyncTarget *base, const DbsyncTableSpec *spec)
{
	SqliteTarget *target = (SqliteTarget *) base;
	MemoryContext context = AllocSetContextCreate(base->context, "dbsync SQLite table", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncTargetTable *table = palloc0(sizeof(DbsyncTargetTable));
	bool		good;

	target->table = NULL;
	table->context = context;
	fill(table, spec);
	good = look(target, table, spec);
	MemoryContextSwitchTo(old);
	if (!good)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	return table;
}

const DbsyncForm *
dbsync_sqlite_table_forms(const DbsyncTargetTable *table)
{
	return table->forms;
}

bool
dbsync_sqlite_tables_close(DbsyncTarget *base, List *tables)
{
	SqliteTarget *target = (SqliteTarget *) base;
	ListCell   *lc;

	target->table = NULL;
	foreach(lc, tables)
	{
		DbsyncTargetTable *table = lfirst(lc);

		if (target->bulk_table == table)
			dbsync_sqlite_bulk_free(target);
		for (int i = 0; i < SQLITE_VERBS; i++)
			(void) sqlite3_finalize(table->statements[i]);
		MemoryContextDelete(table->context);
	}
	return true;
}
