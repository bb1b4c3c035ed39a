/*-------------------------------------------------------------------------
 *
 * extension/capture/feed.c
 *	  Captured rows of which no trigger of ours has told.
 *
 * They go the way of all others, into the active segment or along with the header,
 * so who reads the log cannot tell them apart.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extension/capture/feed.h"

void
dbsync_feed_begin(DbsyncFeed *feed, Relation rel)
{
	feed->rel = rel;
	feed->begun = false;
}

bool
dbsync_feed_put(DbsyncFeed *feed, char op, TupleTableSlot *slot)
{
	/* nobody knows how many there are */
	const int64 unknown = 0;

	if (!feed->begun)
	{
		if (!dbsync_append_begin(&feed->append, feed->rel, unknown))
			return false;
		/* a key may come twice */
		feed->append.active.written->part.statements++;
		feed->begun = true;
	}
	dbsync_append_put(&feed->append, op, slot);
	return true;
}

void
dbsync_feed_end(DbsyncFeed *feed)
{
	if (feed->begun)
		dbsync_append_end(&feed->append);
	feed->begun = false;
}
