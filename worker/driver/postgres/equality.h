/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/equality.h
 *	  PostgreSQL driver: does the target tell apart what the source tells apart?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_EQUALITY_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_EQUALITY_H

#include "worker/driver/driver.h"


/*
 * Could the target take different keys of the source for one, in this column?  NULL:
 * no; else what its type, or collation, is.  The last three are those of its index.
 */
extern const char *dbsync_postgres_coarser(const DbsyncTargetTable *table, int column,
										   bool deterministic, const char *collation,
										   bool usual_operators);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_EQUALITY_H */
