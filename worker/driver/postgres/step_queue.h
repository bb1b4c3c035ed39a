/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/step_queue.h
 *	  PostgreSQL driver: how statements are put into the pipeline; for those who queue steps.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_STEP_QUEUE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_STEP_QUEUE_H

#include "worker/driver/postgres/internal.h"

/* False, with the fault set, where the connection is lost; so it is with those below. */
extern bool dbsync_postgres_enter_pipeline(PostgresTarget *target);

/* The statement that has just been sent is a step of this kind, of a table or none. */
extern void dbsync_postgres_add_step(PostgresTarget *target, PostgresStepKind kind,
									 const DbsyncTargetTable *table);

/* Queue the preparation of a statement under a name. */
extern bool dbsync_postgres_queue_prepare(PostgresTarget *target, const DbsyncTargetTable *table,
										  const char *name, const char *sql, int nparams,
										  const Oid *types);

/* Queue one that is prepared.  Lengths and formats as libpq wants them: NULL for text. */
extern bool dbsync_postgres_queue_prepared(PostgresTarget *target, PostgresStepKind kind,
										   const DbsyncTargetTable *table, const char *name,
										   int nparams, const char *const *values,
										   const int *lengths, const int *formats);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_STEP_QUEUE_H */
