/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/values.c
 *	  SQLite driver: from a value as the worker sends it to one of SQLite's.
 *
 * A column of SQLite's has no type but an affinity, which may turn what it gets into something else, without a word: text that
 * looks like a number into a number, with 15 digits, and an integer into a double.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "common/string.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "worker/driver/sqlite/values.h"

typedef enum Affinity
{
	AFFINITY_INTEGER,
	AFFINITY_TEXT,
	AFFINITY_NONE,
	AFFINITY_REAL,
	AFFINITY_NUMERIC
} Affinity;

SqliteKind
dbsync_sqlite_kind(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
			return SQLITE_KIND_INTEGER;
		case BOOLOID:
			return SQLITE_KIND_BOOLEAN;
		case FLOAT4OID:
		case FLOAT8OID:
			return SQLITE_KIND_DOUBLE;
		case BYTEAOID:
			return SQLITE_KIND_BYTES;
		case BPCHAROID:
			return SQLITE_KIND_CHAR;
		case UUIDOID:
			return SQLITE_KIND_UUID;
		case DATEOID:
		case TIMESTAMPOID:
			return SQLITE_KIND_DATE;
		case TIMESTAMPTZOID:
			return SQLITE_KIND_INSTANT;
		case TIMEOID:
			return SQLITE_KIND_TIME;
		default:
			return SQLITE_KIND_TEXT;
	}
}

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

static bool
refuse(int code, const char *words, int *sqlstate, const char **problem)
{
	*sqlstate = code;
	*problem = words;
	return false;
}

/* \x and two digits for each byte */
static void
take_bytes(const char *text, int length, SqliteValue *value)
{
	int			n = (length - 2) / 2;
	char	   *bytes = palloc(Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		char		digits[3] = {text[2 + i * 2], text[3 + i * 2], '\0'};

		bytes[i] = (char) strtol(digits, NULL, 16);
	}
	value->type = SQLITE_BLOB;
	value->data = bytes;
	value->length = n;
}

static void
take_text(const char *text, int length, SqliteValue *value)
{
	const char *utf8 = dbsync_sqlite_to_utf8(text, length);

	value->type = SQLITE_TEXT;
	value->data = utf8;
	value->length = utf8 == text ? length : (int) strlen(utf8);
}

/* What sorts as text sorts as time does, so what does not is refused. */
static bool
check_date(const char *text, int length, int *sqlstate, const char **problem)
{
	if (text[0] == 'i' || text[0] == '-')
		return refuse(ERRCODE_DATETIME_FIELD_OVERFLOW, "It is infinite, which SQLite's dates cannot be.", sqlstate, problem);
	if (length > 3 && strcmp(text + length - 3, " BC") == 0)
		return refuse(ERRCODE_DATETIME_FIELD_OVERFLOW, "It is before Christ, where SQLite's dates do not reach.", sqlstate, problem);
	return true;
}

bool
dbsync_sqlite_value(SqliteKind kind, const char *text, int length, SqliteValue *value,
					int *sqlstate, const char **problem)
{
	memset(value, 0, sizeof(SqliteValue));
	value->type = SQLITE_NULL;
	if (text == NULL)
		return true;
	switch (kind)
	{
		case SQLITE_KIND_INTEGER:
			value->type = SQLITE_INTEGER;
			value->number = strtoll(text, NULL, 10);
			return true;
		case SQLITE_KIND_BOOLEAN:
			value->type = SQLITE_INTEGER;
			value->number = text[0] == 't';
			return true;
		case SQLITE_KIND_DOUBLE:
			value->type = SQLITE_FLOAT;
			value->real = strtod(text, NULL);
			/* SQLite takes it for a null */
			if (isnan(value->real))
				return refuse(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "It is NaN, which SQLite does not know.", sqlstate, problem);
			return true;
		case SQLITE_KIND_BYTES:
			take_bytes(text, length, value);
			return true;
		case SQLITE_KIND_CHAR:
			while (length > 0 && text[length - 1] == ' ')
				length--;
			break;
		case SQLITE_KIND_DATE:
			if (!check_date(text, length, sqlstate, problem))
				return false;
			break;
		case SQLITE_KIND_INSTANT:
			if (!check_date(text, length, sqlstate, problem))
				return false;
			/* as it always ends: TimeZone is pinned */
			if (length > 3 && strcmp(text + length - 3, "+00") == 0)
				length -= 3;
			break;
		case SQLITE_KIND_TEXT:
		case SQLITE_KIND_UUID:
		case SQLITE_KIND_TIME:
			break;
	}
	take_text(text, length, value);
	return true;
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

/* By SQLite's own rules, in their order. */
static Affinity
affinity_of(const char *declared)
{
	char	   *lower = pstrdup(declared);

	for (char *c = lower; *c; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	if (strstr(lower, "int") != NULL)
		return AFFINITY_INTEGER;
	if (strstr(lower, "char") != NULL || strstr(lower, "clob") != NULL || strstr(lower, "text") != NULL)
		return AFFINITY_TEXT;
	if (strstr(lower, "blob") != NULL || lower[0] == '\0')
		return AFFINITY_NONE;
	if (strstr(lower, "real") != NULL || strstr(lower, "floa") != NULL || strstr(lower, "doub") != NULL)
		return AFFINITY_REAL;
	return AFFINITY_NUMERIC;
}

const char *
dbsync_sqlite_column_problem(SqliteKind kind, const char *declared)
{
	Affinity	affinity = affinity_of(declared);

	switch (kind)
	{
		case SQLITE_KIND_INTEGER:
		case SQLITE_KIND_BOOLEAN:
			return affinity == AFFINITY_REAL ? "would turn integers into doubles" :
				affinity == AFFINITY_TEXT ? "would turn integers into text" : NULL;
		case SQLITE_KIND_DOUBLE:
			return affinity == AFFINITY_TEXT ? "would turn doubles into text, with 15 digits" :
				affinity == AFFINITY_INTEGER || affinity == AFFINITY_NUMERIC ? "would turn doubles that are whole into integers" : NULL;
		case SQLITE_KIND_BYTES:
			return NULL;
		case SQLITE_KIND_UUID:
		case SQLITE_KIND_DATE:
		case SQLITE_KIND_INSTANT:
		case SQLITE_KIND_TIME:
			/* none of them looks like a number */
			return affinity == AFFINITY_INTEGER || affinity == AFFINITY_REAL ? "is for numbers" : NULL;
		case SQLITE_KIND_TEXT:
		case SQLITE_KIND_CHAR:
			return affinity == AFFINITY_TEXT || affinity == AFFINITY_NONE ? NULL : "would turn text that looks like a number into one";
	}
	return NULL;
}

/* What an array or a range is made of; InvalidOid: it is neither. */
static Oid
part_of(Oid type)
{
	Oid			part = get_element_type(type);

	if (!OidIsValid(part))
		part = get_range_subtype(type);
	return OidIsValid(part) ? part : get_multirange_range(type);
}

/* Equal values must have one form, or a change of form would be another row. */
const char *
dbsync_sqlite_key_problem(Oid type, int32 typmod, Oid collation)
{
	Oid			part = part_of(type);

	/* 0 and -0 are written as two where they are not bound as doubles */
	if (part == FLOAT4OID || part == FLOAT8OID)
		return "is made of floating-point numbers, which may be equal and written in several ways";
	if (OidIsValid(part))
		return dbsync_sqlite_key_problem(part, typmod, collation);
	switch (type)
	{
		case NUMERICOID:
			return typmod < 0 ? "is numeric without a scale: 1.0 and 1.00 are one key there, and two here" : NULL;
		case INTERVALOID:
			return "is an interval: 1 day and 24 hours are one key there, and two here";
		case JSONBOID:
			return "is jsonb: numbers that are equal may be written in several ways";
		default:
			break;
	}
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return "has a nondeterministic collation: texts that are one key there are several here";
	if (type >= FirstNormalObjectId && get_typtype(type) != TYPTYPE_ENUM)
		return "has a type that is not built in: what is one key there may be several here";
	return NULL;
}
