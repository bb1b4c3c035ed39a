/*-------------------------------------------------------------------------
 *
 * worker/receive/shape.h
 *	  Is a table of one bundle that of another?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_SHAPE_H
#define DBSYNC_WORKER_RECEIVE_SHAPE_H

#include "worker/bundle/bundle.h"

/*
 * The same table in the same shape: all that somebody who has looked it up relies on.  Its fingerprint is only what the source says of
 * that, so it is not enough.
 */
extern bool dbsync_shape_is_same(const DbsyncBundleTable *a, const DbsyncBundleTable *b);

/* What is compared, in CurrentMemoryContext. */
extern DbsyncBundleTable *dbsync_shape_copy(const DbsyncBundleTable *table);

#endif							/* DBSYNC_WORKER_RECEIVE_SHAPE_H */
