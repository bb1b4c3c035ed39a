/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/create.h
 *	  PostgreSQL driver: tables that are missing are made, and their indexes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_CREATE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_CREATE_H

#include "worker/driver/driver.h"

/* what the driver's functions of the same names are: see DbsyncDriver */
extern List *dbsync_postgres_create_sql(const DbsyncTableSpec *spec, List *changes);
extern bool dbsync_postgres_table_create(DbsyncTarget *base, const DbsyncTableSpec *spec, List *changes,
										 const char *maker, bool *made);
extern char *dbsync_postgres_index_sql(const DbsyncTableSpec *spec, const DbsyncIndex *index);
extern bool dbsync_postgres_index_create(DbsyncTarget *base, const DbsyncTableSpec *spec, const DbsyncIndex *index,
										 DbsyncIndexOutcome *outcome, const char **words);
extern bool dbsync_postgres_table_complete(DbsyncTarget *base, const DbsyncTableSpec *spec, const char *maker);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_CREATE_H */
