/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/enum.c
 *	  PostgreSQL driver: enums get the labels that they have at the source.
 *
 * A label cannot be used in the transaction that adds it, so this is done ahead of batches, in
 * transactions of its own: one more that nobody uses yet does no harm.  Labels that the target
 * has and the source has not stay.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

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

/* A type that is not there under this name, or is no enum, is not ours to change. */
static bool
follow_enum(PostgresTarget *target, Oid type)
{
	char	   *name = dbsync_postgres_type_sql(type, -1);
	const char *values[1] = {name};
	const PostgresAnswer *answer =
		dbsync_postgres_query(target, "SELECT e.enumlabel FROM pg_catalog.pg_enum e"
							  " WHERE e.enumtypid = pg_catalog.to_regtype($1) ORDER BY e.enumsortorder",
							  1, values, "*t");
	int			there;
	char	  **target_labels;
	int			n;
	char	  **labels;

	if (answer == NULL)
		return false;
	there = dbsync_postgres_answer_rows(answer);
	target_labels = palloc(sizeof(char *) * Max(there, 1));
	for (int i = 0; i < there; i++)
		target_labels[i] = pstrdup(dbsync_postgres_answer_text(answer, i, 0));
	labels = labels_of(type, &n);
	for (int i = 0; i < n && there > 0; i++)
	{
		if (!has_label(target_labels, there, labels[i]) &&
			!add_label(target, name, labels[i], i > 0 ? labels[i - 1] : NULL, target_labels[0]))
			return false;
	}
	return true;
}

bool
dbsync_postgres_types_follow(DbsyncTarget *base, const DbsyncTableSpec *spec)
{
	PostgresTarget *target = (PostgresTarget *) base;

	for (int i = 0; i < spec->ncolumns; i++)
	{
		Oid			element = get_element_type(spec->types[i]);
		Oid			type = OidIsValid(element) ? getBaseType(element) : spec->types[i];

		if (get_typtype(type) == TYPTYPE_ENUM && !follow_enum(target, type))
			return false;
	}
	return true;
}
