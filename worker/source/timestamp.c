/*-------------------------------------------------------------------------
 *
 * worker/source/timestamp.c
 *	  Reading the rows of a table that were written since a moment, by a column that says so.
 *
 * As for chunks of first copies, table and index are opened by their oids, and no name but the
 * column's comes into it: the index compares.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/owner.h"
#include "worker/source/captured_table.h"
#include "worker/source/timestamp.h"

#include "extension/compat.h"

/* a time zone has one change at most in so many days, or so we say twice */
#define DAYS_OF_ONE_CHANGE	30

typedef struct Scan
{
	DbsyncCapturedTable source;
	AttrNumber	column;
	Oid			type;			/* timestamptz or timestamp */
	int64		from;			/* as the column has it */
	Relation	index;			/* NULL: all of the table is read */
	IndexScanDesc by_index;
	TableScanDesc rows;
	TupleTableSlot *slot;
} Scan;

static void
find_column(Scan *s, const DbsyncTable *table)
{
	Oid			type;

	s->column = get_attnum(table->relid, table->scan->column);
	if (s->column <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table %s has no column \"%s\", by which it is scanned", table->qualified, table->scan->column),
				 errhint("Take it out with dbsync.remove_table(), and add it again with another column.")));
	type = get_atttype(table->relid, s->column);
	s->type = getBaseType(type);
	if (s->type != TIMESTAMPTZOID && !(s->type == TIMESTAMPOID && table->scan->time_zone != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table %s, by which it is scanned, is of another type by now",
						table->scan->column, table->qualified),
				 errhint("Take it out with dbsync.remove_table(), and add it again.")));
}

/* By how much clocks of the zone are ahead of UTC at this moment. */
static int64
ahead_at(TimestampTz moment, pg_tz *zone)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			west;

	if (timestamp2tm(moment, &west, &tm, &fsec, NULL, zone) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return -(int64) west * USECS_PER_SEC;
}

/*
 * What clocks on the wall may have said at or after the moment, at least: they are set back once between it
 * and now, at most, but for long ago.
 */
static Timestamp
local_time(const DbsyncTable *table, TimestampTz moment, TimestampTz now)
{
	pg_tz	   *zone = pg_tzset(table->scan->time_zone);
	int64		ahead;

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" is not known any more", table->scan->time_zone),
				 errdetail("Table %s is scanned by a column whose values are in it.", table->qualified),
				 errhint("Take it out with dbsync.remove_table(), and add it again with another time zone.")));
	ahead = Min(ahead_at(moment, zone), ahead_at(now, zone));
	if (now - moment > DAYS_OF_ONE_CHANGE * USECS_PER_DAY)
		ahead -= USECS_PER_DAY;
	return moment + ahead;
}

/* Can rows be found by it, all of them that the snapshot shows? */
static bool
is_usable(const Scan *s, Relation index)
{
	Form_pg_index form = index->rd_index;

	return index->rd_rel->relam == BTREE_AM_OID && form->indisvalid && form->indkey.values[0] == s->column &&
		heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) &&
		index->rd_opcintype[0] == s->type &&
		index->rd_opfamily[0] == get_opclass_family(GetDefaultOpClass(s->type, BTREE_AM_OID)) &&
		/* HOT chains from before it was made may be broken for who has an old snapshot */
		!(form->indcheckxmin &&
		  !TransactionIdPrecedes(HeapTupleHeaderGetXmin(index->rd_indextuple->t_data), TransactionXmin));
}

static Relation
open_index(const Scan *s)
{
	List	   *indexes = RelationGetIndexList(s->source.rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (is_usable(s, index))
			return index;
		index_close(index, AccessShareLock);
	}
	return NULL;
}

static void
begin_by_index(Scan *s)
{
	ScanKeyData key;
	Oid			operator = get_opfamily_member(s->index->rd_opfamily[0], s->type, s->type, BTGreaterEqualStrategyNumber);

	ScanKeyInit(&key, 1, BTGreaterEqualStrategyNumber, get_opcode(operator), Int64GetDatum(s->from));
	s->by_index = dbsync_index_beginscan_compat(s->source.rel, s->index, GetActiveSnapshot(), NULL, 1, 0);
	index_rescan(s->by_index, &key, 1, NULL, 0);
}

static void
begin(Scan *s, const DbsyncTable *table, TimestampTz from, TimestampTz now)
{
	memset(s, 0, sizeof(Scan));
	dbsync_owner_check();
	dbsync_captured_table_open(&s->source, table, table->shape, true);
	find_column(s, table);
	s->from = from;
	if (s->type == TIMESTAMPOID && !TIMESTAMP_IS_NOBEGIN(from))
		s->from = local_time(table, from, now);
	s->slot = table_slot_create(s->source.rel, NULL);
	s->index = open_index(s);
	if (s->index != NULL)
		begin_by_index(s);
	else
		s->rows = dbsync_table_beginscan_compat(s->source.rel, GetActiveSnapshot(), 0, NULL);
}

/* Without an index each row is looked at.  Null is at no time. */
static bool
is_wanted(const Scan *s)
{
	bool		isnull;
	Datum		value = slot_getattr(s->slot, s->column, &isnull);

	return !isnull && DatumGetInt64(value) >= s->from;
}

static bool
next(Scan *s)
{
	if (s->by_index != NULL)
		return index_getnext_slot(s->by_index, ForwardScanDirection, s->slot);
	while (table_scan_getnextslot(s->rows, ForwardScanDirection, s->slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (is_wanted(s))
			return true;
	}
	return false;
}

static void
end(Scan *s)
{
	if (s->by_index != NULL)
	{
		index_endscan(s->by_index);
		index_close(s->index, NoLock);
	}
	else
		table_endscan(s->rows);
	ExecDropSingleTupleTableSlot(s->slot);
	dbsync_captured_table_close(&s->source);
}

int64
dbsync_timestamp_count(const DbsyncTable *table, TimestampTz from, TimestampTz now, int64 limit)
{
	Scan		s;
	int64		n = 0;

	begin(&s, table, from, now);
	if (s.by_index == NULL)
		n = -1;
	else
		while (n < limit && next(&s))
			n++;
	end(&s);
	return n;
}

void
dbsync_timestamp_read(const DbsyncTable *table, TimestampTz from, TimestampTz now,
					  DbsyncRelayWhat what, DbsyncRelay *relay)
{
	const DbsyncTableShape *shape = table->shape;
	bool		keys = what == DBSYNC_RELAY_KEYS;
	int			n = keys ? shape->nkeys : shape->ncolumns;
	int		   *at = palloc(sizeof(int) * Max(n, 1));
	DestReceiver *receiver = dbsync_relay_receiver(relay);
	Scan		s;

	begin(&s, table, from, now);
	for (int i = 0; i < n; i++)
		at[i] = s.source.entry->shape.columns[keys ? shape->keys[i] : i] - 1;
	dbsync_relay_place(relay, at);
	receiver->rStartup(receiver, CMD_SELECT, RelationGetDescr(s.source.rel));
	while (next(&s))
	{
		if (!receiver->receiveSlot(s.slot, receiver))
			break;
	}
	dbsync_relay_end(relay);
	end(&s);
}
