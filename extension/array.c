/*-------------------------------------------------------------------------
 *
 * extension/array.c
 *	  Arrays that our SQL functions hand over.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/lsyscache.h"

#include "extension/array.h"

Datum *
dbsync_array_values(Datum array, Oid type, int *n)
{
	Datum	   *values;
	int16		length;
	bool		byval;
	char		align;

	get_typlenbyvalalign(type, &length, &byval, &align);
	deconstruct_array(DatumGetArrayTypeP(array), type, length, byval, align, &values, NULL, n);
	return values;
}
