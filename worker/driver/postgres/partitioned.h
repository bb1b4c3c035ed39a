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
 * Can a unique index of the table have just these columns (unique)?  Not if partitions go by others.
 * And is there a plain one that begins with them (plain)?  False: the target has refused to say.
 */
extern bool dbsync_postgres_ask_indexes(PostgresTarget *target, const DbsyncTableSpec *spec,
										int n, const char **columns, bool *unique, bool *plain);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_PARTITIONED_H */
