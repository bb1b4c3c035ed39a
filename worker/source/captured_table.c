/*-------------------------------------------------------------------------
 *
 * worker/source/captured_table.c
 *	  A captured table itself, opened to be read by its key's index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "worker/shape.h"
#include "worker/source/captured_table.h"
#include "worker/table.h"

/* Has the table all columns of the shape, of the same types, and no others? */
static bool
has_columns(const DbsyncEntry *entry, const DbsyncTableShape *shape)
{
	if (entry->shape.ncolumns != shape->ncolumns)
		return false;
	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (entry->shape.columns[i] != shape->numbers[i])
			return false;
	}
	return true;
}

/*
 * Where the table has the shape's columns, by their numbers; 0: nowhere any more.  False if
 * one of them is of another type by now.
 */
static bool
find_columns(const DbsyncEntry *entry, const DbsyncTableShape *shape, AttrNumber *columns)
{
	memset(columns, 0, sizeof(AttrNumber) * shape->ncolumns);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		for (int j = 0; j < entry->shape.ncolumns; j++)
		{
			AttrNumber	number = entry->shape.columns[j];

			if (number != shape->numbers[i])
				continue;
			if (getBaseType(TupleDescAttr(entry->shape.desc, number - 1)->atttypid) != shape->types[i])
				return false;
			columns[i] = number;
		}
	}
	return true;
}

static bool
has_key(const DbsyncEntry *entry, const DbsyncTableShape *shape)
{
	if (entry->shape.nkeys != shape->nkeys)
		return false;
	for (int k = 0; k < shape->nkeys; k++)
	{
		if (entry->shape.columns[entry->shape.keys[k]] != shape->numbers[shape->keys[k]])
			return false;
	}
	return true;
}

/* Another index may have taken the key's place a moment ago. */
static bool
has_order(Relation index, const DbsyncTableShape *shape)
{
	for (int k = 0; k < shape->nkeys; k++)
	{
		Oid			type = index->rd_opcintype[k];

		if (index->rd_indcollation[k] != shape->key_collations[k] ||
			get_opfamily_member(index->rd_opfamily[k], type, type,
								BTLessStrategyNumber) != shape->key_before[k])
			return false;
	}
	return true;
}

void
dbsync_captured_table_open(DbsyncCapturedTable *source, const DbsyncTable *table,
						   const DbsyncTableShape *shape, bool whole)
{
	source->columns = palloc(sizeof(AttrNumber) * Max(shape->ncolumns, 1));
	source->rel = try_table_open(table->relid, AccessShareLock);
	if (source->rel != NULL && source->rel->rd_rel->relkind == RELKIND_RELATION)
	{
		source->entry = dbsync_cache_find(source->rel);
		if (source->entry->mode == DBSYNC_MODE_CAPTURE &&
			(!whole || has_columns(source->entry, shape)) &&
			find_columns(source->entry, shape, source->columns) && has_key(source->entry, shape))
		{
			source->index = index_open(source->entry->captured.key_index, AccessShareLock);
			if (has_order(source->index, shape))
				return;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table %s is not what it was when its changes were captured",
					table->qualified)));
}

void
dbsync_captured_table_close(DbsyncCapturedTable *source)
{
	index_close(source->index, NoLock);
	table_close(source->rel, NoLock);
}
