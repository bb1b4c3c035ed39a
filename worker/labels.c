/*-------------------------------------------------------------------------
 *
 * worker/labels.c
 *	  Labels of the source's enums, and what they were called before (dbsync.former_label).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"

#include "worker/labels.h"
#include "worker/query.h"
#include "worker/type_parts.h"

const char *
dbsync_labels_renamed(MemoryContext context)
{
	dbsync_query("SELECT coalesce(pg_catalog.string_agg(pg_catalog.format('%s %I %I', f.type, f.name, e.enumlabel), ', '"
				 " ORDER BY f.type, f.name), '')"
				 " FROM dbsync.former_label f JOIN pg_catalog.pg_enum e ON e.oid = f.label", 0, NULL);
	return MemoryContextStrdup(context, dbsync_query_text(0, 1));
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
	List	   *enums = NIL;
	ListCell   *lc;

	foreach(lc, dbsync_type_parts(spec, TYPTYPE_ENUM))
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
