/*-------------------------------------------------------------------------
 *
 * worker/source/pick.h
 *	  A cut's rows of one table that are not all wanted, or not as they lie.
 *
 * A reader, for dbsync_read_cut() only: the one for all that the others do not take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_PICK_H
#define DBSYNC_WORKER_SOURCE_PICK_H

#include "worker/relay.h"
#include "worker/source/reader.h"

extern int64 dbsync_pick_read(const DbsyncReading *reading, DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SOURCE_PICK_H */
