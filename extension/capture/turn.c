/*-------------------------------------------------------------------------
 *
 * extension/capture/turn.c
 *	  Turns: points among a table's captured rows at which something happens that is no row.
 *
 * A turn is counted like a row: it takes the transaction's next number, and the part of the
 * header that stands for the active segment counts it.  So it has its place in closing order
 * and within its transaction, whether rows come behind it or not, and savepoints take it
 * back.  What happens there is in dbsync.turn, under that number.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "extension/capture/active.h"
#include "extension/capture/cache.h"
#include "extension/capture/recheck.h"
#include "extension/capture/transaction.h"
#include "fmgr.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(dbsync_turn);

/*
 * ALTER TABLE does not run while a statement has the table open, but a column can go in the
 * middle of one with its type; and an event trigger may have written to the table after
 * ours has settled what was in doubt.  Rows of one shape would come behind the turn then.
 */
static void
check_at_rest(const DbsyncActive *active, const DbsyncPeriods *periods)
{
	if (active->rel->rd_refcnt > 1 || periods->open > 0 || periods->truncating > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot change captured table \"%s\" because it is being used by active queries in this session",
						RelationGetRelationName(active->rel))));
	if (dbsync_recheck_is_due(periods))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("cannot change captured table \"%s\" in a command in which it was written to",
						RelationGetRelationName(active->rel))));
}

/*
 * dbsync_internal.turn(regclass): the number of a turn of this table, which the caller has
 * locked and whose next segment is the active one already.
 */
Datum
dbsync_turn(PG_FUNCTION_ARGS)
{
	DbsyncActive active = {0};
	int64		no;

	if (dbsync_transaction.closed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot alter a captured table this late in a transaction")));
	active.rel = table_open(PG_GETARG_OID(0), NoLock);
	if (!dbsync_active_prepare(&active))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not captured", RelationGetRelationName(active.rel))));
	check_at_rest(&active, &dbsync_cache_touched(active.entry)->periods);
	dbsync_transaction_save(active.written);
	active.written->part.turns++;
	no = dbsync_transaction.next_no++;
	table_close(active.rel, NoLock);
	PG_RETURN_INT64(no);
}
