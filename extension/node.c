/*-------------------------------------------------------------------------
 *
 * extension/node.c
 *	  Which database this is: the one that was set up, or a copy of it, which is dormant.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "extension/catalog.h"
#include "extension/node.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(dbsync_is_adopted);

/* column numbers of 10_config.sql */
#define NODE_SYSTEM_IDENTIFIER	2
#define NODE_DATABASE_OID		3

#define SKIPPED_CAPTURED_ID		1
#define SKIPPED_SINCE			2
#define SKIPPED_NATTS			2

static bool
read_adopted(void)
{
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		adopted = false;

	rel = table_open(dbsync_catalog_relation("node"), AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		uint64		system = DatumGetInt64(dbsync_catalog_required(tuple, NODE_SYSTEM_IDENTIFIER, rel));
		Oid			database = DatumGetObjectId(dbsync_catalog_required(tuple, NODE_DATABASE_OID, rel));

		adopted |= (system == GetSystemIdentifier() && database == MyDatabaseId);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return adopted;
}

bool
dbsync_node_is_adopted(void)
{
	static uint64 asked = 0;
	static bool adopted = false;
	uint64		now = dbsync_catalog_generation();

	if (asked != now)
	{
		adopted = read_adopted();
		asked = now;
	}
	return adopted;
}

/* dbsync_internal.is_adopted(): for SQL. */
Datum
dbsync_is_adopted(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dbsync_node_is_adopted());
}

/* Is there a row already, that others can see or that is our own? */
static bool
is_noted(Relation rel, int captured_id)
{
	SysScanDesc scan;
	ScanKeyData key;
	bool		noted;

	ScanKeyInit(&key, SKIPPED_CAPTURED_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(captured_id));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	noted = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	return noted;
}

void
dbsync_node_note_skipped(int captured_id)
{
	Relation	rel;
	Datum		values[SKIPPED_NATTS];
	bool		nulls[SKIPPED_NATTS] = {false};

	rel = table_open(dbsync_catalog_relation("skipped"), RowExclusiveLock);
	if (!is_noted(rel, captured_id))
	{
		HeapTuple	tuple;

		values[SKIPPED_CAPTURED_ID - 1] = Int32GetDatum(captured_id);
		values[SKIPPED_SINCE - 1] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
		tuple = heap_form_tuple(RelationGetDescr(rel), values, nulls);
		CatalogTupleInsert(rel, tuple);
		heap_freetuple(tuple);
	}
	/* adopt() looks here under a lock that waits for us */
	table_close(rel, NoLock);
}
