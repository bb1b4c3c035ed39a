/*-------------------------------------------------------------------------
 *
 * worker/labels.c
 *	  Labels of the source's enums, and what they were called before (dbsync.former_label).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "worker/labels.h"
#include "worker/query.h"

const char *
dbsync_labels_renamed(MemoryContext context)
{
	dbsync_query("SELECT coalesce(pg_catalog.string_agg(pg_catalog.format('%s %I %I', f.type, f.name, e.enumlabel), ', '"
				 " ORDER BY f.type, f.name), '')"
				 " FROM dbsync.former_label f JOIN pg_catalog.pg_enum e ON e.oid = f.label", 0, NULL);
	return MemoryContextStrdup(context, dbsync_query_text(0, 1));
}

static List *find_enums(Oid type, List *enums);

static List *
find_in_attributes(Oid type, List *enums)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			enums = find_enums(TupleDescAttr(desc, i)->atttypid, enums);
	}
	return enums;
}

/* Enums that values of the type are made of, however deep inside; a type cannot be in itself. */
static List *
find_enums(Oid type, List *enums)
{
	Oid			base = getBaseType(type);

	switch (get_typtype(base))
	{
		case TYPTYPE_ENUM:
			return list_append_unique_oid(enums, base);
		case TYPTYPE_COMPOSITE:
			return find_in_attributes(base, enums);
		case TYPTYPE_RANGE:
			return find_enums(get_range_subtype(base), enums);
		case TYPTYPE_MULTIRANGE:
			return find_enums(get_range_subtype(get_multirange_range(base)), enums);
		default:
			return OidIsValid(get_element_type(base)) ? find_enums(get_element_type(base), enums) : enums;
	}
}

/* Rows of one label follow each other: one for each name that it had, or one without such a name. */
static DbsyncEnum *
read_enum(Oid type, MemoryContext context)
{
	const char *values[1] = {psprintf("%u", type)};
	uint64		n = dbsync_query_latest("SELECT e.oid, e.enumlabel, f.name FROM pg_catalog.pg_enum e"
										" LEFT JOIN dbsync.former_label f ON f.type = e.enumtypid AND f.label = e.oid"
										" WHERE e.enumtypid = $1::pg_catalog.oid ORDER BY e.enumsortorder, f.name", 1, values);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncEnum *found = palloc0(sizeof(DbsyncEnum));
	Oid			last = InvalidOid;

	found->type = type;
	found->labels = palloc0(sizeof(DbsyncLabel) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		const char *former = dbsync_query_text(row, 3);
		DbsyncLabel *label;

		if (dbsync_query_oid(row, 1) != last)
			found->labels[found->nlabels++].name = dbsync_query_text(row, 2);
		last = dbsync_query_oid(row, 1);
		label = &found->labels[found->nlabels - 1];
		if (former != NULL)
			label->former = lappend(label->former, unconstify(char *, former));
	}
	MemoryContextSwitchTo(old);
	return found;
}

List *
dbsync_labels_of(const DbsyncTableSpec *spec)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *types = NIL;
	List	   *enums = NIL;
	ListCell   *lc;

	for (int i = 0; i < spec->ncolumns; i++)
	{
		/* one may have been dropped since, with its columns */
		if (SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(spec->types[i])))
			types = find_enums(spec->types[i], types);
	}
	foreach(lc, types)
	{
		DbsyncEnum *found;
		MemoryContext old;

		SPI_connect();
		found = read_enum(lfirst_oid(lc), context);
		SPI_finish();
		old = MemoryContextSwitchTo(context);
		enums = lappend(enums, found);
		MemoryContextSwitchTo(old);
	}
	return enums;
}
