/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/together.h
 *	  PostgreSQL driver: rows of several tables, written by one statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_TOGETHER_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_TOGETHER_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* The rows that are being sent are in their table's stage: remember that. */
extern void dbsync_postgres_together_staged(PostgresTarget *target);

extern bool dbsync_postgres_rows_together(DbsyncTarget *base, bool clashed);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_TOGETHER_H */
