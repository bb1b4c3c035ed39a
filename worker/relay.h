/*-------------------------------------------------------------------------
 *
 * worker/relay.h
 *	  From the source's tables to the driver, row by row, nothing kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RELAY_H
#define DBSYNC_WORKER_RELAY_H

#include "tcop/dest.h"

#include "extension/shmem.h"
#include "worker/driver/driver.h"
#include "worker/relay_what.h"
#include "worker/row_screen.h"
#include "worker/shape.h"
#include "worker/table.h"

/*
 * A receiver for rows of the table in this shape, which is open at the target as "handle".
 * They go to the driver between its rows_begin and rows_end, which are the
 * caller's.  Allocates in CurrentMemoryContext, which must outlive the reading.  Rows
 * are put into it as the table's owner (dbsync_owner_begin()), as output functions run.
 */
extern DbsyncRelay *dbsync_relay_create(DbsyncTarget *target, const DbsyncTargetTable *handle,
										const DbsyncTable *table,
										const DbsyncTableShape *shape, DbsyncRelayWhat what);

/*
 * Where the rows that come have the columns (counted from 0), when they have others
 * beside them; dbsync_op is the first.  The array must live as long as the relay.
 */
extern void dbsync_relay_place(DbsyncRelay *relay, const int *at);

extern DestReceiver *dbsync_relay_receiver(DbsyncRelay *relay);

/*
 * What becomes of rows that the table's filter is not true of: deleted are those that the target may have,
 * in modes that can; else they are left out.
 */
extern void dbsync_relay_delete_filtered(DbsyncRelay *relay);

/* Rows that the screen says no of are not encoded any further, and do not go to the driver.  It must live as long as the relay. */
extern void dbsync_relay_screen(DbsyncRelay *relay, const DbsyncRowScreen *screen);

/* Nothing goes to the driver in binary form: what it takes so, goes as text. */
extern void dbsync_relay_send_text(DbsyncRelay *relay);

/* Rows whose keys are parked at the target are caught (dbsync_parked_catch()), and do not go to the driver. */
extern void dbsync_relay_catch_parked(DbsyncRelay *relay);

/* Columns of the rows that come next that stay as they are at the target; NULL: none. */
extern void dbsync_relay_set_unchanged(DbsyncRelay *relay, const bool *unchanged);

/* How many of the rows that come next are meant, mode COUNT; 1 unless it is set. */
extern void dbsync_relay_set_count(DbsyncRelay *relay, int64 count);

/*
 * No more rows come: lets go of what is open for the time that they do.  After an error the transaction's
 * end does it.
 */
extern void dbsync_relay_end(DbsyncRelay *relay);

/* Rows that came, also those left out; false if the driver refused one (then its fault is set). */
extern bool dbsync_relay_result(DbsyncRelay *relay, int64 *rows);

/* The same in numbers. */
extern DbsyncFlow dbsync_relay_flow(const DbsyncRelay *relay);

/* How many of them were rows to be written, and not deletions, nor left out; also those that were caught. */
extern int64 dbsync_relay_written(const DbsyncRelay *relay);

/* Bytes of a row that came, on average; at least 1. */
extern int64 dbsync_relay_row_size(const DbsyncRelay *relay);

/*
 * Of a chunk: key of the last row, as text, nkeys of them; NULL if there was none.  As
 * the table's owner.
 */
extern char **dbsync_relay_last_key(DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_RELAY_H */
