/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/statements.h
 *	  PostgreSQL driver: the text of the statements that every connection has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_STATEMENTS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_STATEMENTS_H

#include "worker/driver/postgres/internal.h"

/* Write the text of them all, as a connection has been made: nothing may be queued before. */
extern void dbsync_postgres_write_statements(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_STATEMENTS_H */
