/*-------------------------------------------------------------------------
 *
 * worker/copy/copy.h
 *	  First copies: one chunk after the other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_COPY_H
#define DBSYNC_WORKER_COPY_COPY_H

#include "worker/driver/driver.h"
#include "worker/table.h"
#include "worker/work.h"

/*
 * Before their chunks: rows that the target had go, where that is wanted, and those of tables that
 * reference them.  All are open at the target.
 */
extern void dbsync_copy_empty(DbsyncWork *work, List *tables);

/*
 * Send the next chunk within the batch that is open; returns rows sent.  Unless it
 * goes alone, chunks that follow it go over the further connections.  Together: with those of
 * other tables, all of each, which wait for dbsync_target_rows_together().
 */
extern int64 dbsync_copy_send_chunk(DbsyncWork *work, DbsyncTable *table, bool alone, bool together);

/*
 * After that batch's commit: the next connection whose chunk is to be committed
 * now, as a batch of its own that lacks fence and ledger; NULL: there is none.
 */
extern DbsyncTarget *dbsync_copy_next_chunk(DbsyncWork *work, DbsyncTable *table, int64 *rows);

/* The target has committed all that the table's part says: tell people how much that is. */
extern void dbsync_copy_reach(const DbsyncWork *work, DbsyncTable *table);

#endif							/* DBSYNC_WORKER_COPY_COPY_H */
