/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/ranges.h
 *	  PostgreSQL driver: keys to delete that follow one another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_RANGES_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_RANGES_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* Can the table's keys be taken as ranges? */
extern bool dbsync_postgres_ranges_apply(const DbsyncTargetTable *table);

extern bool dbsync_postgres_ranges_put(PostgresTarget *target, const DbsyncRow *row);
extern bool dbsync_postgres_ranges_end(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_RANGES_H */
