/*-------------------------------------------------------------------------
 *
 * worker/types/resolve.c
 *	  From a column of the source's to its declaration and form in a dialect.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "worker/types/resolve.h"

/* room that they take in a key, in bytes; of a DECIMAL with most digits */
#define UUID_BYTES		36
#define DECIMAL_BYTES	30

/* what stands in the way of a column */
typedef struct Objection
{
	const char *message;		/* behind "column ... of table ... has type ..., which" */
	const char *detail;
	const char *hint;			/* NULL: send it as another type, this one: */
	const char *cast;
} Objection;

static bool
fits_line(const DbsyncTypeLine *line, Oid type, int32 typmod)
{
	switch (line->of)
	{
		case DBSYNC_TYPE_PLAIN:
			return line->type == type;
		case DBSYNC_TYPE_SIZED:
			return line->type == type && typmod >= 0;
		case DBSYNC_TYPE_UNSIZED:
			return line->type == type && typmod < 0;
		case DBSYNC_TYPE_ENUM:
			return get_typtype(type) == TYPTYPE_ENUM;
		case DBSYNC_TYPE_RANGE:
			return get_typtype(type) == TYPTYPE_RANGE || get_typtype(type) == TYPTYPE_MULTIRANGE;
		case DBSYNC_TYPE_COMPOSITE:
			return get_typtype(type) == TYPTYPE_COMPOSITE;
		case DBSYNC_TYPE_ARRAY:
			/* of what has a counterpart itself, and that is told from the others by an earlier line */
			return OidIsValid(get_element_type(type)) && type != INT2VECTOROID && type != OIDVECTOROID &&
				dbsync_type_line(getBaseType(get_element_type(type)), -1)->sql != DBSYNC_SQL_NONE;
		case DBSYNC_TYPE_OTHER:
			return true;
	}
	return false;
}

const DbsyncTypeLine *
dbsync_type_line(Oid type, int32 typmod)
{
	const DbsyncTypeLine *line = dbsync_type_lines;

	/* the last one fits all, also what is known by its name alone */
	if (!OidIsValid(type))
		return &dbsync_type_lines[dbsync_type_lines_count - 1];
	while (!fits_line(line, type, typmod))
		line++;
	return line;
}

/*
 * What a modifier says.  Of numeric(3,-2) there are five digits, none of them behind the point; of numeric(2,5) five, all of
 * them behind it.
 */
static void
take_modifier(DbsyncColumn *column, const DbsyncTypeLine *line)
{
	int32		typmod = column->typmod;

	column->precision = column->scale = column->length = -1;
	switch (line->sql)
	{
		case DBSYNC_SQL_DECIMAL:
			if (typmod < 0)
				break;
			column->precision = ((typmod - VARHDRSZ) >> 16) & 0xffff;
			column->scale = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;
			if (column->scale < 0)
			{
				column->precision -= column->scale;
				column->scale = 0;
			}
			column->precision = Max(column->precision, column->scale);
			break;
		case DBSYNC_SQL_VARCHAR:
			column->length = line->length > 0 ? line->length : typmod - VARHDRSZ;
			break;
		case DBSYNC_SQL_BITS:
			column->length = typmod;
			break;
		case DBSYNC_SQL_TIME:
		case DBSYNC_SQL_TIMESTAMP:
		case DBSYNC_SQL_TIMESTAMP_TZ:
			column->scale = typmod < 0 ? 6 : typmod;
			break;
		default:
			break;
	}
}

char *
dbsync_types_fill_in(const char *declaration, int precision, int scale, int length)
{
	StringInfoData text;
	bool		inside = false;

	initStringInfo(&text);
	for (const char *c = declaration; *c != '\0'; c++)
	{
		/* of a time the one number that there is is its scale */
		int			number = *c == 'n' ? length : *c == 's' ? scale : *c == 'p' && precision < 0 ? scale : precision;

		inside = *c == '(' || (inside && *c != ')');
		if (inside && strchr("psn", *c) != NULL && number >= 0)
			appendStringInfo(&text, "%d", number);
		else
			appendStringInfoChar(&text, *c);
	}
	return text.data;
}

/* A declaration, and the form of what it declares. */
static void
declare(DbsyncColumn *column, const DbsyncDialectLine *line, int key_length)
{
	const char *declaration = line->declaration;
	int			precision = column->precision;
	int			scale = column->scale;
	int			length = column->length;

	if (line->precision > 0 && precision < 0)
	{
		precision = line->precision;
		scale = line->scale;
	}
	if (column->key > 0 && line->key != NULL)
	{
		declaration = line->key;
		length = key_length;
	}
	else if (line->beyond != NULL && (length < 0 || length > line->longest))
	{
		declaration = line->beyond;
		length = -1;
	}
	column->declaration = dbsync_types_fill_in(declaration, precision, scale, length);
	column->form.kind = line->kind;
	column->form.precision = line->limited ? precision : -1;
	column->form.scale = line->limited ? scale : -1;
	column->form.length = line->limited ? length : -1;
	column->form.depth = -1;
	column->form.takes = line->takes;
}

static bool
is_text(DbsyncSqlType sql)
{
	return sql == DBSYNC_SQL_VARCHAR || sql == DBSYNC_SQL_CLOB;
}

/* What keeps it from being in a key; NULL: nothing. */
static const char *
objection_to_key(const DbsyncColumn *column, const DbsyncTypeLine *line, const DbsyncDialectLine *dialect)
{
	if (line->key == DBSYNC_KEY_NEVER || (line->key == DBSYNC_KEY_AS_NUMBER && dialect->kind == DBSYNC_FORM_STRING))
		return "Values that are equal here can have several forms there, and would be several keys.";
	if (is_text(column->sql) && OidIsValid(column->collation) && !get_collation_isdeterministic(column->collation))
		return "Its collation is not deterministic: values that are equal here would be several keys there.";
	return NULL;
}

/* Does it have a counterpart?  Fills in all but declaration and form. */
static bool
find_counterpart(DbsyncDialect dialect, DbsyncColumn *column, Objection *objection)
{
	const DbsyncTypeLine *line = dbsync_type_line(column->type, column->typmod);
	const DbsyncDialectLine *in_dialect = &dbsync_dialect_lines[line->sql][dialect];
	const char *name = dbsync_dialect_keys[dialect].name;

	column->sql = line->sql;
	take_modifier(column, line);
	if (dialect == DBSYNC_DIALECT_POSTGRES)
		return true;
	memset(objection, 0, sizeof(Objection));
	objection->message = psprintf("%s has no counterpart for", name);
	objection->cast = line->cast;
	if (in_dialect->declaration == NULL)
	{
		/* of an array of them all */
		if (line->of == DBSYNC_TYPE_OTHER && OidIsValid(column->type) && OidIsValid(get_element_type(column->type)))
			objection->detail = "Nor does it have one for its elements' type.";
		return false;
	}
	if (in_dialect->precision > 0 && (column->precision > in_dialect->precision || column->scale > in_dialect->scale))
	{
		objection->detail = psprintf("There are %d digits at most, %d of them behind the point.",
									 in_dialect->precision, in_dialect->scale);
		objection->cast = psprintf("numeric(%d,%d)", in_dialect->precision, Min(column->scale, in_dialect->scale));
		return false;
	}
	if ((is_text(line->sql) || line->sql == DBSYNC_SQL_JSON) && GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		objection->message = psprintf("cannot be sent to %s from a database without an encoding", name);
		objection->detail = "Encoding SQL_ASCII does not say what its characters are.";
		objection->hint = "Send columns of numbers and bytes alone, or copy the database into one of encoding UTF8.";
		return false;
	}
	if (column->key > 0)
		objection->detail = objection_to_key(column, line, in_dialect);
	if (objection->detail == NULL)
		return true;
	objection->message = psprintf("cannot be in a key at %s", name);
	objection->hint = "Name another key: dbsync.add_table(..., key => '{...}').";
	return false;
}

/* Columns of the table that can be sent, those that cannot as other types: what works. */
static char *
suggest_columns(DbsyncDialect dialect, const DbsyncColumn *columns, int ncolumns)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < ncolumns; i++)
	{
		DbsyncColumn column = columns[i];
		Objection	objection;
		const char *name = quote_identifier(column.name);
		bool		plain = find_counterpart(dialect, &column, &objection) || objection.hint != NULL;

		if (!plain)
			name = psprintf("%s::%s AS %s", name, objection.cast, name);
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", quote_literal_cstr(name));
	}
	return list.data;
}

static const char *
type_in_words(const DbsyncColumn *column)
{
	return OidIsValid(column->type) ? format_type_with_typemod(column->type, column->typmod) : column->type_name;
}

static void
refuse(DbsyncDialect dialect, const char *table, const DbsyncColumn *columns, int ncolumns, int at, const Objection *objection)
{
	const char *hint = objection->hint;

	if (hint == NULL && columns[at].key > 0)
		hint = "Name another key: dbsync.add_table(..., key => '{...}').";
	else if (hint == NULL)
		hint = psprintf("Send it as another type: columns => ARRAY[%s].", suggest_columns(dialect, columns, ncolumns));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("column \"%s\" of table %s has type %s, which %s", columns[at].name, table,
					type_in_words(&columns[at]), objection->message),
			 objection->detail ? errdetail("%s", objection->detail) : 0,
			 errhint("%s", hint)));
}

/* Bytes that a column takes of a key's room; 0: it may take what the others leave. */
static int
key_bytes(DbsyncDialect dialect, const DbsyncColumn *column)
{
	const DbsyncDialectKey *key = &dbsync_dialect_keys[dialect];

	switch (column->sql)
	{
		case DBSYNC_SQL_VARCHAR:
		case DBSYNC_SQL_CLOB:
		case DBSYNC_SQL_BITS:
			return 0;
		case DBSYNC_SQL_BLOB:
			return key->binary;
		case DBSYNC_SQL_UUID:
			return UUID_BYTES;
		case DBSYNC_SQL_DECIMAL:
			return DECIMAL_BYTES;
		default:
			return sizeof(int64);
	}
}

/*
 * How many characters strings in the key can have each, so that all of the key has room; -1: it does not matter.  Those that
 * want less than their part leave it to the others.
 */
static int
share_of_key(DbsyncDialect dialect, const char *table, const DbsyncColumn *columns, int ncolumns, int at)
{
	const DbsyncDialectKey *key = &dbsync_dialect_keys[dialect];
	bool	   *served = palloc0(sizeof(bool) * ncolumns);
	int			room = key->bytes;
	int			waiting = 0;
	int			share;
	bool		again;

	if (room == 0)
		return columns[at].length;
	for (int i = 0; i < ncolumns; i++)
	{
		served[i] = columns[i].key == 0 || key_bytes(dialect, &columns[i]) > 0;
		if (columns[i].key > 0)
			room -= key_bytes(dialect, &columns[i]);
		waiting += !served[i];
	}
	do
	{
		share = room / key->character / Max(waiting, 1);
		again = false;
		for (int i = 0; i < ncolumns; i++)
		{
			if (served[i] || columns[i].length < 0 || columns[i].length > share)
				continue;
			served[i] = again = true;
			room -= columns[i].length * key->character;
			waiting--;
		}
	} while (again && waiting > 0);
	if (room < 0 || (waiting > 0 && share < 1))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the key of table %s is too long for %s", table, key->name),
				 errdetail("All of its columns together have %d bytes at most there.", key->bytes),
				 errhint("Name another key: dbsync.add_table(..., key => '{...}').")));
	if (columns[at].sql == DBSYNC_SQL_BLOB)
		return key->binary;
	return columns[at].length >= 0 ? Min(columns[at].length, served[at] ? columns[at].length : share) : share;
}

void
dbsync_types_resolve(DbsyncDialect dialect, const char *table, DbsyncColumn *columns, int ncolumns)
{
	Objection	objection;

	for (int i = 0; i < ncolumns; i++)
	{
		if (OidIsValid(columns[i].type))
			columns[i].type = getBaseTypeAndTypmod(columns[i].type, &columns[i].typmod);
		if (!find_counterpart(dialect, &columns[i], &objection))
			refuse(dialect, table, columns, ncolumns, i, &objection);
	}
	for (int i = 0; i < ncolumns; i++)
	{
		DbsyncColumn *column = &columns[i];
		int			length;

		if (dialect == DBSYNC_DIALECT_POSTGRES)
		{
			column->declaration = type_in_words(column);
			column->form = (DbsyncForm) {DBSYNC_FORM_TEXT, -1, -1, -1, -1, 0};
			continue;
		}
		length = column->key > 0 ? share_of_key(dialect, table, columns, ncolumns, i) : -1;
		declare(column, &dbsync_dialect_lines[column->sql][dialect], length);
	}
}
