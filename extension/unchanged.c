/*-------------------------------------------------------------------------
 *
 * extension/unchanged.c
 *	  Large values that an UPDATE left untouched.
 *
 * The new version of a row points to the same out-of-line value as the old one
 * when the UPDATE did not touch the column.  Such a value is not written to the
 * segment, which would copy it: the row says instead that the column stays what it
 * was.  Two values that are equal but do not lie in the same place are none of our
 * business, and values inside the row are always written.
 *
 * Why that is enough to go by: rows of a key are folded in the order of capture,
 * and where that may not be the order of truth a whole row follows at commit
 * (truth.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "extension/unchanged.h"

static bool
is_key(const DbsyncEntry *entry, int column)
{
	for (int k = 0; k < entry->nkeys; k++)
	{
		if (entry->keys[k] == column)
			return true;
	}
	return false;
}

/* a vector as int2vector's input function makes it, but empty */
static int2vector *
make_vector(int room)
{
	int2vector *vector = palloc0(offsetof(int2vector, values) + room * sizeof(int16));

	vector->ndim = 1;
	vector->dataoffset = 0;
	vector->elemtype = INT2OID;
	vector->lbound1 = 0;
	return vector;
}

void
dbsync_unchanged_learn(DbsyncEntry *entry)
{
	entry->nlarge = 0;
	entry->large = palloc(Max(entry->ncolumns, 1) * sizeof(int));
	entry->last_large = 0;
	for (int i = 0; i < entry->ncolumns; i++)
	{
		AttrNumber	attno = entry->columns[i];

		if (TupleDescAttr(entry->desc, attno - 1)->attlen != -1 || is_key(entry, i))
			continue;
		entry->large[entry->nlarge++] = i;
		entry->last_large = attno;
	}
	entry->same = make_vector(entry->nlarge);
}

/* Is it certain, without a look at the values, that none is out of line? */
static bool
has_nothing_outside(TupleTableSlot *slot)
{
	MinimalTuple tuple;

	if (!TTS_IS_MINIMALTUPLE(slot))
		return false;
	tuple = ((MinimalTupleTableSlot *) slot)->mintuple;
	return tuple != NULL && (tuple->t_infomask & HEAP_HASEXTERNAL) == 0;
}

static bool
same_place(Datum old, Datum new)
{
	const char *a = DatumGetPointer(old);
	const char *b = DatumGetPointer(new);

	return VARATT_IS_EXTERNAL_ONDISK(a) && VARATT_IS_EXTERNAL_ONDISK(b) &&
		memcmp(VARDATA_EXTERNAL(a), VARDATA_EXTERNAL(b), sizeof(varatt_external)) == 0;
}

int2vector *
dbsync_unchanged_find(DbsyncEntry *entry, TupleTableSlot *old, TupleTableSlot *new)
{
	int2vector *same = entry->same;
	int			n = 0;

	if (entry->nlarge == 0 || has_nothing_outside(old) || has_nothing_outside(new))
		return NULL;
	slot_getsomeattrs(old, entry->last_large);
	slot_getsomeattrs(new, entry->last_large);
	for (int i = 0; i < entry->nlarge; i++)
	{
		int			at = entry->columns[entry->large[i]] - 1;

		if (!old->tts_isnull[at] && !new->tts_isnull[at] &&
			same_place(old->tts_values[at], new->tts_values[at]))
			same->values[n++] = entry->large[i] + 1;
	}
	if (n == 0)
		return NULL;
	same->dim1 = n;
	SET_VARSIZE(same, offsetof(int2vector, values) + n * sizeof(int16));
	return same;
}
