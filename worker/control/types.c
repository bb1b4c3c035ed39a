/*-------------------------------------------------------------------------
 *
 * worker/control/types.c
 *	  The table of types as SQL shows it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "worker/types/resolve.h"
#include "worker/types/table.h"

#define COLUMNS		9

PG_FUNCTION_INFO_V1(dbsync_target_types);

static const char *const kind_names[] = {
	[DBSYNC_FORM_TEXT] = "text",
	[DBSYNC_FORM_BINARY] = "binary",
	[DBSYNC_FORM_NUMBER] = "number",
	[DBSYNC_FORM_STRING] = "string",
	[DBSYNC_FORM_HEX] = "hex",
	[DBSYNC_FORM_BYTES] = "bytes",
	[DBSYNC_FORM_INT64] = "int64",
	[DBSYNC_FORM_DOUBLE] = "double"
};

/* what a value is written as */
static const char *
form_of(DbsyncWritten written)
{
	switch (written)
	{
		case DBSYNC_WRITTEN_NOT:
			return NULL;
		case DBSYNC_WRITTEN_BOOLEAN:
			return "1 or 0";
		case DBSYNC_WRITTEN_INT2:
		case DBSYNC_WRITTEN_INT4:
		case DBSYNC_WRITTEN_INT8:
		case DBSYNC_WRITTEN_OID:
			return "decimal digits";
		case DBSYNC_WRITTEN_NUMERIC:
			return "PostgreSQL's digits";
		case DBSYNC_WRITTEN_FLOAT4:
		case DBSYNC_WRITTEN_FLOAT8:
			return "shortest digits that read back the same";
		case DBSYNC_WRITTEN_TEXT:
			return "UTF-8";
		case DBSYNC_WRITTEN_CHAR:
			return "UTF-8 without trailing blanks";
		case DBSYNC_WRITTEN_OUTPUT:
			return "PostgreSQL's text";
		case DBSYNC_WRITTEN_BYTES:
			return "the bytes";
		case DBSYNC_WRITTEN_DATE:
			return "2026-11-28";
		case DBSYNC_WRITTEN_TIME:
			return "23:59:59.25";
		case DBSYNC_WRITTEN_TIMESTAMP:
			return "2026-11-28 01:02:03.25";
		case DBSYNC_WRITTEN_TIMESTAMPTZ:
			return "2026-11-28 01:02:03.25 in UTC";
		case DBSYNC_WRITTEN_INTERVAL:
			return "ISO 8601: P1Y2M-3DT4H5M6.5S";
		case DBSYNC_WRITTEN_JSON:
			return "as PostgreSQL prints it";
		case DBSYNC_WRITTEN_ARRAY:
			return "array_to_json()";
	}
	return NULL;
}

static void
add(StringInfo list, const char *what)
{
	appendStringInfo(list, "%s%s", list->len > 0 ? ", " : "", what);
}

static void
add_of_numbers(StringInfo list, int takes)
{
	if (!(takes & DBSYNC_TAKES_NAN))
		add(list, "NaN");
	if (!(takes & DBSYNC_TAKES_INFINITY))
		add(list, "Infinity");
}

/* The values that dbsync_form_write() does not write for a column that is declared so. */
static char *
refused_values(DbsyncWritten written, const DbsyncDialectLine *line)
{
	StringInfoData list;

	initStringInfo(&list);
	switch (written)
	{
		case DBSYNC_WRITTEN_NUMERIC:
			add_of_numbers(&list, line->takes);
			if (line->limited)
				add(&list, "more digits than the column has");
			break;
		case DBSYNC_WRITTEN_FLOAT4:
		case DBSYNC_WRITTEN_FLOAT8:
			add_of_numbers(&list, line->takes);
			break;
		case DBSYNC_WRITTEN_DATE:
		case DBSYNC_WRITTEN_TIMESTAMP:
		case DBSYNC_WRITTEN_TIMESTAMPTZ:
			add(&list, "infinity, BC");
			if (!(line->takes & DBSYNC_TAKES_LATE))
				add(&list, "years after 9999");
			if (line->limited)
				add(&list, "more digits of a second than the column has");
			break;
		case DBSYNC_WRITTEN_TIME:
			if (line->limited)
				add(&list, "more digits of a second than the column has");
			break;
		case DBSYNC_WRITTEN_INTERVAL:
			add(&list, "infinity");
			break;
		case DBSYNC_WRITTEN_ARRAY:
			add(&list, "lower bounds other than 1");
			break;
		case DBSYNC_WRITTEN_TEXT:
		case DBSYNC_WRITTEN_CHAR:
		case DBSYNC_WRITTEN_OUTPUT:
		case DBSYNC_WRITTEN_BYTES:
		case DBSYNC_WRITTEN_JSON:
			if (line->limited)
				add(&list, "longer than the column");
			break;
		default:
			break;
	}
	return list.len > 0 ? list.data : NULL;
}

/* With the numbers that the type says by itself. */
static const char *
filled_in(const DbsyncTypeLine *type, const DbsyncDialectLine *line, const char *declaration)
{
	if (type->of == DBSYNC_TYPE_UNSIZED && line->precision > 0)
		return dbsync_types_fill_in(declaration, line->precision, line->scale, -1);
	return type->length > 0 ? dbsync_types_fill_in(declaration, -1, -1, type->length) : declaration;
}

/* What a column of the key is declared as; NULL: it may not be in one. */
static const char *
in_key(const DbsyncTypeLine *type, const DbsyncDialectLine *line)
{
	if (line->declaration == NULL || type->key == DBSYNC_KEY_NEVER ||
		(type->key == DBSYNC_KEY_AS_NUMBER && line->kind == DBSYNC_FORM_STRING))
		return NULL;
	return filled_in(type, line, line->key ? line->key : line->declaration);
}

static const char *
declared(const DbsyncTypeLine *type, const DbsyncDialectLine *line)
{
	const char *text = line->declaration;

	if (text == NULL)
		return NULL;
	if (line->beyond != NULL && type->length == 0)
		return psprintf("%s, n > %d: %s", text, line->longest, line->beyond);
	return filled_in(type, line, text);
}

static const char *
standard_name(const DbsyncTypeLine *type)
{
	const char *name = dbsync_sql_type_names[type->sql];

	if (name == NULL || type->length == 0)
		return name;
	return dbsync_types_fill_in(name, -1, -1, type->length);
}

static void
put(ReturnSetInfo *result, const char *const *texts)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	for (int i = 0; i < COLUMNS; i++)
	{
		nulls[i] = texts[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_line(ReturnSetInfo *result, const DbsyncTypeLine *type, DbsyncDialect dialect)
{
	const DbsyncDialectLine *line = &dbsync_dialect_lines[type->sql][dialect];
	bool		as_it_is = dialect == DBSYNC_DIALECT_POSTGRES;
	const char *texts[COLUMNS] = {
		type->name,
		standard_name(type),
		dbsync_dialect_names[dialect],
		as_it_is ? type->name : declared(type, line),
		as_it_is ? type->name : in_key(type, line),
		as_it_is ? "PostgreSQL's" : form_of(type->written),
		as_it_is ? "text or binary" : line->declaration ? kind_names[line->kind] : NULL,
		as_it_is ? NULL : refused_values(type->written, line),
		as_it_is ? NULL : type->cast
	};

	put(result, texts);
}

Datum
dbsync_target_types(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < dbsync_type_lines_count; i++)
	{
		for (int dialect = 0; dialect < DBSYNC_DIALECTS; dialect++)
			put_line(result, &dbsync_type_lines[i], dialect);
	}
	return (Datum) 0;
}
