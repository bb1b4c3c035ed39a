/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/binary.c
 *	  PostgreSQL driver: which values may travel in binary form.
 *
 * A value's binary form is what the send function of its type makes and the
 * receive function of the same type takes.  It spares both ends the way through
 * text.  Named here are built-in types whose form has not changed since the
 * oldest target that we speak to, and which say nothing that depends on settings
 * of either end.  All columns of a table, or none: so COPY wants it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "utils/lsyscache.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/binary.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"

static bool
is_stable(const PostgresTarget *target, Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case CHAROID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case BYTEAOID:
		case JSONOID:
		case JSONBOID:
		case UUIDOID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case BITOID:
		case VARBITOID:
			return true;
		case INTERVALOID:
			/* 17 made some of its values infinite; older ones would take them for finite */
			return (PG_VERSION_NUM >= 170000) == (target->base.identity.version >= 170000);
		default:
			return false;
	}
}

bool
dbsync_postgres_is_binary_type(const PostgresTarget *target, Oid type)
{
	Oid			element;

	if (is_stable(target, type))
		return true;
	/* their receive functions refuse what their send functions make of an empty one */
	if (type == INT2VECTOROID || type == OIDVECTOROID)
		return false;
	/* arrays name the type of their elements by oid; these oids never change */
	element = type < FirstGenbkiObjectId ? get_element_type(type) : InvalidOid;
	return OidIsValid(element) && is_stable(target, element);
}

DbsyncEncoding
dbsync_postgres_table_encoding(const DbsyncTargetTable *table)
{
	return table->binary ? DBSYNC_ENCODING_BINARY : DBSYNC_ENCODING_TEXT;
}

/*
 * From 16 on a "char" that is not ASCII is written as \377, say, which older ones read as a
 * backslash, and leave the rest out without a word.  (In binary form it is what it is.)
 */
bool
dbsync_postgres_misreads_char(const PostgresTarget *target, const PostgresColumn *column)
{
	return PG_VERSION_NUM >= 160000 && target->base.identity.version < 160000 &&
		(column->base_type == CHAROID || column->element == CHAROID);
}

/* Is there such an escape?  In an array's text the backslash is written twice. */
static bool
has_escape(const char *value, int length, bool array)
{
	int			slashes = array ? 2 : 1;

	for (int i = 0; i + slashes < length; i++)
	{
		if (strncmp(value + i, "\\\\", slashes) == 0 && isdigit((unsigned char) value[i + slashes]))
			return true;
	}
	return false;
}

bool
dbsync_postgres_check_chars(PostgresTarget *target, const DbsyncRow *row)
{
	const PostgresRows *rows = &target->rows;
	const DbsyncTargetTable *table = rows->table;

	for (int i = 0; i < rows->ncolumns; i++)
	{
		const PostgresColumn *column =
			&table->columns[rows->mode == DBSYNC_ROWS_DELETE ? table->keys[i] : i];

		if (row->values[i] != NULL && dbsync_postgres_misreads_char(target, column) &&
			has_escape(row->values[i], row->lengths[i], column->base_type != CHAROID))
			return dbsync_postgres_refuse(target, ERRCODE_FEATURE_NOT_SUPPORTED,
										  psprintf("column %s of target table %s cannot take a \"char\" that is not ASCII",
												   column->quoted, table->label),
										  psprintf("The target runs %s; before PostgreSQL 16 it would read another value.",
												   target->base.identity.version_text),
										  psprintf("On the target: ALTER TABLE %s ALTER %s TYPE ...; to text, say.",
												   table->quoted, column->quoted));
	}
	return true;
}
