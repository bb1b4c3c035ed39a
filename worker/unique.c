/*-------------------------------------------------------------------------
 *
 * worker/unique.c
 *	  What is unique in a captured table beside its key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "worker/shape.h"
#include "worker/table.h"
#include "worker/unique.h"

/* As which column a column of the table is sent; -1: it is not, or not as it is. */
static int
sent_column(const DbsyncTable *table, const DbsyncTableShape *shape, AttrNumber number)
{
	int			column = dbsync_shape_find_column(shape, number);

	if (table->sent == NULL || column < 0)
		return column;
	for (int i = 0; i < table->nsent; i++)
	{
		if (table->sent[i] == column)
			return i;
	}
	return -1;
}

static List *
columns_of(const DbsyncTable *table, const DbsyncTableShape *shape, HeapTuple tuple)
{
	Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);
	List	   *set = NIL;

	if (!index->indisunique || !index->indisvalid || !heap_attisnull(tuple, Anum_pg_index_indpred, NULL) ||
		!heap_attisnull(tuple, Anum_pg_index_indexprs, NULL))
		return NIL;
	for (int i = 0; i < index->indnkeyatts; i++)
	{
		int			column = sent_column(table, shape, index->indkey.values[i]);

		if (column < 0)
			return NIL;
		set = lappend_int(set, column);
	}
	return set;
}

static bool
is_key(const DbsyncTable *table, const DbsyncTableShape *shape, const List *set)
{
	bool		same = list_length(set) == shape->nkeys;

	for (int k = 0; same && k < shape->nkeys; k++)
		same = list_member_int(set, sent_column(table, shape, shape->numbers[shape->keys[k]]));
	return same;
}

List *
dbsync_unique_sets(const DbsyncTable *table, const DbsyncTableShape *shape)
{
	Relation	rel = try_table_open(table->relid, AccessShareLock);
	List	   *sets = NIL;
	ListCell   *lc;

	if (rel == NULL)
		return NIL;
	foreach(lc, RelationGetIndexList(rel))
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		List	   *set;

		if (!HeapTupleIsValid(tuple))
			continue;
		set = columns_of(table, shape, tuple);
		if (set != NIL && !is_key(table, shape, set))
			sets = lappend(sets, set);
		ReleaseSysCache(tuple);
	}
	table_close(rel, NoLock);
	return sets;
}
