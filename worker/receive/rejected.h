/*-------------------------------------------------------------------------
 *
 * worker/receive/rejected.h
 *	  Files that were refused, and why: kept for people, for a while.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_REJECTED_H
#define DBSYNC_WORKER_RECEIVE_REJECTED_H

#include "worker/receive/receive.h"

/* Put a copy of ours among them, with the name that the file had and the reason beside it; the oldest go.  NULL: an empty file is in its place. */
extern void dbsync_rejected_put(const DbsyncReceiver *receiver, const char *copy, const char *name, const char *reason);

#endif							/* DBSYNC_WORKER_RECEIVE_REJECTED_H */
