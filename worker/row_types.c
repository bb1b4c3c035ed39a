/*-------------------------------------------------------------------------
 *
 * worker/row_types.c
 *	  Attributes of the source's composite types, and what they were called before.
 *
 * Values are written out by what this process has cached of their types, which may be older than what
 * is committed.  Attributes have numbers, none of which is given twice, so a type never is again what
 * it was.  If the cache has the same attributes when a table is looked up and when its rows have been
 * written out, they were these all the time; and if the catalog has them, too, then no row that is
 * visible has others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "worker/query.h"
#include "worker/row_types.h"
#include "worker/type_parts.h"

/* a type that values are written out by, and its attributes as their numbers and types */
typedef struct NotedType
{
	Oid			type;
	char	   *attributes;
	uint64		as_of;			/* stands for what the configuration knew of types when it was noted */
} NotedType;

const char *
dbsync_row_types_changed(MemoryContext context)
{
	dbsync_query("SELECT coalesce(pg_catalog.string_agg(pg_catalog.format('%s %s %I', f.type, a.attnum, a.attname), ', ' ORDER BY f.type, a.attnum), '')"
				 " FROM (SELECT DISTINCT type FROM dbsync.former_attribute) f"
				 " JOIN pg_catalog.pg_type t ON t.oid = f.type"
				 " JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0", 0, NULL);
	return MemoryContextStrdup(context, dbsync_query_text(0, 1));
}

/* As the catalog has them, committed, in the words of cached_attributes(); NULL: there is no such type. */
static const char *
committed_attributes(Oid type)
{
	const char *values[1] = {psprintf("%u", type)};

	dbsync_query_latest("SELECT pg_catalog.string_agg(pg_catalog.format('%s %s', a.attnum, a.atttypid::pg_catalog.oid), ', ' ORDER BY a.attnum)"
						" FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid"
						" WHERE t.oid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped", 1, values);
	return dbsync_query_text(0, 1);
}

/* As values are written out by now. */
static const char *
cached_attributes(Oid type)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped)
			appendStringInfo(&text, "%s%d %u", text.len > 0 ? ", " : "", attribute->attnum, attribute->atttypid);
	}
	return text.data;
}

static void
complain(Oid type)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("attributes of type %s have just changed", format_type_extended(type, -1, FORMAT_TYPE_FORCE_QUALIFY)),
			 errdetail("Rows with values of it may have been written out with those of before. None of them is at the target.")));
}

/* Does the type, which may have been dropped with its columns, have other attributes than that? */
static bool
is_another(Oid type, const char *attributes)
{
	const char *committed;

	if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(type)))
		return false;
	committed = committed_attributes(type);
	return strcmp(cached_attributes(type), attributes) != 0 || strcmp(committed ? committed : "", attributes) != 0;
}

void
dbsync_row_types_check(const DbsyncWork *work)
{
	ListCell   *lc;

	foreach(lc, work->row_types)
	{
		const NotedType *noted = lfirst(lc);

		if (is_another(noted->type, noted->attributes))
			complain(noted->type);
	}
}

void
dbsync_row_types_forget(DbsyncWork *work)
{
	work->row_types = NIL;
}

/*
 * What was noted before is of tables that are looked up anew with the configuration that knows of the change.  Until then others are
 * open for which the target was looked at before it, and rows of theirs would be written out by what is behind it.
 */
static void
note(DbsyncWork *work, Oid type, uint64 as_of)
{
	const char *attributes = cached_attributes(type);
	MemoryContext old = MemoryContextSwitchTo(work->target_context);
	NotedType  *noted = NULL;
	ListCell   *lc;

	foreach(lc, work->row_types)
	{
		if (((NotedType *) lfirst(lc))->type == type)
			noted = lfirst(lc);
	}
	if (noted == NULL)
	{
		noted = palloc0(sizeof(NotedType));
		noted->type = type;
		work->row_types = lappend(work->row_types, noted);
	}
	else if (noted->as_of == as_of && strcmp(noted->attributes, attributes) != 0)
		complain(type);
	else
		pfree(noted->attributes);
	noted->attributes = pstrdup(attributes);
	noted->as_of = as_of;
	MemoryContextSwitchTo(old);
	if (is_another(type, noted->attributes))
		complain(type);
}

/* What its values are, or their elements, without domains. */
static Oid
element_of(Oid type)
{
	for (;;)
	{
		Oid			base = getBaseType(type);
		Oid			element = get_element_type(base);

		if (!OidIsValid(element))
			return base;
		type = element;
	}
}

/* Where in values of "within" there are values of the type: adds to the places, in the current context. */
static List *
find_places(List *places, const DbsyncRowPlace *place, Oid within, Oid type)
{
	Oid			element = element_of(within);
	TupleDesc	desc;
	int			number = 0;

	if (get_typtype(element) != TYPTYPE_COMPOSITE)
		return places;
	if (element == type)
	{
		DbsyncRowPlace *found = palloc(sizeof(DbsyncRowPlace));

		*found = *place;
		return lappend(places, found);
	}
	desc = lookup_rowtype_tupdesc_copy(element, -1);
	for (int i = 0; i < desc->natts; i++)
	{
		DbsyncRowPlace inner = *place;

		if (TupleDescAttr(desc, i)->attisdropped)
			continue;
		inner.path = lappend_int(list_copy(place->path), ++number);
		places = find_places(places, &inner, TupleDescAttr(desc, i)->atttypid, type);
	}
	return places;
}

static List *
places_in(List *places, const DbsyncTableSpec *spec, const char *column, Oid within, Oid type)
{
	DbsyncRowPlace place = {spec->schema, spec->table, column, NIL};

	return find_places(places, &place, within, type);
}

/*
 * Columns have the names there that they had before, as far as nobody has renamed them ahead of us.  Of a column that was of another
 * type nothing is looked for: that type is not this one.
 */
static List *
places_of(const DbsyncTableSpec *spec, const DbsyncTableShape *shape, const DbsyncTableShape *before, Oid type)
{
	List	   *places = NIL;

	for (int i = 0; i < spec->ncolumns; i++)
	{
		int			was = before ? dbsync_shape_find_column(before, shape->numbers[i]) : -1;

		/* one may have been dropped since, with its columns */
		if (!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(spec->columns[i].type)) || (was >= 0 && before->types[was] != spec->columns[i].type))
			continue;
		if (was >= 0)
			places = places_in(places, spec, before->columns[was], spec->columns[i].type, type);
		/* what has the name there is another column */
		if (before == NULL || dbsync_shape_find_number(before, spec->columns[i].name) == InvalidAttrNumber)
			places = places_in(places, spec, spec->columns[i].name, spec->columns[i].type, type);
	}
	return places;
}

/*
 * The type as it is, with all names that its attributes had; NULL: there is none.  Rows of one
 * attribute follow each other: one for each name that it had.
 */
static DbsyncRowType *
read_row_type(Oid type, MemoryContext context)
{
	const char *values[1] = {psprintf("%u", type)};
	uint64		n = dbsync_query_latest("SELECT a.attnum, CASE WHEN NOT a.attisdropped THEN a.attname END, a.atttypid, a.atttypmod, a.attcollation, f.name,"
										" EXISTS (SELECT FROM dbsync.former_attribute c WHERE c.type = t.oid)"
										" FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0"
										" LEFT JOIN dbsync.former_attribute f ON f.type = t.oid AND f.num = a.attnum"
										" WHERE t.oid = $1::pg_catalog.oid"
										" ORDER BY a.attnum, f.name", 1, values);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncRowType *found = palloc0(sizeof(DbsyncRowType));
	int			last = 0;

	found->type = type;
	found->unchanged = n > 0 && !dbsync_query_bool(0, 7);
	found->attributes = palloc0(sizeof(DbsyncAttribute) * Max(n, 1));
	for (uint64 row = 0; row < n; row++)
	{
		const char *former = dbsync_query_text(row, 6);
		DbsyncAttribute *attribute;

		if (dbsync_query_int4(row, 1) != last)
			found->nattributes++;
		last = dbsync_query_int4(row, 1);
		attribute = &found->attributes[found->nattributes - 1];
		attribute->name = dbsync_query_text(row, 2);
		attribute->type = dbsync_query_oid(row, 3);
		attribute->typmod = dbsync_query_int4(row, 4);
		attribute->collation = dbsync_query_oid(row, 5);
		if (former != NULL)
			attribute->former = lappend(attribute->former, unconstify(char *, former));
	}
	MemoryContextSwitchTo(old);
	return n > 0 ? found : NULL;
}

List *
dbsync_row_types_of(DbsyncWork *work, const DbsyncTableSpec *spec, const DbsyncTableShape *shape, const DbsyncTableShape *before)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *parts = dbsync_type_parts(spec, TYPTYPE_COMPOSITE);
	const char *known = work->subscription->row_types;
	List	   *found = NIL;
	uint64		as_of;
	ListCell   *lc;

	if (parts == NIL)
		return NIL;
	as_of = hash_bytes_extended((const unsigned char *) known, strlen(known), 0);
	foreach(lc, parts)
	{
		DbsyncRowType *row_type;
		MemoryContext old;

		SPI_connect();
		note(work, lfirst_oid(lc), as_of);
		row_type = read_row_type(lfirst_oid(lc), context);
		SPI_finish();
		old = MemoryContextSwitchTo(context);
		if (row_type != NULL)
		{
			row_type->places = places_of(spec, shape, before, row_type->type);
			found = lappend(found, row_type);
		}
		MemoryContextSwitchTo(old);
	}
	return found;
}
