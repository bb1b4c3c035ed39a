/*-------------------------------------------------------------------------
 *
 * worker/copy/connections.h
 *	  Further connections to the target, for the first copies of large tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_CONNECTIONS_H
#define DBSYNC_WORKER_COPY_CONNECTIONS_H

#include "worker/copy/chunk.h"
#include "worker/driver/driver.h"
#include "worker/relay.h"
#include "worker/table.h"
#include "worker/work.h"

/* one of them, and the range of keys that goes over it with the batch */
typedef struct DbsyncSide
{
	DbsyncTarget *target;
	MemoryContext context;		/* of the connection */
	DbsyncTargetTable *handle;	/* the table being copied, as looked up there, ... */
	const DbsyncTargetTable *of;	/* beside this one on the main connection, */
	int			captured_id;	/* which is that of this table, */
	uint64		generation;		/* under this configuration */

	bool		begun;			/* has a batch; the rest means nothing else */
	bool		ending;			/* that batch is being committed */
	char	  **after;			/* key behind which its range begins */
	int64		limit;			/* rows that it has at most */
	DbsyncChunk *chunk;
	DbsyncRelay *relay;
} DbsyncSide;

/*
 * Before a batch, outside a transaction: as many connections as are wanted for the
 * table that is copied next, if it is worth it.  What is not to be had is done
 * without.
 */
extern void dbsync_connections_prepare(DbsyncWork *work);

/* Has a batch failed over one of them by this kind of fault? */
extern bool dbsync_connections_fault_is(const DbsyncWork *work, DbsyncFaultKind kind);

/* Or because a row was refused for what it is? */
extern bool dbsync_connections_refuse_row(const DbsyncWork *work);

/* Close all connections but the first "keep"; what was not committed is rolled back. */
extern void dbsync_connections_close(DbsyncWork *work, int keep);

/*
 * Begin a batch on each connection, with the ranges that follow the next chunk of
 * the table; stops where the table ends.  Between dbsync_chunk_begin_reading() and
 * dbsync_owner_end(), behind the main connection's fence.  Returns how many rows that
 * next chunk has at most.
 */
extern int64 dbsync_connections_begin(DbsyncWork *work, DbsyncTable *table);

/* How many of so many rows a chunk of this size takes in its turn. */
extern long dbsync_connections_share(long rows, int64 limit);

/*
 * Send some rows of each range whose connection has room for them, with "wait" of
 * one at least; *sent is set if there were any.  False when there are no more.
 */
extern bool dbsync_connections_send(DbsyncWork *work, long rows, bool wait, bool *sent);

/*
 * The next of these batches, once everything before it has been committed: have its
 * rows end.  Returns the connection, and how far its range has come; NULL: no more.
 */
extern DbsyncSide *dbsync_connections_next(DbsyncWork *work, DbsyncTable *table,
										   char ***last_key, int64 *rows);

#endif							/* DBSYNC_WORKER_COPY_CONNECTIONS_H */
