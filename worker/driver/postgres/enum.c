/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/enum.c
 *	  PostgreSQL driver: enums get the labels that they have at the source.
 *
 * A label cannot be used in the transaction that adds it, so this is done ahead of batches, in
 * transactions of its own: one more that nobody uses yet does no harm.  Labels that the target
 * has and the source has not stay.
 *
 * One that was renamed comes by its new name in all rows that are sent from then on, so the
 * target's has to be renamed before; and before any is added, or it would be taken for one
 * that is new, and rows that are there would keep the old one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_enum.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/change_sql.h"
#include "worker/driver/postgres/enum.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/step.h"

static int
compare_labels(const void *a, const void *b)
{
	float4		x = ((Form_pg_enum) GETSTRUCT(*(HeapTuple const *) a))->enumsortorder;
	float4		y = ((Form_pg_enum) GETSTRUCT(*(HeapTuple const *) b))->enumsortorder;

	return x < y ? -1 : (x > y ? 1 : 0);
}

/* the labels of an enum of the source, in their order */
static char **
labels_of(Oid type, int *n)
{
	CatCList   *list = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	HeapTuple  *tuples = palloc(sizeof(HeapTuple) * Max(list->n_members, 1));
	char	  **labels = palloc(sizeof(char *) * Max(list->n_members, 1));

	*n = list->n_members;
	for (int i = 0; i < *n; i++)
		tuples[i] = &list->members[i]->tuple;
	qsort(tuples, *n, sizeof(HeapTuple), compare_labels);
	for (int i = 0; i < *n; i++)
		labels[i] = pstrdup(NameStr(((Form_pg_enum) GETSTRUCT(tuples[i]))->enumlabel));
	ReleaseCatCacheList(list);
	return labels;
}

static bool
has_label(char **labels, int n, const char *label)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(labels[i], label) == 0)
			return true;
	}
	return false;
}

/* Behind the one that goes before it at the source, which is there by now, or in front of all. */
static bool
add_label(PostgresTarget *target, const char *type, const char *label, const char *before,
		  const char *first)
{
	char	   *sql = psprintf("ALTER TYPE %s ADD VALUE IF NOT EXISTS %s %s %s", type, quote_literal_cstr(label),
							   before ? "AFTER" : "BEFORE", quote_literal_cstr(before ? before : first));

	if (dbsync_postgres_execute(target, NULL, sql, NULL))
		return true;
	dbsync_postgres_tell_statement(target, psprintf("%s;", sql));
	return false;
}

/* the labels that the target's enum has, in their order; none: it is not there, or is no enum */
static bool
read_labels(PostgresTarget *target, const char *type, char ***labels, int *n)
{
	const char *values[1] = {type};
	const PostgresAnswer *answer =
		dbsync_postgres_query(target, "SELECT e.enumlabel FROM pg_catalog.pg_enum e"
							  " WHERE e.enumtypid = pg_catalog.to_regtype($1) ORDER BY e.enumsortorder",
							  1, values, "*t");

	if (answer == NULL)
		return false;
	*n = dbsync_postgres_answer_rows(answer);
	*labels = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		(*labels)[i] = pstrdup(dbsync_postgres_answer_text(answer, i, 0));
	return true;
}

/* The target has a label under the name that it had here. */
static bool
rename_label(PostgresTarget *target, const char *type, const DbsyncLabel *label, bool make)
{
	char	   *sql = psprintf("ALTER TYPE %s RENAME VALUE %s TO %s", type, quote_literal_cstr(label->was),
							   quote_literal_cstr(label->is));

	if (!make)
		return dbsync_postgres_type_due(target, type, psprintf("%s;", sql));
	if (dbsync_postgres_execute(target, NULL, sql, NULL))
		return true;
	dbsync_postgres_tell_statement(target, psprintf("%s;", sql));
	return false;
}

/*
 * The target has both names: rows that are there under the old one would keep it, and looking does
 * not tell which of them would be ours.
 */
static bool
refuse_both(PostgresTarget *target, const char *type, const DbsyncLabel *label)
{
	return dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  psprintf("type %s at the target has label \"%s\" and label \"%s\", which is what it was renamed to at the source",
										   type, label->was, label->is),
								  NULL,
								  psprintf("On the target, give rows that have the old label the new one, and the old label a name that is not used:"
										   " ALTER TYPE %s RENAME VALUE %s TO '...';",
										   type, quote_literal_cstr(label->was)));
}

/* A type that is not there under this name, or is no enum, is not ours to change. */
static bool
follow_enum(PostgresTarget *target, Oid type, List *renamed, bool make)
{
	char	   *name = dbsync_postgres_type_sql(type, -1);
	char	  **there;
	int			nthere;
	char	  **labels;
	int			n;
	ListCell   *lc;

	if (!read_labels(target, name, &there, &nthere))
		return false;
	foreach(lc, renamed)
	{
		const DbsyncLabel *label = lfirst(lc);

		if (label->type != type || !has_label(there, nthere, label->was))
			continue;
		if (has_label(there, nthere, label->is))
			return refuse_both(target, name, label);
		if (!rename_label(target, name, label, make) || !read_labels(target, name, &there, &nthere))
			return false;
	}
	labels = labels_of(type, &n);
	for (int i = 0; make && i < n && nthere > 0; i++)
	{
		if (!has_label(there, nthere, labels[i]) &&
			!add_label(target, name, labels[i], i > 0 ? labels[i - 1] : NULL, there[0]))
			return false;
	}
	return true;
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

bool
dbsync_postgres_types_follow(DbsyncTarget *base, const DbsyncTableSpec *spec, List *labels, bool make)
{
	PostgresTarget *target = (PostgresTarget *) base;
	List	   *enums = NIL;
	ListCell   *lc;

	for (int i = 0; i < spec->ncolumns; i++)
		enums = find_enums(spec->types[i], enums);
	foreach(lc, enums)
	{
		if (!follow_enum(target, lfirst_oid(lc), labels, make))
			return false;
	}
	return true;
}
