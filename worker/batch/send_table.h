/*-------------------------------------------------------------------------
 *
 * worker/batch/send_table.h
 *	  One table's rows of a cut, and in which mode they go to the target.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_SEND_TABLE_H
#define DBSYNC_WORKER_BATCH_SEND_TABLE_H

#include "worker/batch/choose.h"
#include "worker/driver/driver.h"
#include "worker/source/source.h"

/* Rows between two places; 0: from the beginning, to the end.  The table is open at the target. */
extern void dbsync_send_table(DbsyncBatch *batch, DbsyncCutTable *cut_table, int64 after, int64 before);

/*
 * The steps of that, for who sends rows in parts.  begin: the table is the current one until
 * end; returns how all of its changes are read.
 */
extern DbsyncReadCut dbsync_send_begin(DbsyncBatch *batch, DbsyncTable *table, const DbsyncCutTable *cut_table,
									   int64 after, int64 before);
extern void dbsync_send_end(DbsyncBatch *batch);

/*
 * Does the batch try each row of the table, as some may be refused?  Not of one whose values can take along rows that lead to
 * them, as one goes to another row: these are written by one statement, or not at all.
 */
extern bool dbsync_send_doubts(const DbsyncBatch *batch, const DbsyncTable *table);

/* Of the cut's rows those that the subscription sends. */
extern DbsyncCutTable dbsync_send_count(const DbsyncTable *table, const DbsyncCutTable *cut_table);

/* Are they inserts alone, of keys that cannot be there? */
extern bool dbsync_send_appends(const DbsyncBatch *batch, const DbsyncTable *table,
								const DbsyncCutTable *cut_table);

/* Read once and send in a mode; returns how many rows came, also those that were left out. */
extern int64 dbsync_send_rows(DbsyncBatch *batch, const DbsyncCutTable *cut_table, DbsyncRowsMode mode,
							  const DbsyncReadCut *how);

/* All are deleted, and what remains is inserted. */
extern void dbsync_send_replaced(DbsyncBatch *batch, const DbsyncCutTable *cut_table, DbsyncReadCut changes);

/*
 * Of a table without a key.  As its rows cannot be told apart, none is sent in another way
 * because rows have clashed.  What: all changes, or those that are gone first, and those that remain later.
 */
extern void dbsync_send_keyless(DbsyncBatch *batch, const DbsyncCutTable *cut_table, int64 after, int64 before,
								DbsyncRelayWhat what);

#endif							/* DBSYNC_WORKER_BATCH_SEND_TABLE_H */
