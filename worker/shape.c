/*-------------------------------------------------------------------------
 *
 * worker/shape.c
 *	  What a captured table looked like when rows of it were captured.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "worker/by_id.h"
#include "worker/query.h"
#include "worker/shape.h"

const DbsyncTableShape dbsync_shape_none = {0};

/* the columns of the query below */
enum
{
	SHAPE_ID = 1,
	SHAPE_TABLE,
	COLUMN_COUNT,
	COLUMN_NUMBER,
	COLUMN_NAME,
	COLUMN_TYPE,
	COLUMN_TYPMOD,
	COLUMN_COLLATION,
	COLUMN_GENERATED,
	COLUMN_NOT_NULL,
	COLUMN_DEFAULT,
	KEY_PLACE,					/* of this column in the key, from 1 on; 0: not in it */
	KEY_CLASS,
	KEY_COLLATION
};

static const char *const columns_sql =
"SELECT h.id, h.captured_id, pg_catalog.count(*) OVER (PARTITION BY h.id), c.num, c.name, c.type, c.typmod, c.\"collation\", c.generated,"
" c.not_null, c.\"default\","
" coalesce(k.place, 0), h.key_classes[k.place], h.key_collations[k.place]"
" FROM dbsync.shape h"
" CROSS JOIN LATERAL dbsync_internal.shape_columns(h.columns) c"
" LEFT JOIN LATERAL pg_catalog.array_position(h.key, c.num::pg_catalog.int2) k (place) ON true"
" WHERE h.id = ANY ($1::pg_catalog.int4[])"
" ORDER BY h.id, c.num";

static DbsyncTableShape *
new_shape(MemoryContext parent, int id, int captured_id, int ncolumns)
{
	MemoryContext context = AllocSetContextCreate(parent, "dbsync shape", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncTableShape *shape = palloc0(sizeof(DbsyncTableShape));

	shape->id = id;
	shape->captured_id = captured_id;
	shape->context = context;
	shape->columns = palloc(sizeof(char *) * ncolumns);
	shape->numbers = palloc(sizeof(AttrNumber) * ncolumns);
	shape->types = palloc(sizeof(Oid) * ncolumns);
	shape->typmods = palloc(sizeof(int32) * ncolumns);
	shape->collations = palloc(sizeof(Oid) * ncolumns);
	shape->not_null = palloc(sizeof(bool) * ncolumns);
	shape->defaults = palloc(sizeof(char *) * ncolumns);
	shape->generated = palloc(sizeof(char *) * ncolumns);
	shape->keys = palloc(sizeof(int) * ncolumns);
	shape->key_before = palloc(sizeof(Oid) * ncolumns);
	shape->key_collations = palloc(sizeof(Oid) * ncolumns);
	MemoryContextSwitchTo(old);
	return shape;
}

/*
 * The order of the key's index, whatever is the default order of its types.  Always
 * upwards: what has been copied must not depend on the way that an index goes, which
 * may give its place to another.
 */
static void
add_key_column(DbsyncTableShape *shape, int place, Oid class, Oid collation)
{
	Oid			family = get_opclass_family(class);
	Oid			type = get_opclass_input_type(class);

	shape->keys[place] = shape->ncolumns;
	shape->key_before[place] = get_opfamily_member(family, type, type, BTLessStrategyNumber);
	shape->key_collations[place] = collation;
	shape->nkeys++;
	if (!OidIsValid(shape->key_before[place]))
		elog(ERROR, "missing operator in operator family %u", family);
}

static void
add_column(DbsyncTableShape *shape, uint64 row)
{
	char	   *name = MemoryContextStrdup(shape->context, dbsync_query_text(row, COLUMN_NAME));
	const char *value = dbsync_query_text(row, COLUMN_DEFAULT);
	int			place = (int) dbsync_query_int(row, KEY_PLACE);

	if (dbsync_query_bool(row, COLUMN_GENERATED))
	{
		shape->generated[shape->ngenerated++] = name;
		return;
	}
	if (place > 0)
		add_key_column(shape, place - 1, dbsync_query_oid(row, KEY_CLASS),
					   dbsync_query_oid(row, KEY_COLLATION));
	shape->numbers[shape->ncolumns] = (AttrNumber) dbsync_query_int(row, COLUMN_NUMBER);
	shape->types[shape->ncolumns] = dbsync_query_oid(row, COLUMN_TYPE);
	shape->typmods[shape->ncolumns] = (int32) dbsync_query_int(row, COLUMN_TYPMOD);
	shape->collations[shape->ncolumns] = dbsync_query_oid(row, COLUMN_COLLATION);
	shape->not_null[shape->ncolumns] = dbsync_query_bool(row, COLUMN_NOT_NULL);
	shape->defaults[shape->ncolumns] = value ? MemoryContextStrdup(shape->context, value) : NULL;
	shape->columns[shape->ncolumns++] = name;
}

/* Read the shapes of these ids, an array; all of their columns are in one result. */
static List *
read_shapes(MemoryContext parent, List *shapes, const char *ids)
{
	uint64		n = dbsync_query(columns_sql, 1, &ids);
	/* SPI leaves in a context of its own, which ends with SPI_finish() */
	MemoryContext old = MemoryContextSwitchTo(parent);
	DbsyncTableShape *shape = NULL;

	for (uint64 row = 0; row < n; row++)
	{
		int			id = (int) dbsync_query_int(row, SHAPE_ID);

		if (shape == NULL || shape->id != id)
		{
			shape = new_shape(parent, id, (int) dbsync_query_int(row, SHAPE_TABLE),
							  (int) dbsync_query_int(row, COLUMN_COUNT));
			shapes = lappend(shapes, shape);
		}
		add_column(shape, row);
	}
	MemoryContextSwitchTo(old);
	return shapes;
}

static int
compare_shapes(const ListCell *a, const ListCell *b)
{
	return ((const DbsyncTableShape *) lfirst(a))->id - ((const DbsyncTableShape *) lfirst(b))->id;
}

List *
dbsync_shapes_read(MemoryContext parent, int subscription_id, const List *known)
{
	const char *subscription = psprintf("%d", subscription_id);
	List	   *shapes = NIL;
	StringInfoData unknown;
	uint64		n;

	initStringInfo(&unknown);
	n = dbsync_query("SELECT h.id FROM dbsync.shape h WHERE h.captured_id IN"
					 " (SELECT st.captured_id FROM dbsync.subscription_table st"
					 "  WHERE st.subscription_id = $1::pg_catalog.int4)", 1, &subscription);
	for (uint64 row = 0; row < n; row++)
	{
		int			id = dbsync_query_int4(row, 1);
		const DbsyncTableShape *shape = dbsync_shapes_find(known, id);

		if (shape != NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(parent);

			shapes = lappend(shapes, unconstify(DbsyncTableShape *, shape));
			MemoryContextSwitchTo(old);
		}
		else
			appendStringInfo(&unknown, "%c%d", unknown.len == 0 ? '{' : ',', id);
	}
	if (unknown.len > 0)
	{
		appendStringInfoChar(&unknown, '}');
		shapes = read_shapes(parent, shapes, unknown.data);
	}
	list_sort(shapes, compare_shapes);
	return shapes;
}

void
dbsync_shapes_take(MemoryContext parent, const List *shapes)
{
	ListCell   *lc;

	foreach(lc, shapes)
		MemoryContextSetParent(((DbsyncTableShape *) lfirst(lc))->context, parent);
}

const DbsyncTableShape *
dbsync_shapes_find(const List *shapes, int id)
{
	StaticAssertStmt(offsetof(DbsyncTableShape, id) == 0, "found by its first field");
	return dbsync_by_id_find(shapes, id);
}

int
dbsync_shape_find_column(const DbsyncTableShape *shape, AttrNumber number)
{
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (shape->numbers[i] == number)
			return i;
	}
	return -1;
}

bool
dbsync_shape_column_is_gone(const DbsyncTableShape *shape, int column)
{
	return !SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(shape->types[column]));
}

AttrNumber
dbsync_shape_find_number(const DbsyncTableShape *shape, const char *name)
{
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (strcmp(shape->columns[i], name) == 0)
			return shape->numbers[i];
	}
	return InvalidAttrNumber;
}

const DbsyncTableShape *
dbsync_shapes_before(const List *shapes, const DbsyncTableShape *shape)
{
	const DbsyncTableShape *before = NULL;
	ListCell   *lc;

	/* a table's shapes have their numbers in the order in which it took them */
	foreach(lc, shapes)
	{
		const DbsyncTableShape *other = lfirst(lc);

		if (other->captured_id == shape->captured_id && other->id < shape->id)
			before = other;
	}
	return before;
}
