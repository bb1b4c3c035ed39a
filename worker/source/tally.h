/*-------------------------------------------------------------------------
 *
 * worker/source/tally.h
 *	  A cut's rows of a table without a key: how many of each come and go.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_TALLY_H
#define DBSYNC_WORKER_SOURCE_TALLY_H

#include "worker/relay.h"
#include "worker/source/reader.h"

/* The reader of such rows, if they are to be folded; see DbsyncReader. */
extern bool dbsync_tally_applies(const DbsyncReading *reading);
extern int64 dbsync_tally_read(const DbsyncReading *reading, DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SOURCE_TALLY_H */
