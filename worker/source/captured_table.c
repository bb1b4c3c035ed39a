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
#include "parser/parse_coerce.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "extension/capture/shadow.h"
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

/* Are a column's values now of the type that they were of, or stored just like that? */
static bool
keeps_values(const DbsyncEntry *entry, AttrNumber number, Oid type)
{
	Oid			now = getBaseType(TupleDescAttr(entry->shape.desc, number - 1)->atttypid);

	return now == type || IsBinaryCoercible(now, type);
}

/* Where the table has the shape's columns, by their numbers.  False if one is of another type by now. */
static bool
find_columns(const DbsyncEntry *entry, const DbsyncTableShape *shape, AttrNumber *columns)
{
	bool		same = true;

	for (int i = 0; i < shape->ncolumns; i++)
	{
		columns[i] = DBSYNC_COLUMN_GONE;
		for (int j = 0; j < entry->shape.ncolumns; j++)
		{
			AttrNumber	number = entry->shape.columns[j];

			if (number != shape->numbers[i])
				continue;
			columns[i] = keeps_values(entry, number, shape->types[i]) ? number : DBSYNC_COLUMN_RETYPED;
			same &= columns[i] == number;
		}
	}
	return same;
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

/*
 * Another index may have taken the key's place a moment ago.  Of a key that is of another type
 * by now there is nothing to be compared.
 */
static bool
has_order(Relation index, const DbsyncTableShape *shape, const AttrNumber *columns)
{
	for (int k = 0; k < shape->nkeys; k++)
	{
		Oid			type = index->rd_opcintype[k];

		if (columns[shape->keys[k]] == DBSYNC_COLUMN_RETYPED)
			continue;
		if (index->rd_indcollation[k] != shape->key_collations[k] ||
			get_opfamily_member(index->rd_opfamily[k], type, type,
								BTLessStrategyNumber) != shape->key_before[k])
			return false;
	}
	return true;
}

void
dbsync_captured_table_refuse(const DbsyncTable *table, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table %s is not what it was when its changes were captured",
					table->qualified),
			 detail ? errdetail("%s", detail) : 0,
			 detail ? errhint("Copy it anew with dbsync.copy_table().") : 0));
}

/* What is compared with a shadow is read there: in it is what the log knows of, and no more. */
static Oid
turn_to_shadow(DbsyncCapturedTable *source, const DbsyncTable *table)
{
	Oid			index;
	Relation	shadow = dbsync_shadow_open(source->rel, table->captured_id, AccessShareLock, &index);

	table_close(source->rel, NoLock);
	source->rel = shadow;
	return index;
}

void
dbsync_captured_table_open(DbsyncCapturedTable *source, const DbsyncTable *table,
						   const DbsyncTableShape *shape, bool whole)
{
	source->columns = palloc(sizeof(AttrNumber) * Max(shape->ncolumns, 1));
	source->rel = try_table_open(table->relid, AccessShareLock);
	if (source->rel != NULL && (source->rel->rd_rel->relkind == RELKIND_RELATION ||
								source->rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE))
	{
		source->entry = dbsync_cache_find(source->rel);
		if (source->entry->mode >= DBSYNC_MODE_SCAN &&
			(find_columns(source->entry, shape, source->columns) || !whole) &&
			(!whole || has_columns(source->entry, shape)) && has_key(source->entry, shape))
		{
			Oid			index = source->entry->captured.key_index;

			if (table->shadow != NULL)
				index = turn_to_shadow(source, table);
			source->leaves = dbsync_leaves_begin(source->rel, shape->nkeys == 0 ? InvalidOid : index);
			source->index = NULL;
			if (shape->nkeys == 0)
				return;
			source->index = index_open(index, AccessShareLock);
			if (has_order(source->index, shape, source->columns))
				return;
		}
	}
	dbsync_captured_table_refuse(table, whole ? NULL
								 : "The target lacks a row that cannot be read here by the key that it had.");
}

void
dbsync_captured_table_close(DbsyncCapturedTable *source)
{
	dbsync_leaves_end(source->leaves);
	if (source->index != NULL)
		index_close(source->index, NoLock);
	table_close(source->rel, NoLock);
}
