/*-------------------------------------------------------------------------
 *
 * worker/last_key.c
 *	  The key of the last row of a chunk: the next one begins behind it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "worker/last_key.h"

#include "extension/compat.h"

struct DbsyncLastKey
{
	const DbsyncTableShape *shape;
	const int  *place;
	TupleDesc	desc;
	Datum	   *values;			/* per key column */
	MemoryContext context;		/* of the values; reset for each row */
};

DbsyncLastKey *
dbsync_last_key_create(const DbsyncTableShape *shape, const int *place, TupleDesc desc)
{
	DbsyncLastKey *key = palloc0(sizeof(DbsyncLastKey));

	key->shape = shape;
	key->place = place;
	key->desc = CreateTupleDescCopy(desc);
	key->values = palloc(sizeof(Datum) * Max(shape->nkeys, 1));
	key->context = AllocSetContextCreate(CurrentMemoryContext, "dbsync key", ALLOCSET_SMALL_SIZES);
	return key;
}

void
dbsync_last_key_remember(DbsyncLastKey *key, const TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(key->context);

	MemoryContextReset(key->context);
	for (int k = 0; k < key->shape->nkeys; k++)
	{
		int			column = key->place[key->shape->keys[k]];
		Form_pg_attribute att = TupleDescAttr(key->desc, column);

		key->values[k] = datumCopy(slot->tts_values[column], att->attbyval, att->attlen);
	}
	MemoryContextSwitchTo(old);
}

char **
dbsync_last_key_text(const DbsyncLastKey *key)
{
	char	  **text = palloc(sizeof(char *) * Max(key->shape->nkeys, 1));

	for (int k = 0; k < key->shape->nkeys; k++)
	{
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(TupleDescAttr(key->desc, key->place[key->shape->keys[k]])->atttypid, &function, &varlena);
		text[k] = OidOutputFunctionCall(function, key->values[k]);
	}
	return text;
}
