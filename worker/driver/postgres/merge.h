/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/merge.h
 *	  PostgreSQL driver: the large road, from a stage to its table by sets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_MERGE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_MERGE_H

#include "worker/driver/postgres/internal.h"

/* Merge what has been copied to the stage, according to the rows' mode: queued. */
/* Get the session ready for a statement of one's own over a stage that has so many rows: queued. */
extern bool dbsync_postgres_merge_prepare_for(PostgresTarget *target, const DbsyncTargetTable *table,
											  PostgresStageKind stage, int64 rows);

extern bool dbsync_postgres_merge_begin(PostgresTarget *target, PostgresStageKind stage);

/*
 * From here on the transaction's joins are made by hash, whatever the planner likes better;
 * "off": as it likes.  With memory for one.  Queued.
 */
extern bool dbsync_postgres_merge_by_hash(PostgresTarget *target, bool on);

/* Wait for a merge that is under way, and insert the rows that it has not found. */
extern bool dbsync_postgres_merge_finish(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_MERGE_H */
