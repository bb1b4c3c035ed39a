/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/orphans.h
 *	  PostgreSQL driver: staged rows that lead to rows which are not there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_ORPHANS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_ORPHANS_H

#include "worker/driver/postgres/internal.h"

/*
 * Rows of these tables (DbsyncTargetTable) wait in their stages for rows_together().  Those that lead, by a foreign key of the
 * target's, to a row that is neither there nor staged are taken out again, and those that lead to them; found() is called for each, with its table
 * and the text of its key.
 */
extern bool dbsync_postgres_orphans_leave(PostgresTarget *target, const List *tables,
										  void (*found) (void *arg, const DbsyncTargetTable *table, const char *const *key),
										  void *arg);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_ORPHANS_H */
