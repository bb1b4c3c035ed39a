/*-------------------------------------------------------------------------
 *
 * worker/copy/room.h
 *	  Rows that a target has from another moment, and that are in the way of rows as of S.
 *
 * Where a table comes bit by bit, each bit as of another S, and nobody tells what has changed in between, the target has a mixture.  A unique
 * value beside the key can have moved from a row that it has to one that comes.  What is in the way is deleted, and its own key
 * is looked up and sent, too, in the same batch: so nothing is missing behind it, and two rows of the source that do have one
 * value are refused as ever.  Only what these find in their way in turn may come later.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_ROOM_H
#define DBSYNC_WORKER_COPY_ROOM_H

#include "worker/table.h"
#include "worker/work.h"

/*
 * Can room be made in the table, which is open at the target?  Not where rows of others may be there, where keys are checked, as they
 * could take along more, or where not all operations are sent.  Within a batch.
 */
extern bool dbsync_room_is_to_be_had(const DbsyncWork *work, const DbsyncTable *table);

/*
 * Within a batch, of a table that is locked: have rows that are in the way of those of these keys (a List of char **) deleted, and the
 * same of their own rows.  Returns the keys of rows that were, which are to be sent with the others; *left: keys of those that are to
 * be sent later.  All in CurrentMemoryContext.  Doubted: some may be rows that the target cannot hold, which need no room.
 */
extern List *dbsync_room_make(DbsyncWork *work, DbsyncTable *table, const List *keys, bool doubted, List **left);

/* The same, for rows that have come in mode CLEAR already. */
extern List *dbsync_room_follow(DbsyncWork *work, DbsyncTable *table, List **left);

/* Write rows of such keys, in place of which the target has nothing.  Returns how many the source has. */
extern int64 dbsync_room_fill(DbsyncWork *work, DbsyncTable *table, const List *keys);

#endif							/* DBSYNC_WORKER_COPY_ROOM_H */
