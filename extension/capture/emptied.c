/*-------------------------------------------------------------------------
 *
 * extension/capture/emptied.c
 *	  TRUNCATE of partitions.
 *
 * TRUNCATE of a partitioned table fires on it, and then on all that is below it: what was
 * said for the topmost of a command is not said again.  TRUNCATE of a partition is a turn:
 * the target deletes what its bound says.  Where that may mean other rows there, the keys of
 * its rows are captured as deleted, before they go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "extension/capture/emptied.h"
#include "extension/capture/member.h"
#include "extension/capture/rescan.h"
#include "extension/capture/statement.h"
#include "extension/capture/turn.h"
#include "extension/catalog.h"
#include "extension/log/segment.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* Does one that the relation is a partition of say that it is empty, in the same command? */
static bool
goes_with_another(const DbsyncTouched *touched, Oid relid)
{
	ListCell   *lc;

	foreach(lc, touched->truncated)
	{
		Oid			above = lfirst_oid(lc);

		if (above != relid && dbsync_member_is_below(relid, above) &&
			(above == touched->relid || dbsync_catalog_bound(above) != NULL))
			return true;
	}
	return false;
}

void
dbsync_emptied_before(DbsyncEntry *entry, Relation rel)
{
	DbsyncTouched *touched = dbsync_cache_touch(entry);
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	/* the first of a command: what an error has left here is of another */
	if (touched->periods.truncating == 1)
		touched->truncated = NIL;
	touched->truncated = lappend_oid(touched->truncated, RelationGetRelid(rel));
	MemoryContextSwitchTo(old);
	if (entry->captured.relid != entry->relid && rel->rd_rel->relkind == RELKIND_RELATION &&
		!goes_with_another(touched, entry->relid) && dbsync_catalog_bound(entry->relid) == NULL)
		dbsync_statement_add_truncated(touched, dbsync_rescan_capture(rel, DBSYNC_OP_DELETE));
}

/*
 * Triggers of others may have written to it in the middle of the TRUNCATE, before it was empty
 * or after: of rows without a key nobody can look up which.
 */
static void
recapture(DbsyncTouched *touched, Relation rel, const char *bound)
{
	if (dbsync_transaction_rows(touched) == touched->periods.truncate_rows)
		return;
	if (bound == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot truncate partition \"%s\" while a trigger writes to its table",
						RelationGetRelationName(rel)),
				 errdetail("The table has no key, and the target cannot be told what belongs to the partition."),
				 errhint("Use DELETE, or give the table a key.")));
	dbsync_statement_add_truncated(touched, dbsync_rescan_leaves(rel));
}

void
dbsync_emptied_after(DbsyncEntry *entry, Relation rel)
{
	DbsyncTouched *touched = dbsync_cache_touched(entry);
	char	   *bound;

	if (touched == NULL)
		return;
	if (goes_with_another(touched, entry->relid))
	{
		dbsync_statement_leave_truncate(touched);
		return;
	}
	bound = dbsync_catalog_bound(entry->relid);
	if (bound != NULL)
		dbsync_turn_emptied(rel, bound);
	if (entry->shape.nkeys > 0)
		dbsync_statement_close_truncate(touched);
	else
	{
		recapture(touched, rel, bound);
		dbsync_statement_leave_truncate(touched);
	}
}
