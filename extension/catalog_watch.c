/*-------------------------------------------------------------------------
 *
 * extension/catalog_watch.c
 *	  Hearing of changes of dbsync's configuration.
 *
 * That another session changed the configuration is heard of through relcache
 * invalidations: a statement trigger on each configuration table sends one for
 * an index of it (dbsync_catalog_tell), and the callback below counts them.  The
 * count is read before the tables are, so that a change that comes meanwhile
 * makes what was read stale rather than lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "extension/catalog.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"

/* column numbers of 10_config.sql */
#define SEGMENT_CAPTURED_ID		2
#define SEGMENT_RELID			3

/* the tables whose changes are changes of the configuration; DbsyncWatched has their places */
static const char *const watched_names[] = {
	"node", "captured_table", "segment", "subscription", "subscription_table", "former_label",
	"former_attribute", "subscription_sequence"
};

/* the index that leads to header segments */
#define HEADERS_INDEX		"segment_captured"

/* so many blocks are read faster than looked up in; this runs for each batch */
#define FEW_BLOCKS			2

/*
 * Of so many changes one is told of by the table itself.  A prime: who writes to several tables in
 * turn comes to each of them.
 */
#define TABLE_TOLD_OF	61

static Oid	watched[lengthof(watched_names)];
static Oid	signals[lengthof(watched_names)];
static Oid	headers_index;
static bool watched_known = false;
static bool callback_registered = false;
static uint64 generation = 1;
static bool trimming = false;

/* the same, of each table */
static uint64 generations[lengthof(watched_names)];

/* The index whose invalidation tells of a change of the table's rows; InvalidOid: it has another name now. */
static Oid
find_signal(const char *table)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "%s_pkey", table);
	return dbsync_catalog_find_relation(name);
}

void
dbsync_catalog_tell(Relation rel)
{
	static int	told = 0;
	Oid			signal = find_signal(RelationGetRelationName(rel));

	if (!OidIsValid(signal) || ++told % TABLE_TOLD_OF == 0)
		signal = RelationGetRelid(rel);
	CacheInvalidateRelcacheByRelid(signal);
}

/*
 * Runs whenever invalidations are read, in any state of the backend: looks
 * nothing up.  As long as the watched tables are not known, everything counts.
 */
static void
count_invalidation(Datum arg, Oid relid)
{
	if (trimming)
		return;
	if (OidIsValid(relid) && watched_known)
	{
		bool		ours = false;

		for (int i = 0; i < lengthof(watched); i++)
		{
			if (watched[i] != relid && signals[i] != relid)
				continue;
			ours = true;
			generations[i]++;
		}
		if (!ours)
			return;
		/* it may have been dropped, to be created again under another oid */
		watched_known = false;
	}
	else
	{
		for (int i = 0; i < lengthof(generations); i++)
			generations[i]++;
	}
	generation++;
}

/*
 * Learn the oids of the watched tables.  Until they are known everything
 * counts, so a count that has moved says that an oid may be outdated again.
 */
static void
learn_watched(void)
{
	uint64		before = generation;
	bool		all = true;

	for (int i = 0; i < lengthof(watched); i++)
	{
		watched[i] = dbsync_catalog_find_relation(watched_names[i]);
		signals[i] = find_signal(watched_names[i]);
		all &= OidIsValid(watched[i]);
	}
	headers_index = dbsync_catalog_find_relation(HEADERS_INDEX);
	watched_known = all && generation == before;
}

uint64
dbsync_catalog_generation(void)
{
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(count_invalidation, (Datum) 0);
		callback_registered = true;
	}
	if (!watched_known && IsTransactionState())
		learn_watched();
	return generation;
}

uint64
dbsync_catalog_generation_of(DbsyncWatched table)
{
	return generations[table];
}

void
dbsync_catalog_trim(void)
{
	PG_TRY();
	{
		trimming = true;
		InvalidateSystemCaches();
	}
	PG_FINALLY();
	{
		trimming = false;
	}
	PG_END_TRY();
}

bool
dbsync_catalog_is_trimming(void)
{
	return trimming;
}

List *
dbsync_catalog_header_segments(Snapshot snapshot)
{
	bool		known = watched_known;
	Oid			index = known ? headers_index : dbsync_catalog_find_relation(HEADERS_INDEX);
	Relation	rel = table_open(known ? watched[DBSYNC_WATCHED_SEGMENT]
								 : dbsync_catalog_relation("segment"), AccessShareLock);
	List	   *result = NIL;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, SEGMENT_CAPTURED_ID, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(0));
	scan = systable_beginscan(rel, index,
							  OidIsValid(index) && RelationGetNumberOfBlocks(rel) > FEW_BLOCKS,
							  snapshot, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		result = lappend_oid(result,
							 DatumGetObjectId(dbsync_catalog_required(tuple, SEGMENT_RELID, rel)));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}
