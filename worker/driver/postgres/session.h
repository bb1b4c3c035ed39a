/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/session.h
 *	  PostgreSQL driver: the driver itself, as the list of drivers names it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_SESSION_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_SESSION_H

#include "worker/driver/driver.h"

extern const DbsyncDriver dbsync_postgres_driver;

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_SESSION_H */
