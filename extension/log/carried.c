/*-------------------------------------------------------------------------
 *
 * extension/log/carried.c
 *	  Rows of small transactions, carried by the header.
 *
 * A short transaction would write a row into the segment of each table that it
 * touches, each with a page, a WAL record and a lock of its own; that was most of
 * what capture cost it.  So its rows wait in memory until its header is written, and
 * go with it.  What does not fit goes to the segments as ever: rows are numbered, so
 * it does not matter where they are.
 *
 * A carried row is what would lie in the segment, packed:
 *
 *	segment's id, operation, number, attributes * 4 + flags, null bitmap if any,
 *	size of the data, data behind our own columns
 *
 * The segment itself is not written, so it is not locked: whoever empties it does no
 * harm, and it is not made anew while we have the lock on its table.
 *
 * A row that is too wide for a page once our columns are added to it goes along in any
 * case; such rows nearly fill a page with values too short to be stored out of line.
 *
 * Rolling back to a savepoint cuts off what was put since.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "extension/log/carried.h"
#include "extension/catalog.h"
#include "extension/log/header.h"
#include "worker/source/members.h"
#include "extension/settings.h"
#include "extension/capture/transaction.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#define HAS_NULLS		1
#define HAS_VARLENA		2

/* rows of the current transaction, dbsync_transaction.carried.used bytes of them */
static char *rows = NULL;
static Size room = 0;

void
dbsync_carried_init(void)
{
	rows = MemoryContextAlloc(TopMemoryContext, DBSYNC_CARRIED_MAX);
	room = DBSYNC_CARRIED_MAX;
}

void
dbsync_carried_begin(void)
{
	dbsync_transaction.carried.level = 1;
	dbsync_transaction.carried.used = 0;
	if (room > DBSYNC_CARRIED_MAX)
	{
		rows = repalloc(rows, DBSYNC_CARRIED_MAX);
		room = DBSYNC_CARRIED_MAX;
	}
}

/* The most that a row takes, packed. */
static Size
packed_size(HeapTuple tuple)
{
	int			nulls = HeapTupleHasNulls(tuple) ? BITMAPLEN(HeapTupleHeaderGetNatts(tuple->t_data)) : 0;

	return tuple->t_len - tuple->t_data->t_hoff - sizeof(DbsyncOurs) + nulls + 1 + 4 * DBSYNC_NUMBER_MAX;
}

static void
put(int segment_id, HeapTuple tuple)
{
	DbsyncCarried *carried = &dbsync_transaction.carried;
	HeapTupleHeader header = tuple->t_data;
	const DbsyncOurs *ours = (DbsyncOurs *) ((char *) header + header->t_hoff);
	Size		size = tuple->t_len - header->t_hoff - sizeof(DbsyncOurs);
	int			natts = HeapTupleHeaderGetNatts(header);
	int			nulls = HeapTupleHasNulls(tuple) ? BITMAPLEN(natts) : 0;
	char	   *at;

	dbsync_transaction_save(carried);
	at = dbsync_number_put(rows + carried->used, segment_id);
	*at++ = ours->op;
	at = dbsync_number_put(at, ours->no);
	at = dbsync_number_put(at, (uint64) natts << 2 |
						   (nulls > 0 ? HAS_NULLS : 0) |
						   (HeapTupleHasVarWidth(tuple) ? HAS_VARLENA : 0));
	memcpy(at, header->t_bits, nulls);
	at = dbsync_number_put(at + nulls, size);
	memcpy(at, ours + 1, size);
	carried->used = at + size - rows;
}

bool
dbsync_carried_put(int segment_id, HeapTuple tuple)
{
	if (HeapTupleHasExternal(tuple) ||
		dbsync_transaction.carried.used + packed_size(tuple) > dbsync_carry_bytes)
		return false;
	put(segment_id, tuple);
	return true;
}

void
dbsync_carried_put_wide(int segment_id, HeapTuple tuple, const char *table)
{
	Size		wanted = dbsync_transaction.carried.used + packed_size(tuple);

	if (wanted > DBSYNC_CARRIED_WIDE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows of table \"%s\" are too wide to be captured", table),
				 errdetail("dbsync adds up to 32 bytes to a row. Rows that then do not fit on a page are kept with the transaction, of which it may have %d MB.",
						   DBSYNC_CARRIED_WIDE_MAX / (1024 * 1024)),
				 errhint("Write fewer rows in a transaction, or use dbsync.suspend_table() to go on without capturing the table.")));
	if (wanted > room)
	{
		Size		larger = Min(Max(wanted, 2 * room), DBSYNC_CARRIED_WIDE_MAX);

		rows = repalloc(rows, larger);
		room = larger;
	}
	put(segment_id, tuple);
}

bool
dbsync_carried_has_room(void)
{
	Size		used = dbsync_transaction.begun ? dbsync_transaction.carried.used : 0;

	/* a row that is shorter is rare */
	return used + sizeof(DbsyncOurs) < dbsync_carry_bytes;
}

DbsyncPacked
dbsync_carried_read(void)
{
	DbsyncPacked packed;

	packed.at = rows;
	packed.end = rows + dbsync_transaction.carried.used;
	packed.xid = U64FromFullTransactionId(GetTopFullTransactionId());
	return packed;
}

bool
dbsync_carried_next(DbsyncPacked *packed, DbsyncCarriedRow *row)
{
	uint64		shape;

	if (packed->at >= packed->end)
		return false;
	row->xid = packed->xid;
	row->segment_id = dbsync_packed_number_upto(packed, PG_INT32_MAX);
	row->op = *dbsync_packed_bytes(packed, 1);
	row->no = dbsync_packed_number_upto(packed, DBSYNC_MEMBERS_MAX_NO);
	shape = dbsync_packed_number_upto(packed, MaxTupleAttributeNumber << 2 | HAS_NULLS | HAS_VARLENA);
	row->natts = shape >> 2;
	if (row->natts < DBSYNC_SEGMENT_FIRST_COLUMN - 1)
		dbsync_packed_corrupted(packed);
	row->varlena = (shape & HAS_VARLENA) != 0;
	row->nulls = (shape & HAS_NULLS) ? dbsync_packed_bytes(packed, BITMAPLEN(row->natts)) : NULL;
	row->size = dbsync_packed_number(packed);
	row->data = dbsync_packed_bytes(packed, row->size);
	return true;
}

HeapTuple
dbsync_carried_tuple(const DbsyncCarriedRow *row)
{
	int			nulls = row->nulls ? BITMAPLEN(row->natts) : 0;
	int			head = MAXALIGN(SizeofHeapTupleHeader + nulls);
	Size		size = head + sizeof(DbsyncOurs) + row->size;
	HeapTuple	tuple = palloc0(HEAPTUPLESIZE + size);
	HeapTupleHeader header = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	DbsyncOurs *ours = (DbsyncOurs *) ((char *) header + head);

	tuple->t_len = size;
	tuple->t_data = header;
	ItemPointerSetInvalid(&tuple->t_self);
	header->t_hoff = head;
	HeapTupleHeaderSetNatts(header, row->natts);
	header->t_infomask = (nulls > 0 ? HEAP_HASNULL : 0) | (row->varlena ? HEAP_HASVARWIDTH : 0);
	if (nulls > 0)
		memcpy(header->t_bits, row->nulls, nulls);
	ours->op = row->op;
	ours->xid = row->xid;
	ours->no = row->no;
	memcpy(ours + 1, row->data, row->size);
	return tuple;
}

/* The rows of one segment that a header segment's headers carry. */
static void
show_headers(Oid header_segment, int segment_id, ReturnSetInfo *result)
{
	Relation	rel = table_open(header_segment, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync header",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, NULL);
		DbsyncHeader header;
		DbsyncCarriedRow row;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		dbsync_header_decode(tuple, RelationGetDescr(rel), &header);
		while (dbsync_carried_next(&header.carried, &row))
		{
			if (row.segment_id == segment_id)
				tuplestore_puttuple(result->setResult, dbsync_carried_tuple(&row));
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

PG_FUNCTION_INFO_V1(dbsync_carried);

/*
 * carried(NULL::dbsync_internal.segment_n): for people.  Nobody looks at what may
 * be a great many headers but who asks.
 */
Datum
dbsync_carried(PG_FUNCTION_ARGS)
{
	Oid			segment = typeidTypeRelid(get_fn_expr_argtype(fcinfo->flinfo, 0));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			segment_id;
	ListCell   *lc;

	/* rows of another table must not be taken for its */
	if (!OidIsValid(segment) || !dbsync_catalog_segment_id(segment, &segment_id))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("type %s is not that of a segment",
						format_type_be(get_fn_expr_argtype(fcinfo->flinfo, 0)))));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(lc, dbsync_catalog_header_segments(GetActiveSnapshot()))
		show_headers(lfirst_oid(lc), segment_id, result);
	return (Datum) 0;
}
