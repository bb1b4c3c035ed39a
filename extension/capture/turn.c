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

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "extension/capture/active.h"
#include "extension/capture/cache.h"
#include "extension/capture/recheck.h"
#include "extension/capture/transaction.h"
#include "extension/capture/turn.h"
#include "extension/catalog.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/xid8.h"

/* column numbers of 10_config.sql */
#define TURN_CAPTURED_ID	1
#define TURN_XID			2
#define TURN_NO				3
#define TURN_KIND			4
#define TURN_SHAPE_ID		5
#define TURN_MISSING		6
#define TURN_REASON			7
#define TURN_BOUND			8
#define TURN_NATTS			8

PG_FUNCTION_INFO_V1(dbsync_turn);

/*
 * ALTER TABLE does not run while a statement has the table open, but a column can go in the
 * middle of one with its type; and an event trigger may have written to the table after
 * ours has settled what was in doubt.  Rows of one shape would come behind the turn then.
 */
static void
check_at_rest(const DbsyncActive *active, const DbsyncPeriods *periods, bool same_shape)
{
	/* rows that a statement has not begun to write are on the other side of a turn of no shape */
	if ((active->rel->rd_refcnt > 1 && !same_shape) || periods->open > 0 || periods->truncating > 0)
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

static void
prepare(DbsyncActive *active, Relation rel)
{
	if (dbsync_transaction.closed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot alter a captured table this late in a transaction")));
	active->rel = rel;
	if (!dbsync_active_prepare(active))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not captured", RelationGetRelationName(rel))));
}

static int64
count_turn(DbsyncActive *active)
{
	dbsync_transaction_save(active->written);
	active->written->part.turns++;
	return dbsync_transaction.next_no++;
}

/*
 * dbsync_internal.turn(regclass, boolean): the number of a turn of this table, which the caller has
 * locked and whose next segment is the active one already; or, if the second argument says
 * that its shape stays the same, of one that is in the active segment.
 */
Datum
dbsync_turn(PG_FUNCTION_ARGS)
{
	DbsyncActive active = {0};
	int64		no;

	prepare(&active, table_open(PG_GETARG_OID(0), NoLock));
	check_at_rest(&active, &dbsync_cache_touched(active.entry)->periods, PG_GETARG_BOOL(1));
	no = count_turn(&active);
	table_close(active.rel, NoLock);
	PG_RETURN_INT64(no);
}

void
dbsync_turn_emptied(Relation member, const char *bound)
{
	DbsyncActive active = {0};
	Datum		values[TURN_NATTS] = {0};
	bool		nulls[TURN_NATTS] = {false};
	Relation	rel;

	prepare(&active, member);
	values[TURN_CAPTURED_ID - 1] = Int32GetDatum(active.entry->captured.id);
	values[TURN_XID - 1] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[TURN_NO - 1] = Int64GetDatum(count_turn(&active));
	values[TURN_KIND - 1] = CStringGetTextDatum("emptied");
	values[TURN_SHAPE_ID - 1] = Int32GetDatum(active.entry->shape_id);
	values[TURN_MISSING - 1] = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	nulls[TURN_REASON - 1] = true;
	values[TURN_BOUND - 1] = CStringGetTextDatum(bound);
	rel = table_open(dbsync_catalog_relation("turn"), RowExclusiveLock);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, nulls));
	table_close(rel, NoLock);
}
