/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/between.h
 *	  PostgreSQL driver: rows that go in front of others, in a COPY.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_BETWEEN_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_BETWEEN_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

extern void dbsync_postgres_rows_go_between(DbsyncTarget *base);

/* A row has been added to the frame, behind "from"; shall it wait? */
extern bool dbsync_postgres_between_row(PostgresTarget *target, int from);

/* Let go those that wait. */
extern bool dbsync_postgres_between_end(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_BETWEEN_H */
