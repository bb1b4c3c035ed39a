/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/bound.h
 *	  PostgreSQL driver: rows that the bound of one of the source's partitions is true of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_BOUND_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_BOUND_H

#include "worker/driver/postgres/internal.h"

extern bool dbsync_postgres_delete_where(DbsyncTarget *base, DbsyncTargetTable *table,
										 const DbsyncTableSpec *spec, const char *condition);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_BOUND_H */
