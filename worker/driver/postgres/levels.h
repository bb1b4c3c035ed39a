/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/levels.h
 *	  PostgreSQL driver: in which order rows are updated that take values from one another.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_LEVELS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_LEVELS_H

#include "worker/driver/postgres/internal.h"

/*
 * Rows of a stage that take a unique value which another one of them has in the table so far: mark them there, and set
 * one->levels.  Above 0: those of level 0 are to be updated first, of level 1 then, and so on.
 */
extern bool dbsync_postgres_find_levels(PostgresTarget *target, PostgresTogether *one);

/* What makes an update from the stage one of that level. */
extern char *dbsync_postgres_level_sql(const PostgresTogether *one, int level);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_LEVELS_H */
