/*-------------------------------------------------------------------------
 *
 * worker/source/timestamp.h
 *	  Reading the rows of a table that were written since a moment, by a column that says so.
 *
 * All run on the active snapshot, as the table's owner (dbsync_owner_begin()); the table was locked
 * before that snapshot.  Errors if the column is not there any more, or of another type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_TIMESTAMP_H
#define DBSYNC_WORKER_SOURCE_TIMESTAMP_H

#include "worker/relay.h"
#include "worker/table.h"

/* How many rows there are, "limit" at most, by the column's index; -1: there is none to be had. */
extern int64 dbsync_timestamp_count(const DbsyncTable *table, TimestampTz from, TimestampTz now, int64 limit);

/*
 * Put the rows whose column says "from" or later into a relay of kind ROWS or KEYS, in any order, until the
 * driver refuses one (the relay knows).  now: what the clock says, for columns without a time zone.
 */
extern void dbsync_timestamp_read(const DbsyncTable *table, TimestampTz from, TimestampTz now,
								  DbsyncRelayWhat what, DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SOURCE_TIMESTAMP_H */
