/*-------------------------------------------------------------------------
 *
 * worker/labels.c
 *	  Labels of enums that were called otherwise before (dbsync.former_label).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/labels.h"
#include "worker/query.h"

/* Of all enums that captured tables have: there are few. */
List *
dbsync_labels_read(MemoryContext context)
{
	List	   *labels = NIL;
	uint64		n = dbsync_query("SELECT f.type, f.name, e.enumlabel FROM dbsync.former_label f"
								 " JOIN pg_catalog.pg_enum e ON e.oid = f.label ORDER BY f.type, f.name", 0, NULL);
	MemoryContext old = MemoryContextSwitchTo(context);

	for (uint64 row = 0; row < n; row++)
	{
		DbsyncLabel *label = palloc(sizeof(DbsyncLabel));

		label->type = dbsync_query_oid(row, 1);
		label->was = dbsync_query_text(row, 2);
		label->is = dbsync_query_text(row, 3);
		labels = lappend(labels, label);
	}
	MemoryContextSwitchTo(old);
	return labels;
}

bool
dbsync_labels_same(const List *a, const List *b)
{
	ListCell   *la;
	ListCell   *lb;

	if (list_length(a) != list_length(b))
		return false;
	forboth(la, a, lb, b)
	{
		const DbsyncLabel *x = lfirst(la);
		const DbsyncLabel *y = lfirst(lb);

		if (x->type != y->type || strcmp(x->was, y->was) != 0 || strcmp(x->is, y->is) != 0)
			return false;
	}
	return true;
}
