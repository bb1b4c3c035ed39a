/*-------------------------------------------------------------------------
 *
 * worker/subscription_segments.h
 *	  The segments of a subscription's tables, and the shapes of what is in them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SUBSCRIPTION_SEGMENTS_H
#define DBSYNC_WORKER_SUBSCRIPTION_SEGMENTS_H

#include "worker/subscription.h"

/*
 * Read them for a subscription whose tables have been read, with SPI connected; those of "old" (or NULL) are its
 * own, until all is read, where no segment, and no table, is another.
 */
extern void dbsync_subscription_read_segments(DbsyncSubscription *subscription,
											  const DbsyncSubscription *old, const char *id);

/* Say for each table of which shape it is now, by the segments that were read. */
extern void dbsync_subscription_take_shapes(DbsyncSubscription *subscription);

#endif							/* DBSYNC_WORKER_SUBSCRIPTION_SEGMENTS_H */
