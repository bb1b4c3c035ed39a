/*-------------------------------------------------------------------------
 *
 * extension/catalog.c
 *	  Reading dbsync's own tables from C, without SPI.
 *
 * The tables are read the way the server reads its catalogs: with a snapshot
 * taken at this moment, whatever the isolation level of the transaction, and
 * without asking whether the user may.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "extension/catalog.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* column numbers of 10_config.sql, 52_sequences.sql and 56_rules.sql */
#define CAPTURED_ID				1
#define CAPTURED_RELID			2
#define CAPTURED_KEY_INDEX		3
#define CAPTURED_STATE			4
#define CAPTURED_KEY_COLUMNS	9
#define CAPTURED_NAMED_KEY		13
#define CAPTURED_CAPTURE		16

#define PARTITION_RELID			1
#define PARTITION_BOUND			3

#define RULE_SCHEMA_OID			3

#define SEGMENT_ID				1
#define SEGMENT_CAPTURED_ID		2
#define SEGMENT_RELID			3
#define SEGMENT_ACTIVE			4
#define SEGMENT_SHAPE_ID		6

#define SEQUENCE_RELID			2

#define SHAPE_ID				1
#define SHAPE_CAPTURED			3

Oid
dbsync_catalog_schema(void)
{
	return get_namespace_oid("dbsync", true);
}

Oid
dbsync_catalog_internal_schema(void)
{
	return get_namespace_oid("dbsync_internal", true);
}

Oid
dbsync_catalog_function(const char *name, oidvector *types)
{
	/* not by the parser, which would ask whether the user may look into the schema */
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name), PointerGetDatum(types),
						   ObjectIdGetDatum(dbsync_catalog_internal_schema()));
}

Oid
dbsync_catalog_find_relation(const char *name)
{
	Oid			schema = dbsync_catalog_schema();
	Oid			relid = InvalidOid;

	if (OidIsValid(schema))
		relid = get_relname_relid(name, schema);
	if (OidIsValid(relid))
		return relid;
	schema = dbsync_catalog_internal_schema();
	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

Oid
dbsync_catalog_relation(const char *name)
{
	Oid			relid = dbsync_catalog_find_relation(name);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s\" of extension \"dbsync\" does not exist", name),
				 errhint("Create the extension again, or take its triggers off the table.")));
	return relid;
}

Datum
dbsync_catalog_required(HeapTuple tuple, int attno, Relation rel)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attno, RelationGetDescr(rel), &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in column %d of \"%s\"",
			 attno, RelationGetRelationName(rel));
	return value;
}

static void
read_key_columns(DbsyncCaptured *captured, HeapTuple tuple, Relation rel)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, CAPTURED_KEY_COLUMNS, RelationGetDescr(rel), &isnull);
	const int2vector *columns;

	captured->nkeys = 0;
	if (isnull)
		return;
	columns = (const int2vector *) PG_DETOAST_DATUM(value);
	if (columns->dim1 > INDEX_MAX_KEYS)
		elog(ERROR, "unexpected number of key columns in \"%s\"", RelationGetRelationName(rel));
	captured->nkeys = columns->dim1;
	memcpy(captured->keys, columns->values, captured->nkeys * sizeof(AttrNumber));
}

static DbsyncCaptureState
state_from_text(const char *state)
{
	if (strcmp(state, "active") == 0)
		return DBSYNC_CAPTURE_ACTIVE;
	if (strcmp(state, "installing") == 0)
		return DBSYNC_CAPTURE_INSTALLING;
	if (strcmp(state, "suspended") == 0)
		return DBSYNC_CAPTURE_SUSPENDED;
	/* nobody writes to what was dropped */
	if (strcmp(state, "removing") == 0 || strcmp(state, "dropped") == 0)
		return DBSYNC_CAPTURE_REMOVING;
	elog(ERROR, "unknown state of a captured table: %s", state);
}

static DbsyncCapturedBy
by_from_text(const char *capture)
{
	if (strcmp(capture, "trigger") == 0)
		return DBSYNC_BY_TRIGGERS;
	if (strcmp(capture, "keys") == 0)
		return DBSYNC_BY_KEYS;
	if (strcmp(capture, "none") == 0)
		return DBSYNC_BY_NOBODY;
	if (strcmp(capture, "shadow") == 0)
		return DBSYNC_BY_SHADOW;
	if (strcmp(capture, "wal") == 0)
		return DBSYNC_BY_WAL;
	return strcmp(capture, "api") == 0 ? DBSYNC_BY_API : DBSYNC_BY_OTHERS;
}

/* a scan of one of our tables for one value of a column, by the index of that name, if it is there */
typedef struct DbsyncScan
{
	Relation	rel;
	SysScanDesc scan;
	ScanKeyData key;
} DbsyncScan;

static void
begin_scan(DbsyncScan *scan, const char *table, const char *index_name, AttrNumber column,
		   RegProcedure equal, Datum value)
{
	Oid			index = index_name != NULL ? dbsync_catalog_find_relation(index_name) : InvalidOid;

	scan->rel = table_open(dbsync_catalog_relation(table), AccessShareLock);
	ScanKeyInit(&scan->key, column, BTEqualStrategyNumber, equal, value);
	scan->scan = systable_beginscan(scan->rel, index, OidIsValid(index), NULL, 1, &scan->key);
}

static HeapTuple
next_of_scan(DbsyncScan *scan)
{
	return systable_getnext(scan->scan);
}

static void
end_scan(DbsyncScan *scan)
{
	systable_endscan(scan->scan);
	table_close(scan->rel, AccessShareLock);
}

bool
dbsync_catalog_captured(Oid relid, DbsyncCaptured *captured)
{
	DbsyncScan	scan;
	HeapTuple	tuple;

	begin_scan(&scan, "captured_table", "captured_table_relid_key", CAPTURED_RELID, F_OIDEQ,
			   ObjectIdGetDatum(relid));
	tuple = next_of_scan(&scan);
	if (HeapTupleIsValid(tuple))
	{
		Relation	rel = scan.rel;
		char	   *state = TextDatumGetCString(dbsync_catalog_required(tuple, CAPTURED_STATE, rel));
		char	   *capture = TextDatumGetCString(dbsync_catalog_required(tuple, CAPTURED_CAPTURE, rel));

		captured->id = DatumGetInt32(dbsync_catalog_required(tuple, CAPTURED_ID, rel));
		captured->relid = relid;
		captured->key_index = DatumGetObjectId(dbsync_catalog_required(tuple, CAPTURED_KEY_INDEX, rel));
		captured->state = state_from_text(state);
		pfree(state);
		captured->by = by_from_text(capture);
		pfree(capture);
		read_key_columns(captured, tuple, rel);
		captured->named_key = !heap_attisnull(tuple, CAPTURED_NAMED_KEY, RelationGetDescr(rel));
	}
	end_scan(&scan);
	return HeapTupleIsValid(tuple);
}

void
dbsync_catalog_active_segment(int captured_id, int *segment_id, Oid *segment_relid,
							  int *shape_id)
{
	DbsyncScan	scan;
	HeapTuple	tuple;
	bool		found = false;

	begin_scan(&scan, "segment", "segment_active", SEGMENT_CAPTURED_ID, F_INT4EQ,
			   Int32GetDatum(captured_id));
	while (!found && HeapTupleIsValid(tuple = next_of_scan(&scan)))
	{
		Relation	rel = scan.rel;

		/* the index holds active segments only, a sequential scan all of them */
		if (!DatumGetBool(dbsync_catalog_required(tuple, SEGMENT_ACTIVE, rel)))
			continue;
		*segment_id = DatumGetInt32(dbsync_catalog_required(tuple, SEGMENT_ID, rel));
		*segment_relid = DatumGetObjectId(dbsync_catalog_required(tuple, SEGMENT_RELID, rel));
		if (shape_id != NULL)
			*shape_id = DatumGetInt32(dbsync_catalog_required(tuple, SEGMENT_SHAPE_ID, rel));
		found = true;
	}
	end_scan(&scan);

	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("captured table %d of dbsync has no active segment", captured_id),
				 errhint("Use dbsync.suspend_table() to go on without capturing the table.")));
}

bool
dbsync_catalog_shape_is_of(int shape_id, const AttrNumber *columns, int ncolumns)
{
	DbsyncScan	scan;
	bool		same = false;
	HeapTuple	tuple;

	begin_scan(&scan, "shape", "shape_pkey", SHAPE_ID, F_INT4EQ, Int32GetDatum(shape_id));
	tuple = next_of_scan(&scan);
	if (HeapTupleIsValid(tuple))
	{
		const int2vector *captured =
			(const int2vector *) PG_DETOAST_DATUM(dbsync_catalog_required(tuple, SHAPE_CAPTURED, scan.rel));

		same = captured->dim1 == ncolumns &&
			memcmp(captured->values, columns, ncolumns * sizeof(AttrNumber)) == 0;
	}
	end_scan(&scan);
	return same;
}

bool
dbsync_catalog_segment_id(Oid relid, int *segment_id)
{
	DbsyncScan	scan;
	HeapTuple	tuple;

	begin_scan(&scan, "segment", NULL, SEGMENT_RELID, F_OIDEQ, ObjectIdGetDatum(relid));
	tuple = next_of_scan(&scan);
	if (HeapTupleIsValid(tuple))
		*segment_id = DatumGetInt32(dbsync_catalog_required(tuple, SEGMENT_ID, scan.rel));
	end_scan(&scan);
	return HeapTupleIsValid(tuple);
}

/* Has one of our tables a row with this oid in a column?  By the index of that name. */
static bool
has_oid(const char *table, const char *index_name, AttrNumber column, Oid value)
{
	DbsyncScan	scan;
	bool		found;

	begin_scan(&scan, table, index_name, column, F_OIDEQ, ObjectIdGetDatum(value));
	found = HeapTupleIsValid(next_of_scan(&scan));
	end_scan(&scan);
	return found;
}

char *
dbsync_catalog_bound(Oid relid)
{
	DbsyncScan	scan;
	HeapTuple	tuple;
	char	   *bound = NULL;

	begin_scan(&scan, "partition", "partition_pkey", PARTITION_RELID, F_OIDEQ, ObjectIdGetDatum(relid));
	tuple = next_of_scan(&scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, PARTITION_BOUND, RelationGetDescr(scan.rel), &isnull);

		if (!isnull)
			bound = TextDatumGetCString(value);
	}
	end_scan(&scan);
	return bound;
}

bool
dbsync_catalog_has_table(Oid relid)
{
	return has_oid("captured_table", "captured_table_relid_key", CAPTURED_RELID, relid) ||
		has_oid("segment", "segment_relid_key", SEGMENT_RELID, relid) ||
		has_oid("partition", "partition_pkey", PARTITION_RELID, relid);
}

/*
 * Has one of our tables a row that a partial index leads to, and whose oid in a column is this one, or 0?
 * Column 0: any row.  In doubt: yes.
 */
static bool
leads_to(const char *table, const char *index_name, AttrNumber column, Oid value)
{
	Oid			index = dbsync_catalog_find_relation(index_name);
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	if (!OidIsValid(index))
		return true;
	rel = table_open(dbsync_catalog_relation(table), AccessShareLock);
	scan = systable_beginscan(rel, index, true, NULL, 0, NULL);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull = false;
		Oid			oid = InvalidOid;

		if (column != InvalidAttrNumber)
			oid = DatumGetObjectId(heap_getattr(tuple, column, RelationGetDescr(rel), &isnull));
		found = !isnull && (!OidIsValid(oid) || oid == value);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

bool
dbsync_catalog_has_by_row(void)
{
	return leads_to("captured_table", "captured_table_by_row", InvalidAttrNumber, InvalidOid);
}

bool
dbsync_catalog_has_rule(Oid schema)
{
	return leads_to("subscription_rule", "subscription_rule_schema",
					OidIsValid(schema) ? RULE_SCHEMA_OID : InvalidAttrNumber, schema);
}

bool
dbsync_catalog_has_key(Oid index)
{
	return has_oid("captured_table", "captured_table_key", CAPTURED_KEY_INDEX, index);
}

bool
dbsync_catalog_has_sequence(Oid relid)
{
	return has_oid("subscription_sequence", "subscription_sequence_sequence", SEQUENCE_RELID, relid);
}
