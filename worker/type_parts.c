/*-------------------------------------------------------------------------
 *
 * worker/type_parts.c
 *	  What types of the source are made of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "worker/type_parts.h"

static List *find_parts(Oid type, char kind, List *found);

static List *
find_in_attributes(Oid type, char kind, List *found)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			found = find_parts(TupleDescAttr(desc, i)->atttypid, kind, found);
	}
	return found;
}

/* A type cannot be in itself. */
static List *
find_parts(Oid type, char kind, List *found)
{
	Oid			base = getBaseType(type);

	if (get_typtype(base) == kind)
		found = list_append_unique_oid(found, base);
	switch (get_typtype(base))
	{
		case TYPTYPE_COMPOSITE:
			return find_in_attributes(base, kind, found);
		case TYPTYPE_RANGE:
			return find_parts(get_range_subtype(base), kind, found);
		case TYPTYPE_MULTIRANGE:
			return find_parts(get_range_subtype(get_multirange_range(base)), kind, found);
		default:
			return OidIsValid(get_element_type(base)) ? find_parts(get_element_type(base), kind, found) : found;
	}
}

List *
dbsync_type_parts(const DbsyncTableSpec *spec, char kind)
{
	List	   *found = NIL;

	for (int i = 0; i < spec->ncolumns; i++)
	{
		/* one may have been dropped since, with its columns */
		if (SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(spec->columns[i].type)))
			found = find_parts(spec->columns[i].type, kind, found);
	}
	return found;
}
