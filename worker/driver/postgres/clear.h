/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/clear.h
 *	  PostgreSQL driver: rows that are in the way of others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_CLEAR_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_CLEAR_H

#include "worker/driver/driver.h"

/* As the contract says of rows_clear(). */
extern bool dbsync_postgres_rows_clear(DbsyncTarget *base, DbsyncTargetTable *table, List *sets);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_CLEAR_H */
