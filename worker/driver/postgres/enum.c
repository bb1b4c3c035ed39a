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

#include "utils/builtins.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/change_sql.h"
#include "worker/driver/postgres/composite.h"
#include "worker/driver/postgres/enum.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/step.h"

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
rename_label(PostgresTarget *target, const char *type, const char *was, const char *is, bool make)
{
	char	   *sql = psprintf("ALTER TYPE %s RENAME VALUE %s TO %s", type, quote_literal_cstr(was), quote_literal_cstr(is));

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
refuse_both(PostgresTarget *target, const char *type, const char *was, const char *is)
{
	return dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  psprintf("type %s at the target has label \"%s\" and label \"%s\", which is what it was renamed to at the source",
										   type, was, is),
								  NULL,
								  psprintf("On the target, give rows that have the old label the new one, and the old label a name that is not used:"
										   " ALTER TYPE %s RENAME VALUE %s TO '...';",
										   type, quote_literal_cstr(was)));
}

/* The label has its name of today at the target, if it has one of its names there. */
static bool
follow_label(PostgresTarget *target, const char *type, const DbsyncLabel *label, bool make)
{
	char	  **there;
	int			n;
	ListCell   *lc;

	if (label->former == NIL)
		return true;
	if (!read_labels(target, type, &there, &n))
		return false;
	foreach(lc, label->former)
	{
		const char *was = lfirst(lc);

		if (!has_label(there, n, was))
			continue;
		if (has_label(there, n, label->name))
			return refuse_both(target, type, was, label->name);
		if (!rename_label(target, type, was, label->name, make) || !read_labels(target, type, &there, &n))
			return false;
	}
	return true;
}

/* A type that is not there under this name, or is no enum, is not ours to change. */
static bool
follow_enum(PostgresTarget *target, const DbsyncEnum *enumeration, bool make)
{
	const char *type = OidIsValid(enumeration->type) ? dbsync_postgres_type_sql(enumeration->type, -1)
		: enumeration->type_name;
	char	  **there;
	int			n;

	for (int i = 0; i < enumeration->nlabels; i++)
	{
		if (!follow_label(target, type, &enumeration->labels[i], make))
			return false;
	}
	if (!make)
		return true;
	if (!read_labels(target, type, &there, &n))
		return false;
	for (int i = 0; i < enumeration->nlabels && n > 0; i++)
	{
		const char *name = enumeration->labels[i].name;

		if (!has_label(there, n, name) &&
			!add_label(target, type, name, i > 0 ? enumeration->labels[i - 1].name : NULL, there[0]))
			return false;
	}
	return true;
}

/* The longest way to a place of one of these; types of other names are looked for by it. */
static int
deepest_place(List *row_types)
{
	int			deepest = -1;
	ListCell   *lc;
	ListCell   *lp;

	foreach(lc, row_types)
	{
		foreach(lp, ((DbsyncRowType *) lfirst(lc))->places)
			deepest = Max(deepest, list_length(((DbsyncRowPlace *) lfirst(lp))->path));
	}
	return deepest;
}

/*
 * A way to a place counts attributes as the source has them: those by the source's name first, and then from the outside
 * in, as what is in a type is found only when that has followed.
 */
bool
dbsync_postgres_types_follow(DbsyncTarget *base, List *enums, List *row_types, bool make)
{
	int			deepest = deepest_place(row_types);
	ListCell   *lc;

	foreach(lc, enums)
	{
		if (!follow_enum((PostgresTarget *) base, lfirst(lc), make))
			return false;
	}
	for (int depth = -1; depth <= deepest; depth++)
	{
		foreach(lc, row_types)
		{
			if (!dbsync_postgres_row_type_follow((PostgresTarget *) base, lfirst(lc), depth, make))
				return false;
		}
	}
	return true;
}
