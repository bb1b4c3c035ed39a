/*-------------------------------------------------------------------------
 *
 * extension/log/header.h
 *	  Transaction headers: one row per transaction that captured anything.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_LOG_HEADER_H
#define DBSYNC_EXTENSION_LOG_HEADER_H

#include "access/htup.h"
#include "access/tupdesc.h"
#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "extension/log/packed.h"
#include "extension/log/ranges.h"

/* what a transaction wrote into one segment */
typedef struct DbsyncPart
{
	int			captured_id;
	int			segment_id;
	int64		inserts;
	int64		updates;
	int64		deletes;
	int64		truncates;
	int64		resolved;

	/*
	 * Captures that wrote here; one that may hold a row twice counts as two.  So
	 * 1 and a single kind of row prove that no key occurs twice in this part.
	 * May be too high, never too low.
	 */
	int64		statements;
	int64		marked;			/* updates that do not have all columns */
	int64		keys;			/* of these, rows KEY, which have the key alone */
	int64		turns;			/* rows of dbsync.turn: changes of the table among these rows */
	DbsyncRanges ranges;
} DbsyncPart;

typedef struct DbsyncHeader
{
	uint64		xid;
	XLogRecPtr	closing;
	TimestampTz time;
	TimestampTz server_start;
	const char *route;			/* NULL: made on this database; a route as in dbsync_route_contains() */
	int64		rows;
	int64		bytes;
	int			nparts;
	DbsyncPart *parts;
	DbsyncPacked carried;		/* rows that it takes along; for dbsync_carried_next() */
} DbsyncHeader;

/* column numbers of a header segment */
#define DBSYNC_HEADER_XID			1
#define DBSYNC_HEADER_CLOSING		2
#define DBSYNC_HEADER_TIME			3
#define DBSYNC_HEADER_SERVER_START	4
#define DBSYNC_HEADER_ROUTE			5
#define DBSYNC_HEADER_ROLE			6
#define DBSYNC_HEADER_APPLICATION	7
#define DBSYNC_HEADER_TAG			8
#define DBSYNC_HEADER_ROWS			9
#define DBSYNC_HEADER_BYTES			10
#define DBSYNC_HEADER_PARTS			11
#define DBSYNC_HEADER_CARRIED		12
#define DBSYNC_HEADER_NATTS			12

/*
 * Lock the active header segment to the end of the transaction, so that the
 * lock is not first waited for inside COMMIT.
 */
extern void dbsync_header_lock(void);

/*
 * Write the current transaction's header.  The caller fills in xid, rows, bytes,
 * parts and carried; closing is taken here, so nothing may be captured afterwards.
 */
extern void dbsync_header_write(DbsyncHeader *header);

/* Take a stored header row apart; allocates in CurrentMemoryContext. */
extern void dbsync_header_decode(HeapTuple tuple, TupleDesc desc, DbsyncHeader *header);

#endif							/* DBSYNC_EXTENSION_LOG_HEADER_H */
