/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/header.c
 *	  Stored headers: their parts, the rows that they carry, and the cut made of them.
 *
 * Input: how many bytes are parts (two bytes), the parts, the carried rows.
 *
 *-------------------------------------------------------------------------
 */
#include "extension/log/header.c"

#include "worker/source/cut.h"
#include "fuzz/parsers/shim.h"

static bool
wants(int captured_id, int segment_id, void *arg)
{
	return captured_id % 3 != 0;
}

/* What was read once is written as it is read again. */
static void
check_written_again(const DbsyncHeader *header)
{
	DbsyncHeader again;

	decode_parts(dbsync_packed_open(form_parts(header), header->xid), &again);
	fuzz_check(again.nparts == header->nparts);
	for (int i = 0; i < again.nparts; i++)
	{
		const DbsyncPart *a = &header->parts[i];
		const DbsyncPart *b = &again.parts[i];

		fuzz_check(a->captured_id == b->captured_id && a->segment_id == b->segment_id);
		fuzz_check(a->inserts == b->inserts && a->updates == b->updates && a->deletes == b->deletes);
		fuzz_check(a->truncates == b->truncates && a->resolved == b->resolved);
		fuzz_check(a->statements == b->statements && a->marked == b->marked);
		fuzz_check(a->ranges.n == b->ranges.n);
		for (int r = 0; r < a->ranges.n; r++)
			fuzz_check(a->ranges.first[r] == b->ranges.first[r] &&
					   a->ranges.last[r] == b->ranges.last[r]);
	}
}

/* Whoever reads a segment by its ranges meets each block once. */
static void
check_ranges(const DbsyncCutSegment *segment)
{
	for (int i = 0; i < segment->n; i++)
	{
		fuzz_check(segment->first[i] <= segment->last[i]);
		fuzz_check(i == 0 || segment->first[i] > segment->last[i - 1]);
	}
}

/* Bytes in a place of their own: who reads on behind them is seen. */
static DbsyncPacked
packed_from(const char *data, Size size)
{
	DbsyncPacked packed;

	packed.at = memcpy(palloc(size), data, size);
	packed.end = packed.at + size;
	packed.xid = 4711;
	return packed;
}

void
fuzz_one(const char *data, Size size)
{
	DbsyncHeader header = {.xid = 4711};
	DbsyncCutRequest request = {.wants = wants};
	DbsyncCut	cut = {0};
	Size		nparts;
	ListCell   *lc;
	ListCell   *ls;

	if (size < 2)
		return;
	nparts = Min(((uint8) data[0] << 8) + (uint8) data[1], size - 2);
	decode_parts(packed_from(data + 2, nparts), &header);
	check_written_again(&header);
	decode_carried(packed_from(data + 2 + nparts, size - 2 - nparts), &header);

	/* a cut of two such transactions */
	dbsync_cut_add(&cut, &header, 0, &request);
	dbsync_cut_add(&cut, &header, 1, &request);
	dbsync_cut_finish(&cut);
	foreach(lc, cut.tables)
	{
		DbsyncCutTable *table = lfirst(lc);

		dbsync_cut_table_is_distinct(table);
		dbsync_cut_table_carried(table);
		foreach(ls, table->segments)
			check_ranges(lfirst(ls));
	}
	dbsync_cut_free(&cut);
}
