/*-------------------------------------------------------------------------
 *
 * extension/capture/cache.c
 *	  What a backend knows of each captured table.
 *
 * An entry is stale when the table's relcache entry was invalidated (DDL; the
 * callback only marks, since it can run at any moment) or when dbsync's
 * configuration changed (its generation, dbsync_catalog_generation()).  A stale entry
 * is filled again at its next use; an error or another invalidation during the
 * filling leaves it stale.
 *
 * Everything lives in a context below TopMemoryContext, one child per table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/transam.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "commands/defrem.h"
#include "commands/trigger.h"
#include "extension/capture/cache.h"
#include "extension/capture/form.h"
#include "extension/capture/member.h"
#include "extension/capture/unchanged.h"
#include "extension/log/segment.h"
#include "extension/node.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static HTAB *entries = NULL;
static MemoryContext entries_context = NULL;

/* the entry asked for last: triggers of one statement ask in a row */
static DbsyncEntry *latest = NULL;

static void
mark_stale(Datum arg, Oid relid)
{
	DbsyncEntry *entry;
	HASH_SEQ_STATUS all;

	if (entries == NULL)
		return;
	if (OidIsValid(relid))
	{
		entry = hash_search(entries, &relid, HASH_FIND, NULL);
		if (entry != NULL)
			entry->valid = false;
		return;
	}
	hash_seq_init(&all, entries);
	while ((entry = hash_seq_search(&all)) != NULL)
		entry->valid = false;
}

static void
create_entries(void)
{
	HASHCTL		ctl = {0};

	if (entries_context == NULL)
	{
		entries_context = AllocSetContextCreate(TopMemoryContext,
												"dbsync captured tables",
												ALLOCSET_DEFAULT_SIZES);
		CacheRegisterRelcacheCallback(mark_stale, (Datum) 0);
	}
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(DbsyncEntry);
	ctl.hcxt = entries_context;
	entries = hash_create("dbsync captured tables", 32, &ctl,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Which columns a segment has, in its order: live and not generated. */
static void
fill_columns(DbsyncEntry *entry, Relation rel)
{
	DbsyncShape *shape = &entry->shape;
	int			room;

	shape->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	shape->ncolumns = dbsync_member_columns(shape->desc, entry->relid, entry->captured.relid,
											&shape->columns, &shape->numbers);
	room = shape->ncolumns + DBSYNC_SEGMENT_FIRST_COLUMN;
	shape->values = palloc0(room * sizeof(Datum));
	shape->nulls = palloc0(room * sizeof(bool));
}

static int
column_index(const DbsyncEntry *entry, AttrNumber attno)
{
	for (int i = 0; i < entry->shape.ncolumns; i++)
	{
		if (entry->shape.numbers[i] == attno)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("key of captured table \"%s\" is not captured",
					get_rel_name(entry->relid)),
			 errdetail("A key column is generated or an expression.")));
}

/*
 * Can rows be found by this index, now and as long as we hold the table's lock?  That a key
 * which somebody has named is unique is his word.
 */
static bool
is_usable(const DbsyncCaptured *captured, Form_pg_index index)
{
	return index->indrelid == captured->relid &&
		(captured->named_key || (index->indisunique && index->indimmediate)) &&
		index->indisvalid && index->indisready && index->indislive;
}

static const oidvector *
index_oids(HeapTuple index, AttrNumber attno)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(INDEXRELID, index, attno, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in pg_index");
	return (const oidvector *) DatumGetPointer(value);
}

/*
 * Does it have the key's columns, in their order, and order and equate them as the
 * columns do?  Rows are captured by one key only.  Behind a key that somebody has named
 * an index may have further columns.
 */
static bool
is_same_key(const DbsyncCaptured *captured, Relation rel, HeapTuple tuple)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
	const oidvector *collations = index_oids(tuple, Anum_pg_index_indcollation);
	const oidvector *classes = index_oids(tuple, Anum_pg_index_indclass);

	if (captured->named_key ? index->indnkeyatts < captured->nkeys
		: index->indnkeyatts != captured->nkeys)
		return false;
	for (int k = 0; k < captured->nkeys; k++)
	{
		AttrNumber	attno = index->indkey.values[k];
		Form_pg_attribute att;

		if (attno != captured->keys[k])
			return false;
		att = TupleDescAttr(RelationGetDescr(rel), attno - 1);
		if (collations->values[k] != att->attcollation ||
			classes->values[k] != GetDefaultOpClass(att->atttypid, BTREE_AM_OID))
			return false;
	}
	return true;
}

/*
 * REINDEX CONCURRENTLY puts another index in the place of the one that is
 * written down, and nobody is told.  Its successor is found as in
 * dbsync_internal.current_key: of those with the same key the primary key, replica
 * identity, oldest.
 */
static Oid
find_key_successor(const DbsyncCaptured *captured, Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;
	Oid			best = InvalidOid;
	int			best_rank = 0;

	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;
		int			rank;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		rank = index->indisprimary ? 4 : index->indisreplident ? 3 : index->indisunique ? 2 : 1;
		/* the list is in the order of oids */
		if (rank > best_rank && is_usable(captured, index) &&
			heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
			heap_attisnull(tuple, Anum_pg_index_indexprs, NULL) &&
			is_same_key(captured, rel, tuple))
		{
			best = index->indexrelid;
			best_rank = rank;
		}
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return best;
}

/* Put the oid of the key's index right. */
static void
find_key(DbsyncCaptured *captured, Relation rel)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(captured->key_index));
	bool		usable = HeapTupleIsValid(tuple) &&
		is_usable(captured, (Form_pg_index) GETSTRUCT(tuple));

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (usable)
		return;
	captured->key_index = find_key_successor(captured, rel);
	if (!OidIsValid(captured->key_index))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("captured table \"%s\" has no key any more",
						RelationGetRelationName(rel)),
				 errhint("Use dbsync.suspend_table() to go on without capturing the table.")));
}

/*
 * A table without a key has none of these columns.  A partition has no key of its own: that of the
 * captured table is asked for it there.
 */
static void
fill_keys(DbsyncEntry *entry, Relation rel)
{
	const DbsyncCaptured *captured = &entry->captured;

	entry->shape.nkeys = 0;
	entry->shape.keys = palloc(captured->nkeys * sizeof(int));
	entry->shape.last_key = 0;
	if (!OidIsValid(captured->key_index))
		return;
	if (captured->relid == entry->relid)
		find_key(&entry->captured, rel);
	for (int i = 0; i < captured->nkeys; i++)
	{
		int			column = column_index(entry, captured->keys[i]);

		entry->shape.keys[i] = column;
		entry->shape.last_key = Max(entry->shape.last_key, entry->shape.columns[column]);
	}
	entry->shape.nkeys = captured->nkeys;
}

/*
 * Does the row trigger fire in all sessions?  Then it captures, and statement triggers that may
 * be there, while they are changed, do not (29_inheritance.sql).  A partition's rows come to
 * the statement triggers of whoever is named.
 */
static bool
is_by_row(const DbsyncEntry *entry, const TriggerDesc *triggers)
{
	char		name[NAMEDATALEN];

	if (entry->tree || triggers == NULL)
		return false;
	snprintf(name, sizeof(name), "dbsync_%d_row", entry->captured.id);
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_ROW(trigger->tgtype) && strcmp(trigger->tgname, name) == 0)
			return trigger->tgenabled == TRIGGER_FIRES_ALWAYS;
	}
	return false;
}

/*
 * A statement goes on with the entry, whatever its own functions or other sessions do
 * meanwhile: an error here leaves the shape as it was.
 */
static void
fill_shape(DbsyncEntry *entry, Relation rel)
{
	DbsyncEntry filled = *entry;
	MemoryContext old;

	if (entry->captured.by != DBSYNC_BY_NOBODY)
		dbsync_catalog_active_segment(entry->captured.id, &filled.segment_id, &filled.segment,
									  &filled.shape_id);
	filled.segment_checked = false;
	filled.rows[0] = filled.rows[1] = NULL;
	filled.shape.unmarked = NULL;
	filled.shape.context = AllocSetContextCreate(CurrentMemoryContext, "dbsync captured table",
										   ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(filled.shape.context);
	fill_columns(&filled, rel);
	fill_keys(&filled, rel);
	dbsync_unchanged_learn(&filled.shape);
	filled.triggers = CopyTriggerDesc(rel->trigdesc);
	filled.triggers_known = false;
	filled.by_row = is_by_row(&filled, filled.triggers);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(filled.shape.context, entries_context);
	/* a row under way may still be read or formed with what is in the old one (DbsyncAppend) */
	if (entry->shape.context != NULL)
		MemoryContextSetParent(entry->shape.context, TopTransactionContext);
	filled.valid = entry->valid;	/* an invalidation may have come in */
	*entry = filled;
}

static void
fill(DbsyncEntry *entry, Relation rel)
{
	uint64		generation = dbsync_catalog_generation();

	/* an invalidation from here on makes it stale again */
	entry->valid = true;
	entry->generation = 0;
	if (!dbsync_member_captured(rel, &entry->captured))
		entry->mode = DBSYNC_MODE_IGNORE;
	else if (!dbsync_node_is_adopted())
		entry->mode = DBSYNC_MODE_DORMANT;
	else if (entry->captured.state != DBSYNC_CAPTURE_ACTIVE)
		entry->mode = DBSYNC_MODE_IGNORE;
	else
	{
		entry->tree = entry->captured.relid != entry->relid ||
			rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
		fill_shape(entry, rel);
		entry->mode = entry->captured.by == DBSYNC_BY_NOBODY ? DBSYNC_MODE_SCAN : DBSYNC_MODE_CAPTURE;
	}
	/* no generation is 0, so an error above leaves the entry stale */
	entry->generation = generation;
}

static bool
is_current(const DbsyncEntry *entry)
{
	return entry->valid && entry->generation == dbsync_catalog_generation();
}

DbsyncEntry *
dbsync_cache_find(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	bool		found;

	if (latest == NULL || latest->relid != relid)
	{
		DbsyncEntry *entry;

		if (entries == NULL)
			create_entries();
		entry = hash_search(entries, &relid, HASH_ENTER, &found);
		if (!found)
			memset((char *) entry + sizeof(Oid), 0, sizeof(DbsyncEntry) - sizeof(Oid));
		latest = entry;
	}
	if (!is_current(latest))
	{
		DbsyncEntry *entry = latest;

		fill(entry, rel);
		return entry;
	}
	return latest;
}

DbsyncTouched *
dbsync_cache_touched(DbsyncEntry *entry)
{
	if (!dbsync_transaction.begun)
		return NULL;
	if (entry->serial == dbsync_transaction.serial &&
		entry->touched->relid == entry->captured.relid)
		return entry->touched;
	/* another partition, or the captured table itself, may have been touched before */
	if (!entry->tree)
		return NULL;
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
	{
		if (t->relid == entry->captured.relid)
		{
			entry->touched = t;
			entry->serial = dbsync_transaction.serial;
			return t;
		}
	}
	return NULL;
}

DbsyncTouched *
dbsync_cache_touch(DbsyncEntry *entry)
{
	DbsyncTouched *touched = dbsync_cache_touched(entry);

	if (touched == NULL)
	{
		dbsync_transaction_begin();
		touched = dbsync_transaction_touch(entry->captured.relid);
		entry->touched = touched;
		entry->serial = dbsync_transaction.serial;
	}
	return touched;
}

/* Was the segment's column made for this one, as it is now? */
static bool
is_made_for(Form_pg_attribute ours, Form_pg_attribute theirs)
{
	int32		typmod = theirs->atttypmod;

	return !ours->attisdropped && ours->attcollation == theirs->attcollation &&
		ours->atttypid == getBaseTypeAndTypmod(theirs->atttypid, &typmod) &&
		ours->atttypmod == typmod;
}

/*
 * DDL that changes the table makes another segment the active one, or is refused.  That
 * it did neither shows that event triggers were off.
 */
void
dbsync_cache_check_segment(DbsyncEntry *entry, Relation segment)
{
	TupleDesc	desc = RelationGetDescr(segment);
	int			before = DBSYNC_SEGMENT_FIRST_COLUMN - 1;
	bool		fits = desc->natts == before + entry->shape.ncolumns + 1 &&
		dbsync_catalog_shape_is_of(entry->shape_id, entry->shape.numbers, entry->shape.ncolumns);

	for (int i = 0; fits && i < entry->shape.ncolumns; i++)
		fits = is_made_for(TupleDescAttr(desc, before + i),
						   TupleDescAttr(entry->shape.desc, entry->shape.columns[i] - 1));
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tracking table \"%s\" does not fit captured table \"%s\"",
						RelationGetRelationName(segment), get_rel_name(entry->relid)),
				 errhint("Use dbsync.suspend_table() to go on without capturing the table.")));
	dbsync_form_learn(&entry->shape, desc);
	entry->segment_checked = true;
}
