/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/look_key.c
 *	  SQLite driver: has a table a unique index for the key, and which further ones has it?
 *
 * Two rows that are two at the source must be two here: so index and column compare bytes (BINARY). A column with another
 * collation finds other rows than were meant, whatever the index has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"

#include "worker/driver/sqlite/internal.h"

#define DOING_LOOK	"look a table up"
#define BINARY		"BINARY"

/* columns of an index, as numbers of the spec's columns */
typedef struct KeyIndex
{
	Bitmapset  *columns;
	bool		has_others;		/* expressions, and columns of the target's own */
	bool		compares_bytes;
} KeyIndex;

static Bitmapset *
key_columns(const DbsyncTargetTable *table)
{
	Bitmapset  *columns = NULL;

	for (int k = 0; k < table->nkeys; k++)
		columns = bms_add_member(columns, table->keys[k]);
	return columns;
}

static int
find_column(const DbsyncTargetTable *table, const char *name)
{
	char	   *quoted = name ? dbsync_sqlite_quote(name) : NULL;

	for (int i = 0; i < table->ncolumns && quoted; i++)
	{
		if (sqlite3_stricmp(table->columns[i], quoted) == 0)
			return i;
	}
	return -1;
}

static bool
read_index(SqliteTarget *target, const DbsyncTargetTable *table, const char *name, KeyIndex *index)
{
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, "SELECT name, coll FROM pragma_index_xinfo(?1, '" SQLITE_SCHEMA_NAME "') WHERE key",
													false, DOING_LOOK);
	int			code;

	memset(index, 0, sizeof(KeyIndex));
	index->compares_bytes = true;
	if (statement == NULL)
		return false;
	(void) sqlite3_bind_text(statement, 1, name, -1, SQLITE_TRANSIENT);
	while ((code = dbsync_sqlite_step(target, statement, DOING_LOOK)) == SQLITE_ROW)
	{
		int			column = find_column(table, (const char *) sqlite3_column_text(statement, 0));

		if (column < 0)
			index->has_others = true;
		else
			index->columns = bms_add_member(index->columns, column);
		if (sqlite3_stricmp((const char *) sqlite3_column_text(statement, 1), BINARY) != 0)
			index->compares_bytes = false;
	}
	(void) sqlite3_finalize(statement);
	return code == SQLITE_DONE;
}

/* The column that is the row's own number, INTEGER PRIMARY KEY, which no index is listed for; *column -1: none of the spec's. */
static bool
find_rowid(SqliteTarget *target, const DbsyncTargetTable *table, int *column)
{
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, "SELECT min(x.name) FROM pragma_table_xinfo(?1, '" SQLITE_SCHEMA_NAME "') x"
													" WHERE x.pk > 0 AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, '" SQLITE_SCHEMA_NAME "') i"
													"  WHERE i.origin = 'pk')", false, DOING_LOOK);
	int			code;

	*column = -1;
	if (statement == NULL)
		return false;
	(void) sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_TRANSIENT);
	code = dbsync_sqlite_step(target, statement, DOING_LOOK);
	if (code == SQLITE_ROW)
		*column = find_column(table, (const char *) sqlite3_column_text(statement, 0));
	(void) sqlite3_finalize(statement);
	return code == SQLITE_ROW;
}

/* Do the key's columns compare bytes? */
static bool
check_collations(SqliteTarget *target, DbsyncTargetTable *table, const DbsyncTableSpec *spec)
{
	for (int k = 0; k < table->nkeys; k++)
	{
		const char *collation = NULL;
		const char *name = spec->columns[table->keys[k]].name;
		int			code = sqlite3_table_column_metadata(target->db, SQLITE_SCHEMA_NAME, table->name,
														 dbsync_sqlite_to_utf8(name, strlen(name)), NULL, &collation,
														 NULL, NULL, NULL);

		if (code != SQLITE_OK)
			return dbsync_sqlite_fault(target, DOING_LOOK);
		if (collation != NULL && sqlite3_stricmp(collation, BINARY) != 0)
			return dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_DATATYPE_MISMATCH,
										psprintf("column \"%s\" of target table %s has collation %s", name, table->label, collation),
										"Keys that are two at the source would be one there.",
										"Make the table anew, with columns of the key that have no COLLATE.");
	}
	return true;
}

static bool
refuse_no_key(SqliteTarget *target, const DbsyncTargetTable *table, bool by_collation)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&columns, "%s%s", k > 0 ? ", " : "", table->columns[table->keys[k]]);
	return dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								psprintf("target table %s has no unique index on the key", table->label),
								by_collation ? "There is one with another collation than BINARY, or over a part of the rows." : NULL,
								psprintf("In the file: CREATE UNIQUE INDEX ... ON %s (%s);", dbsync_sqlite_words(table->quoted), dbsync_sqlite_words(columns.data)));
}

/* One of the table's unique indexes; *found: the key has one. */
static bool
take_index(SqliteTarget *target, DbsyncTargetTable *table, const Bitmapset *key, const char *name, bool partial,
		   bool *found, bool *nearly)
{
	KeyIndex	index;

	if (!read_index(target, table, name, &index))
		return false;
	if (!index.has_others && bms_equal(index.columns, key))
	{
		if (!partial && index.compares_bytes)
			*found = true;
		else
			*nearly = true;
	}
	/* with all of the key in it, it tells apart whatever the key does */
	if (!index.compares_bytes || !bms_is_subset(key, index.columns))
		table->has_unique = true;
	return true;
}

bool
dbsync_sqlite_look_at_key(SqliteTarget *target, DbsyncTargetTable *table, const DbsyncTableSpec *spec)
{
	Bitmapset  *key = key_columns(table);
	bool		found = false;
	bool		nearly = false;
	bool		good = true;
	int			code = SQLITE_ROW;
	int			rowid;
	sqlite3_stmt *statement;

	if (!check_collations(target, table, spec) || !find_rowid(target, table, &rowid))
		return false;
	if (rowid >= 0 && bms_equal(key, bms_make_singleton(rowid)))
		found = true;
	else if (rowid >= 0 && !bms_is_member(rowid, key))
		table->has_unique = true;
	statement = dbsync_sqlite_prepare(target, "SELECT name, partial FROM pragma_index_list(?1, '" SQLITE_SCHEMA_NAME "') WHERE \"unique\"",
									  false, DOING_LOOK);
	if (statement == NULL)
		return false;
	(void) sqlite3_bind_text(statement, 1, table->name, -1, SQLITE_TRANSIENT);
	while (good && (code = dbsync_sqlite_step(target, statement, DOING_LOOK)) == SQLITE_ROW)
		good = take_index(target, table, key, (const char *) sqlite3_column_text(statement, 0),
						  sqlite3_column_int(statement, 1) != 0, &found, &nearly);
	(void) sqlite3_finalize(statement);
	if (!good || code != SQLITE_DONE)
		return false;
	return found || refuse_no_key(target, table, nearly);
}
