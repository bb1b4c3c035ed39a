/*-------------------------------------------------------------------------
 *
 * worker/copy/chunk.h
 *	  Reading a range of a table itself, in the order of its key.
 *
 * All run on the active snapshot, which must be the one of the batch.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_CHUNK_H
#define DBSYNC_WORKER_COPY_CHUNK_H

#include "extension/owner.h"
#include "worker/relay.h"
#include "worker/table.h"

/* a range that is being read */
typedef struct DbsyncChunk DbsyncChunk;

/*
 * Chunks are opened and read between this and dbsync_owner_end(): as the table's owner.
 * Error unless the role, the subscription's owner, may read every row of it.
 */
extern void dbsync_chunk_begin_reading(DbsyncOwner *saved, DbsyncTable *table, Oid role);

/*
 * The next "limit" rows behind the key "after" (as text; NULL: from the start), or
 * their keys, for the relay.
 */
extern DbsyncChunk *dbsync_chunk_open(const DbsyncTable *table, char **after, int64 limit,
									  DbsyncRelayWhat what, DbsyncRelay *relay);

/* All rows of the table, in no order: as they lie, which is faster where they do not lie in that of the key. */
extern DbsyncChunk *dbsync_chunk_open_whole(const DbsyncTable *table, DbsyncRelayWhat what, DbsyncRelay *relay);

/*
 * Send so many rows more; false when there are no more, or the driver has refused
 * one (the relay knows).  0: all of them.
 */
extern bool dbsync_chunk_read(DbsyncChunk *chunk, int64 rows);

extern void dbsync_chunk_close(DbsyncChunk *chunk);

/*
 * Where such a chunk ends: the key of its last row, as text; NULL when fewer than
 * "limit" rows are left.  Looks at the index alone, where it can.
 */
extern char **dbsync_chunk_find_end(const DbsyncTable *table, char **after, int64 limit);

/* The key of the last row that the relay got, as text; NULL if none.  As anybody. */
extern char **dbsync_chunk_last_key(DbsyncTable *table, DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_COPY_CHUNK_H */
