/*-------------------------------------------------------------------------
 *
 * extension/capture/member.c
 *	  Partitions of captured tables.
 *
 * A partitioned table is captured as one table, whichever of its members a statement names.
 * Statement triggers fire on the relation that is named, and hand on its rows as it has them:
 * so each member has its own triggers and its own entry in the cache, which says where the
 * captured table's columns are in it.
 *
 * Catalogs are read here without locks on what is above the member.  Whoever adds, drops or
 * renames a column there, or moves the member, locks the member, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "extension/capture/member.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* column numbers of 10_config.sql */
#define PARTITION_RELID		1
#define PARTITION_BOUND		3

PG_FUNCTION_INFO_V1(dbsync_member_forget);

/*
 * dbsync_internal.forget_bound(oid): have all sessions work out anew, from their next command
 * on, what the bound of a partition is.  The server does so for a default partition that gets
 * a neighbour, and leaves out what is below it (seen in 15 to 18).
 */
Datum
dbsync_member_forget(PG_FUNCTION_ARGS)
{
	CacheInvalidateRelcacheByRelid(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

bool
dbsync_member_captured(Relation rel, DbsyncCaptured *captured)
{
	Oid			relid = RelationGetRelid(rel);

	if (dbsync_catalog_captured(relid, captured))
		return true;
	while (get_rel_relispartition(relid))
	{
		/* DETACH CONCURRENTLY has not ended before its second transaction */
		relid = get_partition_parent(relid, true);
		if (dbsync_catalog_captured(relid, captured))
			return true;
	}
	return false;
}

bool
dbsync_member_is_below(Oid relid, Oid above)
{
	while (relid != above && get_rel_relispartition(relid))
		relid = get_partition_parent(relid, true);
	return relid == above;
}

int
dbsync_member_natts(Oid captured)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(captured));
	int			natts;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", captured);
	natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	ReleaseSysCache(tuple);
	return natts;
}

static AttrNumber
find_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return att->attnum;
	}
	elog(ERROR, "partition has no column \"%s\"", name);
}

int
dbsync_member_columns(TupleDesc member, Oid captured, int natts,
					  AttrNumber *columns, AttrNumber *numbers)
{
	int			n = 0;

	for (AttrNumber number = 1; number <= natts; number++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(captured), Int16GetDatum(number));
		Form_pg_attribute att;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for attribute %d of relation %u", number, captured);
		att = (Form_pg_attribute) GETSTRUCT(tuple);
		if (!att->attisdropped && att->attgenerated == '\0')
		{
			numbers[n] = number;
			columns[n++] = find_column(member, NameStr(att->attname));
		}
		ReleaseSysCache(tuple);
	}
	return n;
}

char *
dbsync_member_bound(Oid relid)
{
	Relation	rel = table_open(dbsync_catalog_relation("partition"), AccessShareLock);
	Oid			index = get_relname_relid("partition_pkey", dbsync_catalog_schema());
	char	   *bound = NULL;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, PARTITION_RELID, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, index, OidIsValid(index), NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, PARTITION_BOUND, RelationGetDescr(rel), &isnull);

		if (!isnull)
			bound = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return bound;
}
