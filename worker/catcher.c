/*-------------------------------------------------------------------------
 *
 * worker/catcher.c
 *	  Rows on their way to the driver whose keys are parked: they are caught, to go alone.
 *
 * They go as text, since that is what people are shown of those that are refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/catcher.h"
#include "worker/encode.h"
#include "worker/parked.h"
#include "worker/target.h"

struct DbsyncCatcher
{
	const DbsyncTable *table;
	const DbsyncTableShape *shape;
	bool		keys_only;
	const int  *place;
	const int  *at;
	int			n;
	int			ncolumns;		/* of the target's table */
	DbsyncEncoder *encoder;
};

DbsyncCatcher *
dbsync_catcher_create(const DbsyncTable *table, const DbsyncTableShape *shape, bool keys_only, const int *place,
					  TupleDesc desc, const int *at, int n)
{
	DbsyncCatcher *catcher = palloc0(sizeof(DbsyncCatcher));

	dbsync_parked_prepare(table->parked, shape);
	catcher->table = table;
	catcher->shape = shape;
	catcher->keys_only = keys_only;
	catcher->place = place;
	catcher->at = at;
	catcher->n = n;
	catcher->ncolumns = table->sent ? table->nsent : shape->ncolumns;
	catcher->encoder = dbsync_encoder_create(desc, at, n, NULL);
	return catcher;
}

/* As the ledger has it; NULL: it is not parked. */
static char **
find_key(const DbsyncCatcher *catcher, const TupleTableSlot *came)
{
	const DbsyncTableShape *shape = catcher->shape;
	Datum		key[INDEX_MAX_KEYS];

	for (int k = 0; k < shape->nkeys; k++)
	{
		int			at = catcher->place[catcher->keys_only ? k : shape->keys[k]];

		if (came->tts_isnull[at])
			return NULL;
		key[k] = came->tts_values[at];
	}
	return dbsync_parked_find(catcher->table->parked, key);
}

/* Where the target's table has the i-th of the columns that are sent. */
static int
target_column(const DbsyncCatcher *catcher, int i)
{
	const DbsyncTable *table = catcher->table;
	int			column;

	if (!catcher->keys_only)
		return i;
	column = catcher->shape->keys[i];
	for (int c = 0; table->sent != NULL && c < table->nsent; c++)
	{
		if (table->sent[c] == column)
			return c;
	}
	return column;
}

bool
dbsync_catcher_catch(DbsyncCatcher *catcher, DbsyncRowKind kind, const TupleTableSlot *came, const TupleTableSlot *sent)
{
	DbsyncRow	row = {.kind = kind,.parked = find_key(catcher, came)};

	if (row.parked == NULL)
		return false;
	row.values = palloc0(sizeof(char *) * Max(catcher->ncolumns, 1));
	row.lengths = palloc0(sizeof(int) * Max(catcher->ncolumns, 1));
	for (int i = 0; i < catcher->n; i++)
	{
		int			to = target_column(catcher, i);

		if (!sent->tts_isnull[catcher->at[i]])
			row.values[to] = dbsync_encoder_value(catcher->encoder, i, sent->tts_values[catcher->at[i]], &row.lengths[to]);
	}
	dbsync_parked_catch(catcher->table->parked, &row, catcher->ncolumns);
	return true;
}

void
dbsync_catcher_send(DbsyncTarget *target, DbsyncTable *table)
{
	MemoryContext context;
	MemoryContext old;
	int			n = table->parked ? dbsync_parked_caught(table->parked) : 0;

	if (n == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "dbsync caught row", ALLOCSET_DEFAULT_SIZES);
	dbsync_target_rows_begin(target, table->handle, DBSYNC_ROWS_DOUBTED, n, "sending rows of parked keys");
	old = MemoryContextSwitchTo(context);
	for (int i = 0; i < n; i++)
	{
		DbsyncRow	row;

		dbsync_parked_read(table->parked, i, &row);
		if (!dbsync_target_try_rows_put(target, &row))
			dbsync_target_raise(target, "sending rows of parked keys");
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	dbsync_parked_forget_caught(table->parked);
	if (!dbsync_target_try_rows_end(target))
		dbsync_target_raise(target, "sending rows of parked keys");
}
