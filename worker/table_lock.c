/*-------------------------------------------------------------------------
 *
 * worker/table_lock.c
 *	  Locks on captured tables that are to be read themselves.
 *
 * A snapshot does not know who is a partition: whoever reads a partitioned table with an old
 * one reads the partitions that it has now.  ATTACH goes on beside our lock on the table.  So
 * partitions are locked one by one before S is taken, which keeps them where they are, and
 * those are read that S shows: dbsync.partition has them, row by row, as the commands that
 * brought them committed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_rewrite.h"
#include "executor/spi.h"
#include "rewrite/prs2lock.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "extension/leaves.h"
#include "worker/query.h"
#include "worker/table_lock.h"

/* Relations that a view's query names, as pg_depend has them. */
static List *
find_read(Oid view)
{
	Relation	rel = relation_open(view, NoLock);
	Oid			rule = rel->rd_rules != NULL && rel->rd_rules->numLocks > 0 ? rel->rd_rules->rules[0]->ruleId : InvalidOid;
	Relation	depend;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	List	   *found = NIL;

	relation_close(rel, NoLock);
	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(RewriteRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, 2, keys);
	while ((tuple = systable_getnext(scan)) != NULL)
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		if (form->refclassid == RelationRelationId)
			found = list_append_unique_oid(found, form->refobjid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return found;
}

/* With its partitions and its children by inheritance: a query reads them all. */
static bool
lock_read(Oid relid, List **locked)
{
	ListCell   *lc;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return false;
	*locked = lappend_oid(*locked, relid);
	/* one that was dropped has none */
	if (get_rel_relkind(relid) == '\0')
		return true;
	foreach(lc, find_inheritance_children(relid, NoLock))
	{
		if (!lock_read(lfirst_oid(lc), locked))
			return false;
	}
	return true;
}

/* A view with all that it reads: who runs its query waits for nobody then. */
static bool
lock_view(Oid view, List **locked)
{
	ListCell   *lc;

	if (!ConditionalLockRelationOid(view, AccessShareLock))
		return false;
	*locked = lappend_oid(*locked, view);
	/* one that was dropped is found to be so by who reads it */
	if (get_rel_relkind(view) != RELKIND_VIEW)
		return true;
	foreach(lc, find_read(view))
	{
		Oid			relid = lfirst_oid(lc);

		if (list_member_oid(*locked, relid))
			continue;
		if (get_rel_relkind(relid) == RELKIND_VIEW ? !lock_view(relid, locked) : !lock_read(relid, locked))
			return false;
	}
	return true;
}

bool
dbsync_table_lock(DbsyncTable *table)
{
	List	   *leaves;

	table->leaves = NIL;
	if (table->snapshot != NULL && get_rel_relkind(table->relid) == RELKIND_VIEW)
		return lock_view(table->relid, &table->leaves);
	/* those that are being detached count as they do for a statement */
	if (!dbsync_leaves_find(table->relid, false, true, &leaves))
		return false;
	if (get_rel_relkind(table->relid) == RELKIND_PARTITIONED_TABLE)
		table->leaves = leaves;
	return true;
}

bool
dbsync_table_lock_is_of_now(const DbsyncTable *table)
{
	const char *id = psprintf("%d", table->captured_id);
	bool		same;
	uint64		n;

	/* what is compared on a schedule is seen the next time, if S does not show it */
	if (table->snapshot != NULL || get_rel_relkind(table->relid) != RELKIND_PARTITIONED_TABLE)
		return true;
	SPI_connect();
	n = dbsync_query("SELECT p.relid FROM dbsync.partition p WHERE p.captured_id = $1::pg_catalog.int4 AND p.leaf", 1, &id);
	same = n == list_length(table->leaves);
	for (uint64 row = 0; same && row < n; row++)
		same = list_member_oid(table->leaves, dbsync_query_oid(row, 1));
	SPI_finish();
	return same;
}
