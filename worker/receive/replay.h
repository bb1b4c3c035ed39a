/*-------------------------------------------------------------------------
 *
 * worker/receive/replay.h
 *	  Playing a batch to the target: all of its bundles in one transaction there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RECEIVE_REPLAY_H
#define DBSYNC_WORKER_RECEIVE_REPLAY_H

#include "worker/receive/cache.h"
#include "worker/receive/next.h"
#include "worker/receive/receive.h"

/*
 * Play the batch that comes next; receiving->place is behind it then.  Where another chain begins with it, the ledger begins
 * anew before.  Runs in a transaction of its own; what is refused is raised, and the target's fault says more.
 */
extern void dbsync_replay(DbsyncReceiving *receiving, const DbsyncNext *next);

/* Handles are gone with the connection. */
extern void dbsync_replay_forget_tables(void);

#endif							/* DBSYNC_WORKER_RECEIVE_REPLAY_H */
