/*-------------------------------------------------------------------------
 *
 * extension/capture/emptied.c
 *	  TRUNCATE of partitions, and rows that come with a partition.
 *
 * TRUNCATE of a partitioned table fires on it, and then on all that is below it: what was
 * said for the topmost of a command is not said again.  TRUNCATE of a partition is a turn:
 * the target deletes what its bound says.  Where that may mean other rows there, the keys of
 * its rows are captured as deleted, before they go.
 *
 * Rows are read with SnapshotSelf, whatever the transaction's snapshot is: that one may be
 * older than the lock that we have, and miss rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "extension/capture/append.h"
#include "extension/capture/emptied.h"
#include "extension/capture/member.h"
#include "extension/capture/statement.h"
#include "extension/capture/turn.h"
#include "extension/leaves.h"
#include "extension/log/segment.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(dbsync_capture_rows);

/* Capture all rows of a relation that the caller has for himself; returns how many. */
static int64
capture_all(Relation rel, char op)
{
	/* nobody knows how many there are */
	const int64 unknown = 0;
	DbsyncAppend append;
	TableScanDesc scan;
	TupleTableSlot *slot;
	bool		begun = false;
	int64		rows = 0;

	slot = table_slot_create(rel, NULL);
	scan = table_beginscan_strat(rel, SnapshotSelf, 0, NULL, true, false);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!begun && !dbsync_append_begin(&append, rel, unknown))
			break;
		/* their keys may have been captured before in this transaction */
		if (!begun)
			append.active.written->part.statements++;
		begun = true;
		dbsync_append_put(&append, op, slot);
		rows++;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	if (begun)
		dbsync_append_end(&append);
	return rows;
}

/*
 * dbsync_internal.capture_rows(regclass): the rows of a partition that has come, as inserted
 * into the captured table; the caller has locked it, and it has our triggers.
 */
Datum
dbsync_capture_rows(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(0), NoLock);
	int64		rows = capture_all(rel, DBSYNC_OP_INSERT);

	table_close(rel, NoLock);
	PG_RETURN_INT64(rows);
}

int64
dbsync_emptied_recapture(Relation rel)
{
	DbsyncLeaves *leaves = dbsync_leaves_begin(rel, InvalidOid);
	int64		rows = 0;

	for (int i = 0; i < leaves->n; i++)
		rows += capture_all(dbsync_leaves_open(leaves, i)->rel, DBSYNC_OP_INSERT);
	dbsync_leaves_end(leaves);
	return rows;
}

/* Does one that the relation is a partition of say that it is empty, in the same command? */
static bool
goes_with_another(const DbsyncTouched *touched, Oid relid)
{
	ListCell   *lc;

	foreach(lc, touched->truncated)
	{
		Oid			above = lfirst_oid(lc);

		if (above != relid && dbsync_member_is_below(relid, above) &&
			(above == touched->relid || dbsync_member_bound(above) != NULL))
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
		!goes_with_another(touched, entry->relid) && dbsync_member_bound(entry->relid) == NULL)
		dbsync_statement_add_truncated(touched, capture_all(rel, DBSYNC_OP_DELETE));
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
	dbsync_statement_add_truncated(touched, dbsync_emptied_recapture(rel));
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
	bound = dbsync_member_bound(entry->relid);
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
