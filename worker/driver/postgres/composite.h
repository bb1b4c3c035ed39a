/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/composite.h
 *	  PostgreSQL driver: composite types get the attributes that they have at the source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_COMPOSITE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_COMPOSITE_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/*
 * One type, in transactions of its own; with "make", or false with the fault set if it lacks something.  depth: -1 the one
 * that has the source's name, else what is in those of its places that lie so many types deep.
 */
extern bool dbsync_postgres_row_type_follow(PostgresTarget *target, const DbsyncRowType *row_type, int depth, bool make);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_COMPOSITE_H */
