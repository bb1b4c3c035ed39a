/*-------------------------------------------------------------------------
 *
 * worker/batch/held_group.c
 *	  Tables that are held at one position, and catch up together.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/batch/held_group.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/text.h"
#include "worker/work.h"

static bool
is_beside(const DbsyncTable *a, const DbsyncTable *b)
{
	return dbsync_table_is_held(b) && b->ties.group == a->ties.group && b->dropped == 0 &&
		dbsync_text_is_same(a->part.after, b->part.after) && dbsync_text_is_same(a->part.upto, b->part.upto) &&
		a->part.closing == b->part.closing && a->part.closing_xid == b->part.closing_xid;
}

List *
dbsync_held_group(DbsyncWork *work, DbsyncTable *table)
{
	MemoryContext old = MemoryContextSwitchTo(work->batch_context);
	List	   *group = list_make1(table);
	ListCell   *lc;

	if (table->ties.checked)
		foreach(lc, work->subscription->tables)
		{
			if (lfirst(lc) != table && is_beside(table, lfirst(lc)))
				group = lappend(group, lfirst(lc));
		}
	MemoryContextSwitchTo(old);
	return group;
}
