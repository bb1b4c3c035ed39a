/*-------------------------------------------------------------------------
 *
 * worker/receive/attach.h
 *	  The two ends of a receiver: its folder, which nobody else may work on, and its target.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_ATTACH_H
#define DBSYNC_WORKER_RECEIVE_ATTACH_H

#include "worker/receive/receive.h"

/* Why a path cannot be a receiver's root; NULL: it can. */
extern const char *dbsync_receiver_root_problem(const char *path);

/* Why it cannot have this inbox: what is taken from there goes into folders of the root. */
extern const char *dbsync_receiver_inbox_problem(const char *root, const char *inbox);

/* Make the folders, and take the lock; error if another receiver has it, or the root cannot be one. */
extern void dbsync_receiver_open_folder(DbsyncReceiving *receiving);

/* Give it up: dbsync_receiver_open_folder() makes what is not there any more, and looks at all of it anew. */
extern void dbsync_receiver_close_folder(DbsyncReceiving *receiving);

/* Connect to the target if need be, and read where it is. */
extern void dbsync_receiver_attach(DbsyncReceiving *receiving);

/* Close the connection; the place is the catalog's then. */
extern void dbsync_receiver_detach(DbsyncReceiving *receiving);

#endif							/* DBSYNC_WORKER_RECEIVE_ATTACH_H */
