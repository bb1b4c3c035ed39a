/*-------------------------------------------------------------------------
 *
 * extension/log/ranges.c
 *	  Ranges of blocks: where in a segment a transaction wrote.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extension/log/ranges.h"

/* Make room for one more range by joining the two that are nearest. */
static void
join_nearest(DbsyncRanges *ranges)
{
	BlockNumber least = InvalidBlockNumber;
	int			nearest = 0;

	for (int i = 0; i + 1 < ranges->n; i++)
	{
		BlockNumber between = ranges->first[i + 1] - ranges->last[i];

		if (between < least)
		{
			least = between;
			nearest = i;
		}
	}
	ranges->last[nearest] = ranges->last[nearest + 1];
	ranges->n--;
	for (int i = nearest + 1; i < ranges->n; i++)
	{
		ranges->first[i] = ranges->first[i + 1];
		ranges->last[i] = ranges->last[i + 1];
	}
}

/* Where the block belongs: how many ranges begin at or before it. */
static int
place_of(const DbsyncRanges *ranges, BlockNumber block)
{
	int			place = ranges->n;

	/* from the end, since rows are mostly appended */
	while (place > 0 && block < ranges->first[place - 1])
		place--;
	return place;
}

void
dbsync_ranges_add(DbsyncRanges *ranges, BlockNumber block)
{
	/* a gap that costs less to read than a range costs to keep */
	const BlockNumber gap = 8;
	int			place = place_of(ranges, block);

	if (place > 0 && block <= ranges->last[place - 1])
		return;
	if (place > 0 && block - ranges->last[place - 1] <= gap)
	{
		ranges->last[place - 1] = block;
		return;
	}
	if (place < ranges->n && ranges->first[place] - block <= gap)
	{
		ranges->first[place] = block;
		return;
	}
	if (ranges->n == DBSYNC_MAX_RANGES)
	{
		join_nearest(ranges);
		dbsync_ranges_add(ranges, block);
		return;
	}
	for (int i = ranges->n; i > place; i--)
	{
		ranges->first[i] = ranges->first[i - 1];
		ranges->last[i] = ranges->last[i - 1];
	}
	ranges->first[place] = ranges->last[place] = block;
	ranges->n++;
}
