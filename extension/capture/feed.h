/*-------------------------------------------------------------------------
 *
 * extension/capture/feed.h
 *	  Captured rows of which no trigger of ours has told.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_FEED_H
#define DBSYNC_EXTENSION_CAPTURE_FEED_H

#include "executor/tuptable.h"
#include "extension/capture/append.h"
#include "utils/rel.h"

/* a feed under way; lives on the caller's stack */
typedef struct DbsyncFeed
{
	Relation	rel;			/* the captured table; the caller has it open, and locked as writers do */
	DbsyncAppend append;
	bool		begun;			/* it has taken a row */
} DbsyncFeed;

/*
 * Rows of a captured table, put into its log in the current transaction: begin, row by row, end.
 * One table at a time.  Who may is for the caller to know.  CurrentMemoryContext must live until the end.
 */
extern void dbsync_feed_begin(DbsyncFeed *feed, Relation rel);

/*
 * A row as the table has it, with an operation of log/segment.h; of DELETE and KEY the key is enough.  The
 * same key may come again.  False if the table is not captured (any more): nothing was put.
 */
extern bool dbsync_feed_put(DbsyncFeed *feed, char op, TupleTableSlot *slot);

extern void dbsync_feed_end(DbsyncFeed *feed);

#endif							/* DBSYNC_EXTENSION_CAPTURE_FEED_H */
