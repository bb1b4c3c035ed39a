/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/key.h
 *	  PostgreSQL driver: the unique index by which the target's rows are found.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_KEY_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_KEY_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/*
 * Find the index of the target's table that is the source's key, whose columns have these
 * numbers there.  Refused when there is none, or when it takes different keys for one.
 */
extern bool dbsync_postgres_look_at_key(PostgresTarget *target, DbsyncTargetTable *table,
										const int *attnums);

/* text of POSTGRES_LOOK_AT_KEY */
extern const char *dbsync_postgres_look_at_key_sql(void);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_KEY_H */
