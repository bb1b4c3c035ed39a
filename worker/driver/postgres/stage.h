/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/stage.h
 *	  PostgreSQL driver: temporary tables from which rows are written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_STAGE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_STAGE_H

#include "worker/driver/postgres/internal.h"

/* Have a stage, and have it empty. */
extern bool dbsync_postgres_stage_make(PostgresTarget *target, DbsyncTargetTable *table, PostgresStageKind kind);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_STAGE_H */
