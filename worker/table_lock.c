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

#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "utils/lsyscache.h"

#include "extension/leaves.h"
#include "worker/query.h"
#include "worker/table_lock.h"

bool
dbsync_table_lock(DbsyncTable *table)
{
	List	   *leaves;

	table->leaves = NIL;
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

	if (get_rel_relkind(table->relid) != RELKIND_PARTITIONED_TABLE)
		return true;
	SPI_connect();
	n = dbsync_query("SELECT p.relid FROM dbsync.partition p WHERE p.captured_id = $1::pg_catalog.int4 AND p.leaf", 1, &id);
	same = n == list_length(table->leaves);
	for (uint64 row = 0; same && row < n; row++)
		same = list_member_oid(table->leaves, dbsync_query_oid(row, 1));
	SPI_finish();
	return same;
}
