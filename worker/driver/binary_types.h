/*-------------------------------------------------------------------------
 *
 * worker/driver/binary_types.h
 *	  Which values may travel in binary form, to whatever has PostgreSQL's types.
 *
 * A value's binary form is what the send function of its type makes and the
 * receive function of the same type takes.  Named here are built-in types whose form has
 * not changed since the oldest target that we speak to, and which say nothing that depends
 * on settings of either end.  Functions are in the header, as drivers may be libraries of their own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_BINARY_TYPES_H
#define DBSYNC_WORKER_DRIVER_BINARY_TYPES_H

#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "utils/lsyscache.h"

/* of the type itself; an interval is for the driver to judge: 17 has made some of its values infinite */
static inline bool
dbsync_binary_type_is_stable(Oid type)
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
		default:
			return false;
	}
}

/*
 * Of an array, the type of its elements; else InvalidOid.  Arrays name it by oid, so it counts for built-in
 * ones alone, whose oids never change.  Needs a transaction.
 */
static inline Oid
dbsync_binary_type_element(Oid type)
{
	/* their receive functions refuse what their send functions make of an empty one */
	if (type >= FirstGenbkiObjectId || type == INT2VECTOROID || type == OIDVECTOROID)
		return InvalidOid;
	return get_element_type(type);
}

#endif							/* DBSYNC_WORKER_DRIVER_BINARY_TYPES_H */
