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

#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "utils/lsyscache.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/binary.h"
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
