/*-------------------------------------------------------------------------
 *
 * worker/receive/receiver_config.h
 *	  Reading what a receiver is told, and writing down how far it has come.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_RECEIVER_CONFIG_H
#define DBSYNC_WORKER_RECEIVE_RECEIVER_CONFIG_H

#include "worker/receive/receive.h"

/*
 * Read it, in a context of its own below "parent".  NULL: there is no such receiver, or no extension.  In no transaction;
 * runs one.
 */
extern DbsyncReceiver *dbsync_receiver_read(MemoryContext parent, int id);

/* From now on it is for this subscription alone (own transaction). */
extern void dbsync_receiver_write_subscription(DbsyncReceiving *receiving, const pg_uuid_t *subscription);

/* Write down where the target is (own transaction), for people, and for when the target has been put back. */
extern void dbsync_receiver_write_progress(DbsyncReceiving *receiving);

/* The count of the next receipt: the second, and more than that of the last one (own transaction). */
extern int64 dbsync_receiver_count_receipt(DbsyncReceiving *receiving);

/* Public keys, as the catalog has them (text[], none of them null), in this context.  One that cannot be read was one when it was given. */
extern List *dbsync_receiver_keys(MemoryContext context, Datum array);

/* The chains that are known, as the catalog has them (bigint[], none of them null), in this context; and how many. */
extern int64 *dbsync_receiver_chains(MemoryContext context, Datum array, int *n);

/* Is this one of them? */
extern bool dbsync_receiver_is_among(const int64 *chains, int n, int64 chain);

/* Leave it stopped, as its process crashes again and again (own transaction). */
extern void dbsync_receiver_leave_stopped(int id, const char *note);

#endif							/* DBSYNC_WORKER_RECEIVE_RECEIVER_CONFIG_H */
