/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/columns.h
 *	  PostgreSQL driver: the columns of the target's table, and whether they take what the source has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_COLUMNS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_COLUMNS_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/*
 * Look the table's columns up, by their names, and fill in what the driver has to know of
 * them; attnums: room for the numbers that they have there.  Refused when one is missing
 * or cannot take what comes.
 */
extern bool dbsync_postgres_look_at_columns(PostgresTarget *target, DbsyncTargetTable *table,
											int *attnums);

/* text of POSTGRES_LOOK_AT_COLUMNS */
extern const char *dbsync_postgres_look_at_columns_sql(void);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_COLUMNS_H */
