/*-------------------------------------------------------------------------
 *
 * worker/receive/receipt.h
 *	  What goes back to the source: one line that says how far the target has come, and what is missing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_RECEIPT_H
#define DBSYNC_WORKER_RECEIVE_RECEIPT_H

#include "worker/receive/receive.h"

/*
 * Write the receipt, if it says something new, or the last one is old.  What it says that the target has is on its disk: see
 * dbsync_target_confirm().  Outside a transaction.
 */
extern void dbsync_receipt_write(DbsyncReceiving *receiving);

/* Numbers that are missing, "3-5,9", palloc'd; "" where none is: what has not come for long, if others behind it have. */
extern char *dbsync_receipt_missing(const DbsyncReceiving *receiving);

/* The file that it is in, palloc'd. */
extern char *dbsync_receipt_path(const DbsyncReceiver *receiver);

#endif							/* DBSYNC_WORKER_RECEIVE_RECEIPT_H */
