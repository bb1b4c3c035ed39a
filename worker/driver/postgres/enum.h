/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/enum.h
 *	  PostgreSQL driver: enums get the labels that they have at the source, and composite types the
 *	  attributes (composite.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_ENUM_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_ENUM_H

#include "worker/driver/driver.h"

extern bool dbsync_postgres_types_follow(DbsyncTarget *base, List *enums, List *row_types, bool make);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_ENUM_H */
