/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/binary.h
 *	  PostgreSQL driver: which values may travel in binary form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_BINARY_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_BINARY_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* Is the binary form of this built-in type the same in all majors we speak to? */
extern bool dbsync_postgres_is_binary_type(const PostgresTarget *target, Oid type);

/* All in binary form, or all as text. */
extern const DbsyncForm *dbsync_postgres_table_forms(const DbsyncTargetTable *table);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_BINARY_H */
