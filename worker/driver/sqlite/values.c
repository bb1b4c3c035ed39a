/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/values.c
 *	  SQLite driver: from a value as the worker sends it to one of SQLite's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/string.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "worker/driver/sqlite/values.h"

/* Conversions are looked up in the catalog, for which there is to be a transaction. */
static const char *
convert(const char *text, int length, int from, int to)
{
	MemoryContext old = CurrentMemoryContext;
	const char *converted;

	if (from == to || pg_is_ascii(text))
		return text;
	if (IsTransactionState())
		return (char *) pg_do_encoding_conversion((unsigned char *) unconstify(char *, text), length, from, to);
	StartTransactionCommand();
	MemoryContextSwitchTo(old);
	converted = (char *) pg_do_encoding_conversion((unsigned char *) unconstify(char *, text), length, from, to);
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return converted;
}

const char *
dbsync_sqlite_to_utf8(const char *text, int length)
{
	return convert(text, length, GetDatabaseEncoding(), PG_UTF8);
}

const char *
dbsync_sqlite_from_utf8(const char *text, int length)
{
	return convert(text, length, PG_UTF8, GetDatabaseEncoding());
}

void
dbsync_sqlite_value(DbsyncFormKind kind, const char *bytes, int length, SqliteValue *value)
{
	memset(value, 0, sizeof(SqliteValue));
	value->type = SQLITE_NULL;
	if (bytes == NULL)
		return;
	switch (kind)
	{
		case DBSYNC_FORM_INT64:
			value->type = SQLITE_INTEGER;
			memcpy(&value->number, bytes, sizeof(value->number));
			return;
		case DBSYNC_FORM_DOUBLE:
			value->type = SQLITE_FLOAT;
			memcpy(&value->real, bytes, sizeof(value->real));
			return;
		case DBSYNC_FORM_BYTES:
			value->type = SQLITE_BLOB;
			break;
		case DBSYNC_FORM_STRING:
			value->type = SQLITE_TEXT;
			break;
		default:
			elog(ERROR, "SQLite binds no values of form %d", kind);
	}
	value->data = bytes;
	value->length = length;
}

void
dbsync_sqlite_value_keep(SqliteValue *value, MemoryContext context)
{
	if (value->data != NULL)
		value->data = memcpy(MemoryContextAllocHuge(context, Max(value->length, 1)), value->data, value->length);
}

bool
dbsync_sqlite_value_bind(sqlite3_stmt *statement, int number, const SqliteValue *value)
{
	int			code = SQLITE_OK;

	switch (value->type)
	{
		case SQLITE_INTEGER:
			code = sqlite3_bind_int64(statement, number, value->number);
			break;
		case SQLITE_FLOAT:
			code = sqlite3_bind_double(statement, number, value->real);
			break;
		case SQLITE_TEXT:
			code = sqlite3_bind_text(statement, number, value->data, value->length, SQLITE_STATIC);
			break;
		case SQLITE_BLOB:
			/* bind_blob() takes what is empty for a null */
			code = value->length == 0 ? sqlite3_bind_zeroblob(statement, number, 0)
				: sqlite3_bind_blob(statement, number, value->data, value->length, SQLITE_STATIC);
			break;
		default:
			code = sqlite3_bind_null(statement, number);
			break;
	}
	return code == SQLITE_OK;
}

char *
dbsync_sqlite_value_text(const SqliteValue *value)
{
	switch (value->type)
	{
		case SQLITE_INTEGER:
			return psprintf(INT64_FORMAT, value->number);
		case SQLITE_FLOAT:
			return psprintf("%.17g", value->real);
		case SQLITE_TEXT:
			{
				char	   *text = pnstrdup(value->data, value->length);

				return unconstify(char *, dbsync_sqlite_from_utf8(text, strlen(text)));
			}
		case SQLITE_BLOB:
			return psprintf("(%d bytes)", value->length);
		default:
			return "null";
	}
}

const char *
dbsync_sqlite_affinity(const char *declared, bool strict)
{
	char	   *lower = pstrdup(declared);

	for (char *c = lower; *c; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	if (strict && strcmp(lower, "any") == 0)
		return "blob";
	if (strstr(lower, "int") != NULL)
		return "integer";
	if (strstr(lower, "char") != NULL || strstr(lower, "clob") != NULL || strstr(lower, "text") != NULL)
		return "text";
	if (strstr(lower, "blob") != NULL || lower[0] == '\0')
		return "blob";
	if (strstr(lower, "real") != NULL || strstr(lower, "floa") != NULL || strstr(lower, "doub") != NULL)
		return "real";
	return "numeric";
}
