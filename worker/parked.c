/*-------------------------------------------------------------------------
 *
 * worker/parked.c
 *	  Keys of a table that are parked at its target, and rows of theirs that come.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"

#include "extension/owner.h"
#include "worker/driver/row_file.h"
#include "worker/parked.h"
#include "worker/shape.h"

typedef struct ParkedKey
{
	int			nkeys;
	char	  **text;
	Datum	   *values;			/* as the shape that was prepared for has them */
} ParkedKey;

struct DbsyncParkedKeys
{
	MemoryContext context;
	List	   *keys;			/* of ParkedKey */
	MemoryContext prepared;		/* of what follows */
	int			shape_id;		/* prepared for this one; 0: for none */
	int			nkeys;
	SortSupport order;
	int			n;
	ParkedKey **sorted;			/* those that can be of the shape */
	MemoryContext caught_context;
	List	   *caught;			/* of CaughtRow */
	DbsyncRowFile *file;		/* their values; NULL: none are caught */
};

/* a row that was caught, but for its values */
typedef struct CaughtRow
{
	DbsyncRow	row;
	int			ncolumns;
	DbsyncFilePlace place;
} CaughtRow;

DbsyncParkedKeys *
dbsync_parked_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "dbsync parked keys", ALLOCSET_SMALL_SIZES);
	DbsyncParkedKeys *parked = MemoryContextAllocZero(context, sizeof(DbsyncParkedKeys));

	parked->context = context;
	parked->prepared = AllocSetContextCreate(context, "dbsync parked keys, in order", ALLOCSET_SMALL_SIZES);
	parked->caught_context = AllocSetContextCreate(context, "dbsync caught rows", ALLOCSET_SMALL_SIZES);
	return parked;
}

static void
forget_order(DbsyncParkedKeys *parked)
{
	parked->shape_id = 0;
	parked->sorted = NULL;
	parked->n = 0;
	MemoryContextReset(parked->prepared);
}

void
dbsync_parked_add(DbsyncParkedKeys *parked, int nkeys, char *const *key)
{
	MemoryContext old = MemoryContextSwitchTo(parked->context);
	ParkedKey  *added = palloc0(sizeof(ParkedKey));

	added->nkeys = nkeys;
	added->text = palloc(sizeof(char *) * Max(nkeys, 1));
	for (int k = 0; k < nkeys; k++)
		added->text[k] = key[k] ? pstrdup(key[k]) : NULL;
	parked->keys = lappend(parked->keys, added);
	MemoryContextSwitchTo(old);
	forget_order(parked);
}

static bool
is_same(const ParkedKey *a, int nkeys, char *const *key)
{
	if (a->nkeys != nkeys)
		return false;
	for (int k = 0; k < nkeys; k++)
	{
		if (a->text[k] == NULL || key[k] == NULL || strcmp(a->text[k], key[k]) != 0)
			return false;
	}
	return true;
}

void
dbsync_parked_remove(DbsyncParkedKeys *parked, int nkeys, char *const *key)
{
	ListCell   *lc;

	foreach(lc, parked->keys)
	{
		ParkedKey  *one = lfirst(lc);

		if (!is_same(one, nkeys, key))
			continue;
		/* rows that were caught may name it, until they are gone */
		parked->keys = foreach_delete_current(parked->keys, lc);
		forget_order(parked);
		return;
	}
}

int
dbsync_parked_count(const DbsyncParkedKeys *parked)
{
	return list_length(parked->keys);
}

char **
dbsync_parked_find_text(const DbsyncParkedKeys *parked, int nkeys, char *const *key)
{
	ListCell   *lc;

	foreach(lc, parked->keys)
	{
		const ParkedKey *one = lfirst(lc);

		if (is_same(one, nkeys, key))
			return one->text;
	}
	return NULL;
}

/*
 * A key that is no value of its type any more, as that is another one by now, is none of the table's.  Input functions may be
 * anybody's: they run as the table's owner.
 */
static bool
read_value(const DbsyncTableShape *shape, int k, char *text, Datum *value)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			function;
	Oid			ioparam;
	volatile bool good = true;

	getTypeInputInfo(shape->types[shape->keys[k]], &function, &ioparam);
	PG_TRY();
	{
		*value = OidInputFunctionCall(function, text, ioparam, -1);
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		good = false;
	}
	PG_END_TRY();
	return good;
}

static bool
read_key(const DbsyncTableShape *shape, ParkedKey *key)
{
	if (key->nkeys != shape->nkeys)
		return false;
	key->values = palloc(sizeof(Datum) * shape->nkeys);
	for (int k = 0; k < shape->nkeys; k++)
	{
		if (key->text[k] == NULL || !read_value(shape, k, key->text[k], &key->values[k]))
			return false;
	}
	return true;
}

static int
compare_values(const DbsyncParkedKeys *parked, const Datum *a, const Datum *b)
{
	int			result = 0;

	for (int k = 0; result == 0 && k < parked->nkeys; k++)
		result = ApplySortComparator(a[k], false, b[k], false, &parked->order[k]);
	return result;
}

static int
compare_keys(const void *a, const void *b, void *arg)
{
	return compare_values(arg, (*(ParkedKey *const *) a)->values, (*(ParkedKey *const *) b)->values);
}

void
dbsync_parked_prepare(DbsyncParkedKeys *parked, const DbsyncTableShape *shape)
{
	MemoryContext old;
	ListCell   *lc;

	dbsync_owner_check();
	if (parked->shape_id == shape->id)
		return;
	forget_order(parked);
	old = MemoryContextSwitchTo(parked->prepared);
	parked->nkeys = shape->nkeys;
	parked->order = palloc0(sizeof(SortSupportData) * Max(shape->nkeys, 1));
	for (int k = 0; k < shape->nkeys; k++)
	{
		parked->order[k].ssup_cxt = parked->prepared;
		parked->order[k].ssup_collation = shape->key_collations[k];
		PrepareSortSupportFromOrderingOp(shape->key_before[k], &parked->order[k]);
	}
	parked->sorted = palloc(sizeof(ParkedKey *) * Max(list_length(parked->keys), 1));
	foreach(lc, parked->keys)
	{
		if (shape->nkeys > 0 && read_key(shape, lfirst(lc)))
			parked->sorted[parked->n++] = lfirst(lc);
	}
	qsort_arg(parked->sorted, parked->n, sizeof(ParkedKey *), compare_keys, parked);
	parked->shape_id = shape->id;
	MemoryContextSwitchTo(old);
}

/* Called for each row: nearly all of them lie before the first, or behind the last. */
char **
dbsync_parked_find(DbsyncParkedKeys *parked, const Datum *key)
{
	int			low = 0;
	int			high = parked->n - 1;

	if (parked->n == 0 || compare_values(parked, key, parked->sorted[high]->values) > 0)
		return NULL;
	while (low <= high)
	{
		int			middle = low + (high - low) / 2;
		int			order = compare_values(parked, key, parked->sorted[middle]->values);

		if (order == 0)
			return parked->sorted[middle]->text;
		if (order < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return NULL;
}

char **
dbsync_parked_find_written(DbsyncParkedKeys *parked, const DbsyncTableShape *shape, char *const *key)
{
	Datum		values[INDEX_MAX_KEYS];

	dbsync_owner_check();
	for (int k = 0; k < shape->nkeys; k++)
	{
		if (key[k] == NULL || !read_value(shape, k, key[k], &values[k]))
			return NULL;
	}
	return dbsync_parked_find(parked, values);
}

const Datum *
dbsync_parked_values(const DbsyncParkedKeys *parked, char **key)
{
	for (int i = 0; i < parked->n; i++)
	{
		if (parked->sorted[i]->text == key)
			return parked->sorted[i]->values;
	}
	return NULL;
}

void
dbsync_parked_catch(DbsyncParkedKeys *parked, const DbsyncRow *row, int ncolumns)
{
	MemoryContext old = MemoryContextSwitchTo(parked->caught_context);
	CaughtRow  *caught = palloc0(sizeof(CaughtRow));

	if (parked->file == NULL)
		parked->file = dbsync_row_file_create();
	caught->row.kind = row->kind;
	caught->row.count = 1;
	caught->row.parked = row->parked;
	caught->ncolumns = ncolumns;
	caught->place = dbsync_row_file_put(parked->file, row, ncolumns);
	parked->caught = lappend(parked->caught, caught);
	MemoryContextSwitchTo(old);
}

int
dbsync_parked_caught(const DbsyncParkedKeys *parked)
{
	return list_length(parked->caught);
}

void
dbsync_parked_read(DbsyncParkedKeys *parked, int at, DbsyncRow *row)
{
	const CaughtRow *caught = list_nth(parked->caught, at);

	*row = caught->row;
	dbsync_row_file_get(parked->file, caught->place, row, caught->ncolumns);
}

void
dbsync_parked_forget_caught(DbsyncParkedKeys *parked)
{
	if (parked->file != NULL)
		dbsync_row_file_close(parked->file);
	parked->file = NULL;
	parked->caught = NIL;
	MemoryContextReset(parked->caught_context);
}
