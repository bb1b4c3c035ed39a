/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/copy.h
 *	  PostgreSQL driver: the large road, rows by COPY.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_COPY_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_COPY_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

extern bool dbsync_postgres_copy_begin(PostgresTarget *target);
extern bool dbsync_postgres_copy_row(PostgresTarget *target, const DbsyncRow *row);
extern bool dbsync_postgres_copy_end(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_COPY_H */
