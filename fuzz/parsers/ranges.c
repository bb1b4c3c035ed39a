/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/ranges.c
 *	  Block ranges of a header: whatever blocks come, all are covered by a few ranges.
 *
 * Input: block numbers of four bytes each.
 *
 *-------------------------------------------------------------------------
 */
#include "extension/log/header.c"

#include "fuzz/parsers/shim.h"

static bool
covers(const DbsyncRanges *ranges, BlockNumber block)
{
	for (int i = 0; i < ranges->n; i++)
	{
		if (block >= ranges->first[i] && block <= ranges->last[i])
			return true;
	}
	return false;
}

void
fuzz_one(const char *data, Size size)
{
	const int	n = size / sizeof(BlockNumber);
	BlockNumber *blocks = palloc(size);
	DbsyncRanges ranges = {0};

	memcpy(blocks, data, size);
	for (int i = 0; i < n; i++)
	{
		if (blocks[i] == InvalidBlockNumber)
			continue;
		dbsync_ranges_add(&ranges, blocks[i]);
		fuzz_check(ranges.n >= 1 && ranges.n <= DBSYNC_MAX_RANGES);
		for (int r = 0; r < ranges.n; r++)
		{
			fuzz_check(ranges.first[r] <= ranges.last[r]);
			fuzz_check(r == 0 || ranges.first[r] > ranges.last[r - 1]);
		}
		for (int b = 0; b <= i; b++)
			fuzz_check(blocks[b] == InvalidBlockNumber || covers(&ranges, blocks[b]));
	}
}
