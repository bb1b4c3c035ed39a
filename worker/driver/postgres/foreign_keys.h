/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/foreign_keys.h
 *	  PostgreSQL driver: foreign keys that are checked as rows come.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_FOREIGN_KEYS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_FOREIGN_KEYS_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

extern bool dbsync_postgres_foreign_keys(DbsyncTarget *base, int ntables, const char **schemas,
										 const char **tables, bool *checked, List **keys);

/*
 * Keys that can be: have them checked with each statement from here on, and those that wait
 * for it now; or have all of them wait for the batch's end.  In a batch; nothing where there are none.
 */
extern bool dbsync_postgres_check_now(PostgresTarget *target);
extern bool dbsync_postgres_check_later(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_FOREIGN_KEYS_H */
