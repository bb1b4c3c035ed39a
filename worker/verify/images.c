/*-------------------------------------------------------------------------
 *
 * worker/verify/images.c
 *	  Comparing what is in buckets that differ: a list of each end, in the order of bytes, merged.
 *
 * Here it is sorted by us, on disk if there is much of it; there by the target, and fetched piece by piece.  So
 * memory does not grow with what differs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

#include "worker/target_compare.h"
#include "worker/verify/compare.h"
#include "worker/verify/guard.h"
#include "worker/verify/here.h"
#include "worker/verify/outcome.h"
#include "worker/verify/own_key.h"
#include "worker/verify/parked.h"

#include "extension/compat.h"

/* of rows that are at both ends, if so many are compared, and this part of them differ, nearly all do */
#define MANY_ROWS		100
#define NEARLY_ALL		0.9

/* of these a few are shown */
#define FEW_SHOWN		10

/* buckets that are listed to find that out */
#define FEW_BUCKETS		8

typedef struct Listed
{
	const char *image;
	int64		hash;
	int64		count;
	bool		more;			/* it is one; false: there are no more */
} Listed;

typedef struct Lister
{
	DbsyncVerify *v;
	bool		keyed;
	const uint8 *wanted;		/* buckets */
	Tuplesortstate *sort;
	TupleTableSlot *slot;		/* to put, */
	TupleTableSlot *next;		/* and to get */
	bool		has_next;		/* without a key: a row that is another one has been read already */
	Listed		here;
	Listed		there;
	StringInfoData image;		/* here's */
	int64		both;			/* rows of which both ends have one */
	List	   *candidates;
	MemoryContext scratch;
} Lister;

static void
begin(Lister *l)
{
	TupleDesc	desc = CreateTemplateTupleDesc(2);
	AttrNumber	columns[2] = {1, 2};
	Oid			operators[2] = {TextLessOperator, Int8LessOperator};
	Oid			collations[2] = {C_COLLATION_OID, InvalidOid};
	bool		nulls_first[2] = {false, false};

	TupleDescInitEntry(desc, 1, "image", TEXTOID, -1, 0);
	TupleDescInitEntryCollation(desc, 1, C_COLLATION_OID);
	TupleDescInitEntry(desc, 2, "hash", INT8OID, -1, 0);
	dbsync_finish_desc_compat(desc);
	l->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	l->next = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	l->sort = tuplesort_begin_heap(desc, 2, columns, operators, collations, nulls_first, work_mem, NULL, TUPLESORT_NONE);
	initStringInfo(&l->image);
	l->scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync verified key", ALLOCSET_SMALL_SIZES);
}

static bool
is_listed(const DbsyncVerify *v, int bucket, void *arg)
{
	const Lister *l = arg;

	return (l->wanted[bucket / 8] & (1 << (bucket % 8))) != 0;
}

static void
list_row(DbsyncVerify *v, void *arg)
{
	Lister	   *l = arg;
	const StringInfoData *image = dbsync_imager_listed(v->imager);

	ExecClearTuple(l->slot);
	l->slot->tts_values[0] = PointerGetDatum(cstring_to_text_with_len(image->data, image->len));
	l->slot->tts_values[1] = Int64GetDatum(l->keyed ? (int64) dbsync_imager_hash(v->imager) : 0);
	l->slot->tts_isnull[0] = l->slot->tts_isnull[1] = false;
	ExecStoreVirtualTuple(l->slot);
	tuplesort_puttupleslot(l->sort, l->slot);
}

static bool
fetch(Lister *l)
{
	if (!tuplesort_gettupleslot(l->sort, true, false, l->next, NULL))
		return false;
	slot_getallattrs(l->next);
	return true;
}

/* Is what has been fetched the same image as the one at hand? */
static bool
is_same(const Lister *l)
{
	const text *image = DatumGetTextPP(l->next->tts_values[0]);

	return (int) VARSIZE_ANY_EXHDR(image) == l->image.len && memcmp(VARDATA_ANY(image), l->image.data, l->image.len) == 0;
}

/* The next one here; of rows without a key all that are the same. */
static void
advance_here(Lister *l)
{
	const text *image;

	l->here.more = l->has_next || fetch(l);
	l->has_next = false;
	if (!l->here.more)
		return;
	image = DatumGetTextPP(l->next->tts_values[0]);
	resetStringInfo(&l->image);
	appendBinaryStringInfo(&l->image, VARDATA_ANY(image), VARSIZE_ANY_EXHDR(image));
	l->here.image = l->image.data;
	l->here.hash = DatumGetInt64(l->next->tts_values[1]);
	l->here.count = 1;
	if (l->keyed)
		return;
	while ((l->has_next = fetch(l)) && is_same(l))
		l->here.count++;
}

static void
advance_there(Lister *l)
{
	DbsyncReadRow row;

	l->there.more = dbsync_target_read_next(l->v->work->target, &row);
	l->there.image = row.image;
	l->there.hash = (int64) row.hash;
	l->there.count = row.count;
}

/* The key of an image, to be sent anew. */
static void
note_repair(Lister *l, DbsyncCandidateKind kind, const char *image)
{
	DbsyncVerify *v = l->v;
	MemoryContext old;
	char	  **key;
	char	  **own;

	if (!v->repairs || !l->keyed)
		return;
	old = MemoryContextSwitchTo(l->scratch);
	key = dbsync_image_values(image, v->spec.nkeys);
	own = dbsync_own_key_of(v, key);
	if (own != NULL || kind != DBSYNC_CANDIDATE_EXTRA)
		dbsync_outcome_repair(v, own ? own : key, kind == DBSYNC_CANDIDATE_EXTRA);
	else
		v->found.foreign++;
	MemoryContextSwitchTo(old);
	MemoryContextReset(l->scratch);
}

static bool
is_parked(Lister *l, const char *image)
{
	DbsyncVerify *v = l->v;
	MemoryContext old;
	char	  **own;
	bool		parked;

	if (v->parked == NULL || !l->keyed)
		return false;
	old = MemoryContextSwitchTo(l->scratch);
	own = dbsync_own_key_of(v, dbsync_image_values(image, v->spec.nkeys));
	parked = own != NULL && dbsync_verify_parked_has(v, own);
	MemoryContextSwitchTo(old);
	MemoryContextReset(l->scratch);
	return parked;
}

static void
differs(Lister *l, DbsyncCandidateKind kind, const char *listed, int64 count)
{
	DbsyncFindings *found = &l->v->found;
	char	   *image = dbsync_image_plain(&l->v->form, listed);
	DbsyncCandidate *candidate;
	bool		parked;

	if (dbsync_compare_is_kept(l->v, kind))
	{
		found->kept += count;
		pfree(image);
		return;
	}
	parked = is_parked(l, image);
	if (parked)
		found->parked += count;
	else
	{
		found->missing += kind == DBSYNC_CANDIDATE_MISSING ? count : 0;
		found->extra += kind == DBSYNC_CANDIDATE_EXTRA ? count : 0;
		found->different += kind == DBSYNC_CANDIDATE_DIFFERENT ? 1 : 0;
		note_repair(l, kind, image);
	}
	if (list_length(l->candidates) >= l->v->order.max_differences)
	{
		pfree(image);
		return;
	}
	candidate = palloc(sizeof(DbsyncCandidate));
	candidate->kind = kind;
	candidate->image = image;
	candidate->count = count;
	candidate->parked = parked;
	l->candidates = lappend(l->candidates, candidate);
}

/* At both ends: the same, or another row of one key, or more of it at one end. */
static void
compare_both(Lister *l)
{
	l->both++;
	if (l->keyed ? l->here.hash == l->there.hash : l->here.count == l->there.count)
		return;
	if (l->keyed)
		differs(l, DBSYNC_CANDIDATE_DIFFERENT, l->here.image, 1);
	else if (l->here.count > l->there.count)
		differs(l, DBSYNC_CANDIDATE_MISSING, l->here.image, l->here.count - l->there.count);
	else
		differs(l, DBSYNC_CANDIDATE_EXTRA, l->here.image, l->there.count - l->here.count);
}

static void
merge(Lister *l)
{
	advance_here(l);
	advance_there(l);
	while (l->here.more || l->there.more)
	{
		int			order = !l->here.more ? 1 : !l->there.more ? -1 : strcmp(l->here.image, l->there.image);

		dbsync_guard_look(l->v);
		if (order == 0)
			compare_both(l);
		else if (order < 0)
			differs(l, DBSYNC_CANDIDATE_MISSING, l->here.image, l->here.count);
		else
			differs(l, DBSYNC_CANDIDATE_EXTRA, l->there.image, l->there.count);
		if (order <= 0)
			advance_here(l);
		if (order >= 0)
			advance_there(l);
	}
}

/*
 * Both ends have the rows, and write nearly all of them in another way: then that is what is to be seen, and not each of
 * them.
 */
static void
judge_many(Lister *l)
{
	DbsyncFindings *found = &l->v->found;

	found->all_differ = l->both >= MANY_ROWS && found->different > l->both * NEARLY_ALL;
	if (found->all_differ)
		l->candidates = list_truncate(l->candidates, Min(list_length(l->candidates), FEW_SHOWN));
}

static List *
list_and_merge(DbsyncVerify *v, const uint8 *wanted)
{
	Lister		l = {.v = v, .keyed = v->spec.nkeys > 0, .wanted = wanted};
	DbsyncReadRequest request = {.what = DBSYNC_READ_IMAGES, .seed = v->seed, .buckets = v->buckets, .wanted = wanted,
		.longest = dbsync_imager_longest(v->imager)};

	begin(&l);
	dbsync_target_read_ask(v->work->target, v->handle, &request);
	dbsync_here_read(v, is_listed, list_row, &l);
	tuplesort_performsort(l.sort);
	merge(&l);
	if (v->repairs && l.keyed)
		dbsync_outcome_repair_end(v);
	tuplesort_end(l.sort);
	ExecDropSingleTupleTableSlot(l.slot);
	ExecDropSingleTupleTableSlot(l.next);
	MemoryContextDelete(l.scratch);
	judge_many(&l);
	return l.candidates;
}

/* So many of the buckets differ that a few of them are to tell, before all are listed, whether all rows do. */
static bool
seems_to_differ_altogether(const DbsyncVerify *v)
{
	return v->found.compared >= FEW_BUCKETS * 2 && v->found.differing > v->found.compared * NEARLY_ALL &&
		!v->keeps && v->spec.nkeys > 0 && !(v->repairs && v->may_differ);
}

/* True: nearly all rows differ; *candidates are a few of them. */
static bool
try_few(DbsyncVerify *v, List **candidates)
{
	uint8	   *few = palloc0(v->buckets / 8 + 1);
	DbsyncFindings before = v->found;
	bool		repairs = v->repairs;
	int			n = 0;

	for (int i = 0; i < v->below && n < FEW_BUCKETS; i++)
	{
		if ((v->wanted[i / 8] & (1 << (i % 8))) == 0)
			continue;
		few[i / 8] |= 1 << (i % 8);
		n++;
	}
	v->repairs = false;
	*candidates = list_and_merge(v, few);
	v->repairs = repairs;
	if (v->found.all_differ)
		return true;
	v->found = before;
	return false;
}

List *
dbsync_compare_images(DbsyncVerify *v)
{
	List	   *candidates;

	strlcpy(v->progress.phase, "listing", sizeof(v->progress.phase));
	/* on a schedule they are tried again */
	if (!v->order.scan)
		dbsync_verify_parked_read(v);
	if (seems_to_differ_altogether(v) && try_few(v, &candidates))
		return candidates;
	return list_and_merge(v, v->wanted);
}
