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

/* Is the table of this shape?  Capture's guard sees to it. */
static bool
has_columns(const DbsyncEntry *entry, const DbsyncTableShape *shape)
{
	if (entry->shape.ncolumns != shape->ncolumns || entry->shape.nkeys != shape->nkeys)
		return false;
	for (int i = 0; i < entry->shape.ncolumns; i++)
	{
		if (entry->shape.columns[i] != shape->numbers[i] ||
			getBaseType(TupleDescAttr(entry->shape.desc, entry->shape.columns[i] - 1)->atttypid) !=
			shape->types[i])
			return false;
	}
	return memcmp(entry->shape.keys, shape->keys, entry->shape.nkeys * sizeof(int)) == 0;
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
						   const DbsyncTableShape *shape)
{
	source->rel = try_table_open(table->relid, AccessShareLock);
	if (source->rel != NULL && source->rel->rd_rel->relkind == RELKIND_RELATION)
	{
		source->entry = dbsync_cache_find(source->rel);
		if (source->entry->mode == DBSYNC_MODE_CAPTURE && has_columns(source->entry, shape))
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
