/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/connect.h
 *	  PostgreSQL driver: from options to a connection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_CONNECT_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_CONNECT_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/*
 * Make target->conn from the options and check that a password was used if one
 * is required.  False: fault set.
 */
extern bool dbsync_postgres_connect(PostgresTarget *target,
									const DbsyncTargetConfig *config);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_CONNECT_H */
