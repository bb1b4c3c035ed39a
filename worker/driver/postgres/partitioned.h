/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/partitioned.h
 *	  PostgreSQL driver: target tables that are partitioned, or partitions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_PARTITIONED_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_PARTITIONED_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/*
 * Refused if the table has another one of the same subscription above or below it: two
 * would write the same rows.  The spec is the one that it is opened by, which names the others.
 */
extern bool dbsync_postgres_check_apart(PostgresTarget *target, const DbsyncTargetTable *table,
										const DbsyncTableSpec *spec);

/*
 * Can a unique index have just the key's columns, which have these numbers in the table?  Not if
 * partitions go by others; false: the target has refused to say.
 */
extern bool dbsync_postgres_ask_unique(PostgresTarget *target, const DbsyncTargetTable *table,
									   const int *attnums, bool *can);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_PARTITIONED_H */
