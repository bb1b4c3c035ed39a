/*-------------------------------------------------------------------------
 *
 * extension/log/header.c
 *	  Transaction headers: one row per transaction that captured anything.
 *
 * Written inside COMMIT, in anybody's session, so it goes straight to heap and
 * index: no rights are asked for, and a transaction that was made read only
 * meanwhile may still close what it captured.
 *
 * The closing LSN is the insert position of the WAL.  Whoever saw this
 * transaction's work, or waited for it, reads a later one, since our commit
 * record comes between.  A sequence would do as well, were it not for the
 * user's lastval().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "extension/catalog.h"
#include "extension/log/header.h"
#include "extension/log/packed.h"
#include "extension/settings.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* numbers per part before its ranges, a byte each at least; see 10_config.sql */
#define PART_FIXED		10

/* added to the number of ranges where numbers of turns, or of keys, follow them: nobody else pays a byte */
#define HAS_TURNS		16
#define HAS_KEYS		32

StaticAssertDecl(DBSYNC_MAX_RANGES < HAS_TURNS, "the number of ranges has room for a flag");

/* the header segment that this backend believes to be the active one */
static uint64 known_generation = 0;
static Oid	known_segment = InvalidOid;

/* The active header segment, as far as this backend has heard. */
static Oid
active_segment(void)
{
	uint64		generation = dbsync_catalog_generation();

	if (known_generation != generation)
	{
		int			id;

		dbsync_catalog_active_segment(0, &id, &known_segment, NULL);
		known_generation = generation;
	}
	return known_segment;
}

void
dbsync_header_lock(void)
{
	Oid			locked = InvalidOid;
	Oid			active;

	/* as with segments: look again after the lock */
	while ((active = active_segment()) != locked)
	{
		LockRelationOid(active, RowExclusiveLock);
		locked = active;
	}
}

/*
 * The segment locked at the last capture, though another may have become active
 * since: to wait for a lock here, nothing would limit.  The exception is a lock
 * that was lost with a savepoint.
 */
static Relation
open_segment(void)
{
	Relation	rel = NULL;

	if (OidIsValid(known_segment))
		rel = RelationIdGetRelation(known_segment);
	if (rel != NULL && CheckRelationLockedByMe(rel, RowExclusiveLock, true))
		return rel;
	if (rel != NULL)
		RelationClose(rel);
	dbsync_header_lock();
	return table_open(known_segment, NoLock);
}

/* A fresh bytea with room for so many bytes. */
static bytea *
make_bytes(Size size)
{
	bytea	   *bytes = palloc(VARHDRSZ + size);

	SET_VARSIZE(bytes, VARHDRSZ + size);
	return bytes;
}

static Datum
form_parts(const DbsyncHeader *header)
{
	Size		room = header->nparts * (PART_FIXED + 2 * DBSYNC_MAX_RANGES + 2) * DBSYNC_NUMBER_MAX;
	bytea	   *bytes = make_bytes(room);
	char	   *at = VARDATA(bytes);

	for (int i = 0; i < header->nparts; i++)
	{
		const DbsyncPart *part = &header->parts[i];

		at = dbsync_number_put(at, part->captured_id);
		at = dbsync_number_put(at, part->segment_id);
		at = dbsync_number_put(at, part->inserts);
		at = dbsync_number_put(at, part->updates);
		at = dbsync_number_put(at, part->deletes);
		at = dbsync_number_put(at, part->truncates);
		at = dbsync_number_put(at, part->resolved);
		at = dbsync_number_put(at, part->statements);
		at = dbsync_number_put(at, part->marked);
		at = dbsync_number_put(at, part->ranges.n + (part->turns > 0 ? HAS_TURNS : 0) +
							   (part->keys > 0 ? HAS_KEYS : 0));
		for (int r = 0; r < part->ranges.n; r++)
		{
			at = dbsync_number_put(at, part->ranges.first[r]);
			at = dbsync_number_put(at, part->ranges.last[r]);
		}
		if (part->turns > 0)
			at = dbsync_number_put(at, part->turns);
		if (part->keys > 0)
			at = dbsync_number_put(at, part->keys);
	}
	SET_VARSIZE(bytes, at - (char *) bytes);
	return PointerGetDatum(bytes);
}

static Datum
form_carried(const DbsyncPacked *carried)
{
	Size		size = carried->end - carried->at;
	bytea	   *bytes = make_bytes(size);

	memcpy(VARDATA(bytes), carried->at, size);
	return PointerGetDatum(bytes);
}

static void
set_text(Datum *values, bool *nulls, int attno, const char *text)
{
	nulls[attno - 1] = (text == NULL || text[0] == '\0');
	if (!nulls[attno - 1])
		values[attno - 1] = CStringGetTextDatum(text);
}

static HeapTuple
form_tuple(TupleDesc desc, const DbsyncHeader *header)
{
	Datum		values[DBSYNC_HEADER_NATTS];
	bool		nulls[DBSYNC_HEADER_NATTS] = {false};

	values[DBSYNC_HEADER_XID - 1] =
		FullTransactionIdGetDatum(FullTransactionIdFromU64(header->xid));
	values[DBSYNC_HEADER_CLOSING - 1] = LSNGetDatum(header->closing);
	values[DBSYNC_HEADER_TIME - 1] = TimestampTzGetDatum(header->time);
	values[DBSYNC_HEADER_SERVER_START - 1] = TimestampTzGetDatum(header->server_start);
	set_text(values, nulls, DBSYNC_HEADER_ROUTE, header->route);
	values[DBSYNC_HEADER_ROLE - 1] = ObjectIdGetDatum(GetUserId());
	set_text(values, nulls, DBSYNC_HEADER_APPLICATION, application_name);
	set_text(values, nulls, DBSYNC_HEADER_TAG, dbsync_tag);
	values[DBSYNC_HEADER_ROWS - 1] = Int64GetDatum(header->rows);
	values[DBSYNC_HEADER_BYTES - 1] = Int64GetDatum(header->bytes);
	values[DBSYNC_HEADER_PARTS - 1] = form_parts(header);
	nulls[DBSYNC_HEADER_CARRIED - 1] = (header->carried.at == header->carried.end);
	if (!nulls[DBSYNC_HEADER_CARRIED - 1])
		values[DBSYNC_HEADER_CARRIED - 1] = form_carried(&header->carried);
	return heap_form_tuple(desc, values, nulls);
}

/* What the server wants to know of the index; kept, as every commit asks. */
static IndexInfo *
index_info(Relation index)
{
	static Oid	known = InvalidOid;
	static IndexInfo *info = NULL;

	if (known != RelationGetRelid(index))
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		known = InvalidOid;
		if (info != NULL)
			pfree(info);
		info = NULL;
		info = BuildIndexInfo(index);
		known = RelationGetRelid(index);
		MemoryContextSwitchTo(old);
	}
	return info;
}

/*
 * A header segment has an index on the xid, or two while one is built in the place of
 * the other.  The lock on the segment is enough: whoever makes or drops an index waits
 * for those who have it.
 */
static void
insert_into_indexes(Relation rel, HeapTuple tuple, const DbsyncHeader *header)
{
	List	   *indexes = RelationGetIndexList(rel);
	Datum		value = FullTransactionIdGetDatum(FullTransactionIdFromU64(header->xid));
	bool		isnull = false;
	ListCell   *lc;

	if (indexes == NIL)
		elog(ERROR, "header segment \"%s\" has lost its index",
			 RelationGetRelationName(rel));
	foreach(lc, indexes)
	{
		Relation	index = RelationIdGetRelation(lfirst_oid(lc));

		if (index == NULL)
			continue;			/* dropped just now; another is there */
		if (index->rd_index->indisready)
			index_insert(index, &value, &isnull, &tuple->t_self, rel,
						 UNIQUE_CHECK_NO, false, index_info(index));
		RelationClose(index);
	}
	list_free(indexes);
}

void
dbsync_header_write(DbsyncHeader *header)
{
	Relation	rel;
	HeapTuple	tuple;

	rel = open_segment();
	header->time = GetCurrentTimestamp();
	header->server_start = PgStartTime;
	header->route = dbsync_origin;
	header->closing = GetXLogInsertRecPtr();
	tuple = form_tuple(RelationGetDescr(rel), header);
	heap_insert(rel, tuple, GetCurrentCommandId(true), 0, NULL);
	insert_into_indexes(rel, tuple, header);
	heap_freetuple(tuple);
	table_close(rel, NoLock);
}

/* How many rows or statements: nobody sees so many that a cut's sums overflow. */
static int64
decode_count(DbsyncPacked *packed)
{
	return dbsync_packed_number_upto(packed, UINT64CONST(1) << 44);
}

/* A number that is there where the flag says so, and not 0 then. */
static int64
decode_flagged(DbsyncPacked *packed, bool flag)
{
	int64		n = flag ? decode_count(packed) : 0;

	if (flag && n == 0)
		dbsync_packed_corrupted(packed);
	return n;
}

static void
decode_part(DbsyncPacked *packed, DbsyncPart *part)
{
	int			n;

	part->captured_id = dbsync_packed_number_upto(packed, PG_INT32_MAX);
	part->segment_id = dbsync_packed_number_upto(packed, PG_INT32_MAX);
	part->inserts = decode_count(packed);
	part->updates = decode_count(packed);
	part->deletes = decode_count(packed);
	part->truncates = decode_count(packed);
	part->resolved = decode_count(packed);
	part->statements = decode_count(packed);
	part->marked = decode_count(packed);
	n = dbsync_packed_number_upto(packed, HAS_KEYS + HAS_TURNS + DBSYNC_MAX_RANGES);
	part->ranges.n = n % HAS_TURNS;
	if (part->ranges.n > DBSYNC_MAX_RANGES)
		dbsync_packed_corrupted(packed);
	for (int r = 0; r < part->ranges.n; r++)
	{
		part->ranges.first[r] = dbsync_packed_number_upto(packed, MaxBlockNumber);
		part->ranges.last[r] = dbsync_packed_number_upto(packed, MaxBlockNumber);
		if (part->ranges.first[r] > part->ranges.last[r])
			dbsync_packed_corrupted(packed);
	}
	part->turns = decode_flagged(packed, (n & HAS_TURNS) != 0);
	part->keys = decode_flagged(packed, (n & HAS_KEYS) != 0);
	if (part->keys > part->marked)
		dbsync_packed_corrupted(packed);
}

static void
decode_parts(DbsyncPacked packed, DbsyncHeader *header)
{
	header->nparts = 0;
	header->parts = palloc(sizeof(DbsyncPart) * ((packed.end - packed.at) / PART_FIXED + 1));
	while (packed.at < packed.end)
		decode_part(&packed, &header->parts[header->nparts++]);
}

/* Rows are read when the page that their header is on has been let go of. */
static void
decode_carried(DbsyncPacked packed, DbsyncHeader *header)
{
	Size		size = packed.end - packed.at;

	header->carried = packed;
	header->carried.at = memcpy(palloc(size), packed.at, size);
	header->carried.end = header->carried.at + size;
}

void
dbsync_header_decode(HeapTuple tuple, TupleDesc desc, DbsyncHeader *header)
{
	Datum		values[DBSYNC_HEADER_NATTS];
	bool		nulls[DBSYNC_HEADER_NATTS];

	if (desc->natts != DBSYNC_HEADER_NATTS)
		elog(ERROR, "header segment has %d columns instead of %d",
			 desc->natts, DBSYNC_HEADER_NATTS);
	heap_deform_tuple(tuple, desc, values, nulls);
	memset(header, 0, sizeof(*header));
	header->xid = U64FromFullTransactionId(DatumGetFullTransactionId(values[DBSYNC_HEADER_XID - 1]));
	header->closing = DatumGetLSN(values[DBSYNC_HEADER_CLOSING - 1]);
	header->time = DatumGetTimestampTz(values[DBSYNC_HEADER_TIME - 1]);
	header->server_start = DatumGetTimestampTz(values[DBSYNC_HEADER_SERVER_START - 1]);
	if (!nulls[DBSYNC_HEADER_ROUTE - 1])
		header->route = TextDatumGetCString(values[DBSYNC_HEADER_ROUTE - 1]);
	header->rows = DatumGetInt64(values[DBSYNC_HEADER_ROWS - 1]);
	header->bytes = DatumGetInt64(values[DBSYNC_HEADER_BYTES - 1]);
	decode_parts(dbsync_packed_open(values[DBSYNC_HEADER_PARTS - 1], header->xid), header);
	if (!nulls[DBSYNC_HEADER_CARRIED - 1])
		decode_carried(dbsync_packed_open(values[DBSYNC_HEADER_CARRIED - 1], header->xid), header);
}
