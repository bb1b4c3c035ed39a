/*-------------------------------------------------------------------------
 *
 * extension/ddl/rules.c
 *	  What rules of subscriptions ask of a command that is judged.
 *
 * The server tells of ALTER TABLE ... DETACH PARTITION as of a change of the partitioned table;
 * what has become a table of its own is named in the parse tree alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "extension/ddl/rules.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"

PG_FUNCTION_INFO_V1(dbsync_guard_partition);

Oid			dbsync_judged_partition = InvalidOid;

Oid
dbsync_rules_partition(const Node *command)
{
	ListCell   *lc;

	if (command == NULL || !IsA(command, AlterTableStmt))
		return InvalidOid;
	foreach(lc, ((const AlterTableStmt *) command)->cmds)
	{
		const AlterTableCmd *part = lfirst_node(AlterTableCmd, lc);

		/* no other subcommand stands beside it */
		if (part->subtype == AT_AttachPartition || part->subtype == AT_DetachPartition ||
			part->subtype == AT_DetachPartitionFinalize)
			return RangeVarGetRelid(castNode(PartitionCmd, part->def)->name, NoLock, true);
	}
	return InvalidOid;
}

/* What has the command that is judged attached as a partition, or detached?  For judge_command(). */
Datum
dbsync_guard_partition(PG_FUNCTION_ARGS)
{
	if (!OidIsValid(dbsync_judged_partition))
		PG_RETURN_NULL();
	PG_RETURN_OID(dbsync_judged_partition);
}
