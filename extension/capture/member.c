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

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "extension/capture/member.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

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

/* How many columns a captured table has ever had. */
static int
count_columns(Oid captured)
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

/* Of the captured table itself: they are what they are there. */
static int
own_columns(TupleDesc desc, AttrNumber *columns, AttrNumber *numbers)
{
	int			n = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0')
		{
			numbers[n] = att->attnum;
			columns[n++] = att->attnum;
		}
	}
	return n;
}

static int
partition_columns(TupleDesc desc, Oid captured, int natts, AttrNumber *columns, AttrNumber *numbers)
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
			columns[n++] = find_column(desc, NameStr(att->attname));
		}
		ReleaseSysCache(tuple);
	}
	return n;
}

int
dbsync_member_columns(TupleDesc desc, Oid relid, Oid captured,
					  AttrNumber **columns, AttrNumber **numbers)
{
	int			natts = relid == captured ? desc->natts : count_columns(captured);

	*columns = palloc((natts + 1) * sizeof(AttrNumber));
	*numbers = palloc((natts + 1) * sizeof(AttrNumber));
	return relid == captured ? own_columns(desc, *columns, *numbers)
		: partition_columns(desc, captured, natts, *columns, *numbers);
}
