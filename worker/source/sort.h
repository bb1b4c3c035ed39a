/*-------------------------------------------------------------------------
 *
 * worker/source/sort.h
 *	  A cut's rows of one table that headers carry, folded in memory.
 *
 * A reader, for dbsync_read_cut() only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_SORT_H
#define DBSYNC_WORKER_SOURCE_SORT_H

#include "worker/relay.h"
#include "worker/source/reader.h"

/* Are all rows carried and in memory, and is nothing to be done but to fold them? */
extern bool dbsync_sort_applies(const DbsyncReading *reading);

/* Send the last row of each key to the relay, in the order of the keys. */
extern int64 dbsync_sort_read(const DbsyncReading *reading, DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SOURCE_SORT_H */
