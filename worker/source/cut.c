/*-------------------------------------------------------------------------
 *
 * worker/source/cut.c
 *	  Putting a cut together: what its headers say of each table, added up.
 *
 * Transactions mostly write right behind one another, so their block ranges are
 * joined as they come, and once more, sorted, when all are known: each block is read
 * once.  Rows that headers carry are kept beside them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "miscadmin.h"

#include "extension/log/carried.h"
#include "extension/log/packed.h"
#include "worker/source/cut.h"
#include "worker/source/members.h"
#include "worker/source/source.h"

static DbsyncCutSegment *
cut_segment(DbsyncCutTable *table, int segment_id)
{
	DbsyncCutSegment *segment;
	ListCell   *lc;

	foreach(lc, table->segments)
	{
		segment = lfirst(lc);
		if (segment->segment_id == segment_id)
			return segment;
	}
	segment = palloc0(sizeof(DbsyncCutSegment));
	segment->segment_id = segment_id;
	segment->allocated = 8;
	segment->first = palloc(sizeof(BlockNumber) * segment->allocated);
	segment->last = palloc(sizeof(BlockNumber) * segment->allocated);
	table->segments = lappend(table->segments, segment);
	return segment;
}

/*
 * Add a range.  Most transactions write right behind the one before, so the
 * newest range usually just grows.
 */
static void
add_range(DbsyncCutSegment *segment, BlockNumber first, BlockNumber last)
{
	int			n = segment->n;

	if (n > 0 && first >= segment->first[n - 1] &&
		(uint64) first <= (uint64) segment->last[n - 1] + 1)
	{
		segment->last[n - 1] = Max(segment->last[n - 1], last);
		return;
	}
	if (n == segment->allocated)
	{
		segment->allocated *= 2;
		segment->first = repalloc(segment->first, sizeof(BlockNumber) * segment->allocated);
		segment->last = repalloc(segment->last, sizeof(BlockNumber) * segment->allocated);
	}
	segment->first[n] = first;
	segment->last[n] = last;
	segment->n++;
}

/* The table's rows of this shape (0: of any), or NULL. */
static DbsyncCutTable *
find_table(const DbsyncCut *cut, int captured_id, int shape_id)
{
	ListCell   *lc;

	foreach(lc, cut->tables)
	{
		DbsyncCutTable *table = lfirst(lc);

		if (table->captured_id == captured_id && (shape_id == 0 || table->shape_id == shape_id))
			return table;
	}
	return NULL;
}

static DbsyncCutTable *
cut_table(DbsyncCut *cut, int captured_id, int shape_id)
{
	DbsyncCutTable *table = find_table(cut, captured_id, shape_id);

	if (table != NULL)
		return table;
	table = palloc0(sizeof(DbsyncCutTable));
	table->captured_id = captured_id;
	table->shape_id = shape_id;
	cut->tables = lappend(cut->tables, table);
	return table;
}

/*
 * How much of a segment's carried rows may stay in memory, in kB: of the segments of a
 * cut each gets half of what the one before it got, so that all of them together stay below
 * twice the first's, however many there are.
 */
static int
memory_for(DbsyncCut *cut)
{
	const int	first = 24 * 1024;
	const int	least = 64;

	return Max(first >> Min(cut->nstores++, 20), least);
}

static void
keep_carried(DbsyncCut *cut, DbsyncCutSegment *segment, DbsyncCarriedRow *row, int rank)
{
	HeapTuple	tuple;

	if (segment->carried == NULL)
		segment->carried = tuplestore_begin_heap(false, false, memory_for(cut));
	row->no = dbsync_members_place(rank, row->no);
	tuple = dbsync_carried_tuple(row);
	tuplestore_puttuple(segment->carried, tuple);
	heap_freetuple(tuple);
	segment->ncarried++;
}

/*
 * Keep the rows that the header carries of its parts' segments; NULL: not wanted.  They
 * are few for one header and may be many for all, so they go where they can go to disk.
 * Their number becomes their place in the cut.
 */
static void
add_carried(DbsyncCut *cut, DbsyncCutSegment **segments, const DbsyncHeader *header, int rank)
{
	DbsyncPacked packed = header->carried;
	DbsyncCarriedRow row;

	while (dbsync_carried_next(&packed, &row))
	{
		for (int i = 0; i < header->nparts; i++)
		{
			if (segments[i] != NULL && segments[i]->segment_id == row.segment_id)
			{
				keep_carried(cut, segments[i], &row, rank);
				break;
			}
		}
	}
}

void
dbsync_cut_free(DbsyncCut *cut)
{
	ListCell   *lc;
	ListCell   *ls;

	foreach(lc, cut->tables)
		foreach(ls, ((DbsyncCutTable *) lfirst(lc))->segments)
	{
		DbsyncCutSegment *segment = lfirst(ls);

		if (segment->carried != NULL)
			tuplestore_end(segment->carried);
		segment->carried = NULL;
	}
}

bool
dbsync_cut_goes_on(const DbsyncCut *cut, const DbsyncHeader *header,
				   const DbsyncCutRequest *request)
{
	if (cut->turns > 0)
		return false;
	for (int i = 0; cut->rows > 0 && i < header->nparts; i++)
	{
		const DbsyncPart *part = &header->parts[i];
		int			shape_id = request->shape_of(part, request->arg);
		const DbsyncCutTable *table = find_table(cut, part->captured_id, 0);

		if (shape_id != 0 &&
			(part->turns > 0 || (table != NULL && table->shape_id != shape_id)))
			return false;
	}
	return true;
}

bool
dbsync_cut_add(DbsyncCut *cut, const DbsyncHeader *header, int rank,
			   const DbsyncCutRequest *request)
{
	DbsyncCutSegment **segments = palloc0(sizeof(DbsyncCutSegment *) * header->nparts);
	bool		in_segments = false;

	for (int i = 0; i < header->nparts; i++)
	{
		const DbsyncPart *part = &header->parts[i];
		int			shape_id = request->shape_of(part, request->arg);
		DbsyncCutTable *table;
		DbsyncCutSegment *segment;

		if (shape_id == 0)
			continue;
		table = cut_table(cut, part->captured_id, shape_id);
		table->inserts += part->inserts;
		table->updates += part->updates;
		table->deletes += part->deletes;
		table->truncates += part->truncates;
		table->resolved += part->resolved;
		table->statements += part->statements;
		table->marked += part->marked;
		table->keys += part->keys;
		table->turns += part->turns;
		cut->turns += part->turns;
		if (part->turns > 0)
		{
			cut->turn_xid = header->xid;
			cut->turn_rank = rank;
		}
		cut->rows += part->inserts + part->updates + part->deletes +
			part->truncates + part->resolved;
		segment = segments[i] = cut_segment(table, part->segment_id);
		for (int r = 0; r < part->ranges.n; r++)
			add_range(segment, part->ranges.first[r], part->ranges.last[r]);
		in_segments |= part->ranges.n > 0;
	}
	add_carried(cut, segments, header, rank);
	pfree(segments);
	return in_segments;
}

int64
dbsync_cut_table_carried(const DbsyncCutTable *table)
{
	int64		n = 0;
	ListCell   *lc;

	foreach(lc, table->segments)
		n += ((DbsyncCutSegment *) lfirst(lc))->ncarried;
	return n;
}

/*
 * Of one statement, and of one kind: a statement touches a row once, and rows
 * that come and go under one key in it are of two kinds.
 */
bool
dbsync_cut_table_is_distinct(const DbsyncCutTable *table)
{
	int64		rows = dbsync_cut_table_rows(table);

	return rows <= 1 ||
		(table->statements == 1 && table->truncates == 0 &&
		 (rows == table->inserts || rows == table->updates || rows == table->deletes));
}

typedef struct Range
{
	BlockNumber first;
	BlockNumber last;
} Range;

static int
compare_ranges(const void *a, const void *b)
{
	BlockNumber x = ((const Range *) a)->first;
	BlockNumber y = ((const Range *) b)->first;

	return x < y ? -1 : (x > y ? 1 : 0);
}

/* sort and join a segment's ranges, so that each block is read once */
static void
normalize_ranges(DbsyncCutSegment *segment)
{
	Range	   *ranges = palloc(sizeof(Range) * segment->n);
	int			n = segment->n;

	for (int i = 0; i < n; i++)
	{
		ranges[i].first = segment->first[i];
		ranges[i].last = segment->last[i];
	}
	qsort(ranges, n, sizeof(Range), compare_ranges);
	segment->n = 0;
	for (int i = 0; i < n; i++)
		add_range(segment, ranges[i].first, ranges[i].last);
	pfree(ranges);
}

/* A table's shapes have their numbers in the order in which it took them. */
static int
compare_shapes(const ListCell *a, const ListCell *b)
{
	return ((const DbsyncCutTable *) lfirst(a))->shape_id - ((const DbsyncCutTable *) lfirst(b))->shape_id;
}

void
dbsync_cut_finish(DbsyncCut *cut)
{
	ListCell   *lc;
	ListCell   *ls;

	if (cut->turns > 0)
		list_sort(cut->tables, compare_shapes);

	foreach(lc, cut->tables)
		foreach(ls, ((DbsyncCutTable *) lfirst(lc))->segments)
			normalize_ranges(lfirst(ls));
}
