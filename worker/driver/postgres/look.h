/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/look.h
 *	  PostgreSQL driver: what the target's catalogs say about a table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_LOOK_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_LOOK_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* Fill in a table from the target's catalogs and check it against its spec. */
extern bool dbsync_postgres_look(PostgresTarget *target, DbsyncTargetTable *table);

/* text of POSTGRES_LOOK_AT_TABLE */
extern const char *dbsync_postgres_look_at_table_sql(void);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_LOOK_H */
