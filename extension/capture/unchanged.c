/*-------------------------------------------------------------------------
 *
 * extension/capture/unchanged.c
 *	  Large values that an UPDATE left untouched.
 *
 * Untouched is a value that lies in the same place out of line in both versions of
 * the row, or that both have inside, byte for byte the same, and is long enough for
 * the comparison to be worth it.  Such a value is not written to the segment, which
 * would copy it (and the WAL, and the wire): the row says instead that the column
 * stays what it was.
 *
 * Why that is enough to go by: rows of a key are folded in the order of capture,
 * and where that may not be the order of truth a whole row follows at commit
 * (dbsync_recheck_doubts()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "extension/capture/form.h"
#include "extension/capture/unchanged.h"

/*
 * A value inside the row is large from so many bytes on.  What is left out has to be
 * put together again at the target, which only pays for what would weigh more than
 * the rest of a captured row.
 */
#define LARGE	256

static bool
is_key(const DbsyncShape *shape, int column)
{
	for (int k = 0; k < shape->nkeys; k++)
	{
		if (shape->keys[k] == column)
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
dbsync_unchanged_learn(DbsyncShape *shape)
{
	shape->nlarge = 0;
	shape->large = palloc(Max(shape->ncolumns, 1) * sizeof(int));
	shape->last_large = 0;
	for (int i = 0; i < shape->ncolumns; i++)
	{
		AttrNumber	attno = shape->columns[i];

		if (TupleDescAttr(shape->desc, attno - 1)->attlen != -1 || is_key(shape, i))
			continue;
		shape->large[shape->nlarge++] = i;
		shape->last_large = Max(shape->last_large, attno);
	}
	shape->same = make_vector(shape->nlarge);
}

/* Is it certain, without a look at the values, that none is large? */
static bool
has_nothing_large(TupleTableSlot *slot)
{
	DbsyncSource row = dbsync_form_stored(slot);

	return row.header != NULL && row.data < LARGE &&
		(row.header->t_infomask & HEAP_HASEXTERNAL) == 0;
}

static bool
is_large(Datum value)
{
	const char *v = DatumGetPointer(value);

	return VARATT_IS_EXTERNAL(v) ? VARATT_IS_EXTERNAL_ONDISK(v) : VARSIZE_ANY(v) >= LARGE;
}

/* Both large: are they the same? */
static bool
same_value(Datum old, Datum new)
{
	const char *a = DatumGetPointer(old);
	const char *b = DatumGetPointer(new);

	if (VARATT_IS_EXTERNAL(a) != VARATT_IS_EXTERNAL(b))
		return false;
	if (VARATT_IS_EXTERNAL(a))
		return memcmp(VARDATA_EXTERNAL(a), VARDATA_EXTERNAL(b), sizeof(varatt_external)) == 0;
	return VARSIZE_ANY(a) == VARSIZE_ANY(b) && memcmp(a, b, VARSIZE_ANY(a)) == 0;
}

static bool
is_untouched(AttrNumber attno, const List *assigned, TupleTableSlot *old, TupleTableSlot *new)
{
	int			at = attno - 1;

	if (new->tts_isnull[at] || !is_large(new->tts_values[at]))
		return false;
	if (assigned != NIL && !list_member_int(assigned, attno))
		return true;
	slot_getsomeattrs(old, attno);
	return !old->tts_isnull[at] && is_large(old->tts_values[at]) &&
		same_value(old->tts_values[at], new->tts_values[at]);
}

int2vector *
dbsync_unchanged_find(DbsyncShape *shape, const List *assigned,
					  TupleTableSlot *old, TupleTableSlot *new)
{
	int2vector *same = shape->same;
	int			n = 0;

	if (shape->nlarge == 0 || has_nothing_large(new))
		return NULL;
	slot_getsomeattrs(new, shape->last_large);
	for (int i = 0; i < shape->nlarge; i++)
	{
		if (is_untouched(shape->columns[shape->large[i]], assigned, old, new))
			same->values[n++] = shape->large[i] + 1;
	}
	if (n == 0)
		return NULL;
	same->dim1 = n;
	SET_VARSIZE(same, offsetof(int2vector, values) + n * sizeof(int16));
	return same;
}
