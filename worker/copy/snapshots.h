/*-------------------------------------------------------------------------
 *
 * worker/copy/snapshots.h
 *	  When tables are compared with the target: capture => 'snapshot'.
 *
 * A process of its own compares (worker/verify), which worker/run/snapshotting.h starts; the worker sends what it has found.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_SNAPSHOTS_H
#define DBSYNC_WORKER_COPY_SNAPSHOTS_H

#include "worker/table.h"
#include "worker/work.h"

/* The one that is due first, if tickets up to "asked" were drawn, or NULL. */
extern DbsyncTable *dbsync_snapshots_due(const DbsyncWork *work, uint64 asked);

/*
 * Error if the target cannot be compared, its rows come from elsewhere, or the target checks foreign keys of it: what cannot be known
 * before, or may have changed since it was added.
 */
extern void dbsync_snapshots_check(const DbsyncWork *work, const DbsyncTable *table);

/* Before its first chunk, open at the target: are there rows, which are not to be emptied?  Then it is compared, and none is copied. */
extern bool dbsync_snapshots_look(DbsyncWork *work, DbsyncTable *table);

#endif							/* DBSYNC_WORKER_COPY_SNAPSHOTS_H */
