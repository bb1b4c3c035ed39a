/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/options.h
 *	  Which options a target of each driver takes, and where.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_OPTIONS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_OPTIONS_H

#include "worker/driver/driver.h"

/*
 * Ours, of a PostgreSQL target: tables there are taken though they have BEFORE ROW
 * triggers that fire for our sessions.
 */
#define DBSYNC_POSTGRES_BEFORE_TRIGGERS	"before_triggers"

/* As DbsyncDriver.options: the list of the libpq at hand, and ours. */
extern const DbsyncOption *dbsync_postgres_options(void);

/* As DbsyncDriver.parse_uri. */
extern List *dbsync_postgres_parse_uri(const char *uri);

/* May this option be handed to libpq? */
extern bool dbsync_postgres_is_libpq_option(const char *keyword);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_OPTIONS_H */
