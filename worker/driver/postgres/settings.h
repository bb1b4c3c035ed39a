/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/settings.h
 *	  PostgreSQL driver: the connection option "options", set as late as is safe.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_SETTINGS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_SETTINGS_H

#include "worker/driver/postgres/internal.h"

/*
 * Set what "options" says, where it was not sent along with the password.  False:
 * fault set.
 */
extern bool dbsync_postgres_set_options(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_SETTINGS_H */
