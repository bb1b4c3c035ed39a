/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/careful.h
 *	  PostgreSQL driver: rows that are completed from the target's own, and take their place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_CAREFUL_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_CAREFUL_H

#include "worker/driver/postgres/internal.h"

/* rows_begin(): are rows of this mode taken so in this batch?  Then the rows' mode is PATCH from here on. */
extern void dbsync_postgres_careful_begin(PostgresTarget *target);

/* All of them are in the stage of patches: complete them, and write them, or have them wait for rows_together(). */
extern bool dbsync_postgres_careful_staged(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_CAREFUL_H */
