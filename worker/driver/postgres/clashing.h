/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/clashing.h
 *	  PostgreSQL driver: doubted rows that were in one another's way, or in others'.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_CLASHING_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_CLASHING_H

#include "worker/driver/postgres/internal.h"

/* Of these rows (PostgresDoubted) all that fit are written, and the others' keys are parked. */
extern bool dbsync_postgres_clashing_write(PostgresTarget *target, List *rows);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_CLASHING_H */
