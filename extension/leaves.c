/*-------------------------------------------------------------------------
 *
 * extension/leaves.c
 *	  The tables that rows of a captured table lie in: itself, or its partitions.
 *
 * Who reads a captured table itself, by its key, finds the index of each leaf here.  A key of
 * a partitioned table has all columns that it is partitioned by, so its values say in which
 * leaf a row is: that is worked out as the server does for a row that is inserted, but for
 * tables that are partitioned by expressions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/executor.h"
#include "extension/leaves.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/partcache.h"

bool
dbsync_leaves_find(Oid root, bool detached, bool lock, List **leaves)
{
	List	   *level = list_make1_oid(root);

	*leaves = NIL;
	while (level != NIL)
	{
		List	   *below = NIL;
		ListCell   *lc;

		foreach(lc, level)
		{
			Oid			relid = lfirst_oid(lc);

			if (lock && !ConditionalLockRelationOid(relid, AccessShareLock))
				return false;
			if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
				*leaves = lappend_oid(*leaves, relid);
			else
				below = list_concat(below, find_inheritance_children_extended(relid, !detached, NoLock, NULL, NULL));
		}
		level = below;
	}
	return true;
}

DbsyncLeaves *
dbsync_leaves_begin(Relation root, Oid key_index)
{
	DbsyncLeaves *leaves = palloc0(sizeof(DbsyncLeaves));
	List	   *oids;

	/* what is about to be detached may have the row as well */
	(void) dbsync_leaves_find(RelationGetRelid(root), true, false, &oids);
	leaves->root = root;
	leaves->key_index = key_index;
	leaves->context = CurrentMemoryContext;
	leaves->n = list_length(oids);
	leaves->leaf = palloc0(sizeof(DbsyncLeaf) * Max(leaves->n, 1));
	for (int i = 0; i < leaves->n; i++)
		leaves->leaf[i].relid = list_nth_oid(oids, i);
	list_free(oids);
	return leaves;
}

/* The leaf's index that belongs to the key's, at whatever depth; InvalidOid: it has none. */
static Oid
find_index(Relation leaf, Oid key_index)
{
	List	   *indexes = RelationGetIndexList(leaf);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Oid			above = lfirst_oid(lc);

		while (above != key_index && get_rel_relispartition(above))
			above = get_partition_parent(above, false);
		if (above == key_index)
			found = lfirst_oid(lc);
	}
	list_free(indexes);
	return found;
}

static void
refuse(const DbsyncLeaves *leaves, const DbsyncLeaf *leaf)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("partition %u of table \"%s\" cannot be read by the table's key",
					leaf->relid, RelationGetRelationName(leaves->root))));
}

DbsyncLeaf *
dbsync_leaves_open(DbsyncLeaves *leaves, int i)
{
	DbsyncLeaf *leaf = &leaves->leaf[i];
	Oid			root = RelationGetRelid(leaves->root);
	Oid			index = leaves->key_index;
	MemoryContext old;

	if (leaf->rel != NULL && (leaf->index != NULL || !OidIsValid(index)))
		return leaf;
	old = MemoryContextSwitchTo(leaves->context);
	if (leaf->rel == NULL)
		leaf->rel = try_table_open(leaf->relid, AccessShareLock);
	if (leaf->rel == NULL)
		refuse(leaves, leaf);
	if (leaf->relid != root)
	{
		if (OidIsValid(index))
			index = find_index(leaf->rel, leaves->key_index);
		leaf->map = convert_tuples_by_name(RelationGetDescr(leaf->rel), RelationGetDescr(leaves->root));
		if (leaf->map != NULL)
			leaf->converted = MakeSingleTupleTableSlot(RelationGetDescr(leaves->root), &TTSOpsVirtual);
	}
	if (OidIsValid(index))
		leaf->index = index_open(index, AccessShareLock);
	else if (OidIsValid(leaves->key_index))
		refuse(leaves, leaf);
	MemoryContextSwitchTo(old);
	return leaf;
}

TupleTableSlot *
dbsync_leaves_row(DbsyncLeaf *leaf, TupleTableSlot *slot)
{
	return leaf->map == NULL ? slot : execute_attr_map_slot(leaf->map->attrMap, slot, leaf->converted);
}

/* The values of a partition key, from those of the table's key; false: they are not all there. */
static bool
take_values(const DbsyncLeaves *leaves, Relation rel, PartitionKey key, const AttrNumber *numbers,
			const Datum *values, const bool *nulls, int nkeys, Datum *its_values, bool *its_nulls)
{
	Oid			root = RelationGetRelid(leaves->root);

	for (int i = 0; i < key->partnatts; i++)
	{
		AttrNumber	number = key->partattrs[i];
		int			k = 0;

		if (number != 0 && RelationGetRelid(rel) != root)
			number = get_attnum(root, NameStr(TupleDescAttr(RelationGetDescr(rel), number - 1)->attname));
		while (k < nkeys && numbers[k] != number)
			k++;
		if (k == nkeys)
			return false;
		its_values[i] = values[k];
		its_nulls[i] = nulls[k];
	}
	return true;
}

/* The place of the partition in the description; -1: there is none. */
static int
find_partition(PartitionKey key, PartitionDesc desc, Datum *values, bool *nulls)
{
	PartitionBoundInfo bounds = desc->boundinfo;
	bool		any_null = false;
	bool		equal = false;
	int			found = -1;
	int			at;

	for (int i = 0; i < key->partnatts; i++)
		any_null |= nulls[i];
	switch (key->strategy)
	{
		case PARTITION_STRATEGY_HASH:
			return bounds->indexes[compute_partition_hash_value(key->partnatts, key->partsupfunc,
																key->partcollation, values, nulls) % bounds->nindexes];
		case PARTITION_STRATEGY_LIST:
			if (any_null)
				found = partition_bound_accepts_nulls(bounds) ? bounds->null_index : -1;
			else
			{
				at = partition_list_bsearch(key->partsupfunc, key->partcollation, bounds, values[0], &equal);
				found = at >= 0 && equal ? bounds->indexes[at] : -1;
			}
			break;
		case PARTITION_STRATEGY_RANGE:
			if (!any_null)
			{
				at = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds,
												   key->partnatts, values, &equal);
				found = bounds->indexes[at + 1];
			}
			break;
		default:
			break;
	}
	return found >= 0 ? found : bounds->default_index;
}

static int
find_leaf(const DbsyncLeaves *leaves, Oid relid)
{
	for (int i = 0; i < leaves->n; i++)
	{
		if (leaves->leaf[i].relid == relid)
			return i;
	}
	return -1;
}

int
dbsync_leaves_route(DbsyncLeaves *leaves, const AttrNumber *numbers,
					const Datum *values, const bool *nulls, int nkeys)
{
	Relation	rel = leaves->root;
	Datum		its_values[PARTITION_MAX_KEYS];
	bool		its_nulls[PARTITION_MAX_KEYS];

	while (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		PartitionKey key = RelationGetPartitionKey(rel);
		PartitionDesc desc = RelationGetPartitionDesc(rel, false);
		int			at = -1;
		Oid			relid = InvalidOid;
		bool		is_leaf = false;

		if (desc->nparts > 0 && take_values(leaves, rel, key, numbers, values, nulls, nkeys, its_values, its_nulls))
			at = find_partition(key, desc, its_values, its_nulls);
		if (at >= 0)
		{
			relid = desc->oids[at];
			is_leaf = desc->is_leaf[at];
		}
		if (rel != leaves->root)
			table_close(rel, NoLock);
		if (at < 0)
			return -1;
		if (is_leaf)
			return find_leaf(leaves, relid);
		rel = table_open(relid, AccessShareLock);
	}
	return leaves->n == 1 ? 0 : -1;
}

void
dbsync_leaves_end(DbsyncLeaves *leaves)
{
	for (int i = 0; i < leaves->n; i++)
	{
		DbsyncLeaf *leaf = &leaves->leaf[i];

		if (leaf->converted != NULL)
			ExecDropSingleTupleTableSlot(leaf->converted);
		if (leaf->index != NULL)
			index_close(leaf->index, NoLock);
		if (leaf->rel != NULL)
			table_close(leaf->rel, NoLock);
	}
}
