/*-------------------------------------------------------------------------
 *
 * extension/log/carried.c
 *	  Rows of small transactions, carried by the header.
 *
 * A short transaction would write a row into the segment of each table that it
 * touches, each with a page, a WAL record and a lock of its own; that was most of
 * what capture cost it.  So its rows wait in memory until its header is written, and
 * go with it (dbsync_transaction_carry()).  What does not fit goes to the segments as ever: rows are numbered, so
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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "extension/log/carried.h"
#include "extension/log/segment.h"

#define HAS_NULLS		1
#define HAS_VARLENA		2

Size
dbsync_carried_size(HeapTuple tuple)
{
	int			nulls = HeapTupleHasNulls(tuple) ? BITMAPLEN(HeapTupleHeaderGetNatts(tuple->t_data)) : 0;

	return tuple->t_len - tuple->t_data->t_hoff - sizeof(DbsyncOurs) + nulls + 1 + 4 * DBSYNC_NUMBER_MAX;
}

char *
dbsync_carried_write(char *at, int segment_id, HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;
	const DbsyncOurs *ours = (DbsyncOurs *) ((char *) header + header->t_hoff);
	Size		size = tuple->t_len - header->t_hoff - sizeof(DbsyncOurs);
	int			natts = HeapTupleHeaderGetNatts(header);
	int			nulls = HeapTupleHasNulls(tuple) ? BITMAPLEN(natts) : 0;

	at = dbsync_number_put(at, segment_id);
	*at++ = ours->op;
	at = dbsync_number_put(at, ours->no);
	at = dbsync_number_put(at, (uint64) natts << 2 |
						   (nulls > 0 ? HAS_NULLS : 0) |
						   (HeapTupleHasVarWidth(tuple) ? HAS_VARLENA : 0));
	memcpy(at, header->t_bits, nulls);
	at = dbsync_number_put(at + nulls, size);
	memcpy(at, ours + 1, size);
	return at + size;
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
	row->no = dbsync_packed_number_upto(packed, DBSYNC_NO_MAX);
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
