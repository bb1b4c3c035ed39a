/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/change.h
 *	  PostgreSQL driver: a table's columns and key become what they are at the source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_CHANGE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_CHANGE_H

#include "worker/driver/driver.h"

extern DbsyncTargetTable *dbsync_postgres_table_change(DbsyncTarget *base, DbsyncTargetTable *before,
													   const DbsyncTableSpec *spec, List *changes,
													   int how);

/* text of POSTGRES_LOOK_AT_CHANGED */
extern const char *dbsync_postgres_look_at_changed_sql(void);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_CHANGE_H */
