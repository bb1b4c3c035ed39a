/*-------------------------------------------------------------------------
 *
 * extension/capture/comparison.h
 *	  Comparing a captured table with its shadow, and making the shadow the same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_COMPARISON_H
#define DBSYNC_EXTENSION_CAPTURE_COMPARISON_H

#include "extension/capture/feed.h"
#include "utils/relcache.h"

/*
 * Compare a table with its shadow (dbsync_shadow_open()), both locked by the caller, as they are now, by their keys' indexes.
 * What the table has and the shadow has not goes into the shadow, and to the feed (NULL: nobody is told), in the current
 * transaction.  exact: what is equal and has other bytes is another value, too.  Returns how many rows differed; error if
 * several rows have one key.
 */
extern int64 dbsync_comparison_run(Relation rel, Relation shadow, Oid key_index, Oid shadow_index, bool exact, DbsyncFeed *feed);

#endif							/* DBSYNC_EXTENSION_CAPTURE_COMPARISON_H */
