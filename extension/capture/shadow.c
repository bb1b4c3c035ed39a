/*-------------------------------------------------------------------------
 *
 * extension/capture/shadow.c
 *	  The shadow of a captured table: a copy that is kept beside it, and compared with it.
 *
 * Where nobody tells of changes, they are what the table has by now and its shadow has not.  All of
 * them go into the log and into the shadow in one transaction, so the log is to the shadow what it is
 * to a table that is captured by triggers: whoever takes a snapshot sees both as they belong together.  First copies
 * read the shadow for that reason, and never the table.  A copy of the table would have what
 * the shadow does not know of yet: a row that came since, is copied, and goes before the two are compared, would
 * stay at the target for ever, as no comparison would ever find it gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "extension/capture/cache.h"
#include "extension/capture/comparison.h"
#include "extension/capture/feed.h"
#include "extension/capture/shadow.h"
#include "extension/catalog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(dbsync_fill_shadow);
PG_FUNCTION_INFO_V1(dbsync_compare_shadow);

static bool
is_captured(Form_pg_attribute att)
{
	return !att->attisdropped && att->attgenerated == '\0';
}

/* Is it as it was made: see dbsync_internal.create_shadow()? */
static bool
fits(Relation shadow, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	TupleDesc	own = RelationGetDescr(shadow);

	if (shadow->rd_rel->relkind != RELKIND_RELATION || shadow->rd_rel->relam != HEAP_TABLE_AM_OID ||
		shadow->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT ||
		shadow->trigdesc != NULL || shadow->rd_rules != NULL || own->natts != desc->natts)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Form_pg_attribute its = TupleDescAttr(own, i);

		if (its->attisdropped == is_captured(att) ||
			(!its->attisdropped && (its->atttypid != getBaseType(att->atttypid) || its->attcollation != att->attcollation ||
									its->attgenerated != '\0')))
			return false;
	}
	return true;
}

Relation
dbsync_shadow_open(Relation rel, int captured_id, LOCKMODE mode, Oid *key_index)
{
	char		name[NAMEDATALEN];
	Oid			relid;
	Relation	shadow;
	List	   *indexes;

	snprintf(name, sizeof(name), "shadow_%d", captured_id);
	relid = get_relname_relid(name, dbsync_catalog_internal_schema());
	shadow = OidIsValid(relid) ? try_table_open(relid, mode) : NULL;
	if (shadow != NULL && fits(shadow, rel))
	{
		indexes = RelationGetIndexList(shadow);
		if (list_length(indexes) == 1)
		{
			*key_index = linitial_oid(indexes);
			return shadow;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the shadow of table \"%s\" is not what it was made as", RelationGetRelationName(rel)),
			 errdetail("Somebody has altered or dropped table dbsync_internal.%s, which belongs to dbsync.", name),
			 errhint("SELECT dbsync.suspend_table(%s), and dbsync.copy_table() in each of its subscriptions, make it anew.",
					 quote_literal_cstr(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
																   RelationGetRelationName(rel))))));
}

/*
 * fill_shadow(captured_id, table, key_index): have a shadow that was made a moment ago show what the
 * table has.  The table is locked.
 */
Datum
dbsync_fill_shadow(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(1), AccessShareLock);
	Oid			shadow_index;
	Relation	shadow = dbsync_shadow_open(rel, PG_GETARG_INT32(0), RowExclusiveLock, &shadow_index);

	(void) dbsync_comparison_run(rel, shadow, PG_GETARG_OID(2), shadow_index, false, NULL);
	table_close(shadow, NoLock);
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}

/* One at a time, to the end of the transaction; false: another one is at it. */
static bool
try_lock(Oid shadow)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, shadow, 0);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * compare_shadow(captured_id, table, key_index, exact): put all in which the table differs from its shadow into the log and into the
 * shadow.  The table is locked as writers lock it.  Returns how many rows; null: it is not captured any more, or another session
 * is at it.
 */
Datum
dbsync_compare_shadow(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(1), RowExclusiveLock);
	DbsyncEntry *entry = dbsync_cache_find(rel);
	Oid			shadow_index;
	Relation	shadow;
	DbsyncFeed	feed;
	int64		differences = 0;
	bool		done = false;

	if (entry->mode == DBSYNC_MODE_CAPTURE && entry->captured.by == DBSYNC_BY_SHADOW)
	{
		shadow = dbsync_shadow_open(rel, PG_GETARG_INT32(0), RowExclusiveLock, &shadow_index);
		if (try_lock(RelationGetRelid(shadow)))
		{
			dbsync_feed_begin(&feed, rel);
			differences = dbsync_comparison_run(rel, shadow, PG_GETARG_OID(2), shadow_index, PG_GETARG_BOOL(3), &feed);
			dbsync_feed_end(&feed);
			done = true;
		}
		table_close(shadow, NoLock);
	}
	table_close(rel, NoLock);
	if (!done)
		PG_RETURN_NULL();
	PG_RETURN_INT64(differences);
}
