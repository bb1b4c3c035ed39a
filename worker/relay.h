/*-------------------------------------------------------------------------
 *
 * worker/relay.h
 *	  From the source's executor to the driver, row by row, nothing kept.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RELAY_H
#define DBSYNC_WORKER_RELAY_H

#include "tcop/dest.h"

#include "worker/subscription.h"
#include "worker/target/target.h"

typedef struct DbsyncRelay DbsyncRelay;

/*
 * A receiver for a query that yields the table's columns in their order, with
 * dbsync_op before them if with_op.  Rows go to the driver between its
 * rows_begin and rows_end, which are the caller's.  Allocates in
 * CurrentMemoryContext, which must outlive the query.
 */
extern DbsyncRelay *dbsync_relay_create(DbsyncTarget *target,
										const DbsyncTable *table, bool with_op);

extern DestReceiver *dbsync_relay_receiver(DbsyncRelay *relay);

/* Rows passed on; false if the driver refused one (then its fault is set). */
extern bool dbsync_relay_result(DbsyncRelay *relay, int64 *rows);

/* Key of the last row, as text, nkeys of them; NULL if there was none. */
extern char **dbsync_relay_last_key(DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_RELAY_H */
