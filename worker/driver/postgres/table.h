/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/table.h
 *	  PostgreSQL driver: tables that are open for writing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_TABLE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_TABLE_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

extern DbsyncTargetTable *dbsync_postgres_table_open(DbsyncTarget *base,
													 const DbsyncTableSpec *spec);

extern bool dbsync_postgres_tables_close(DbsyncTarget *base, List *tables);

/* Open it within a transaction that is open, for a table that was another one before. */
extern DbsyncTargetTable *dbsync_postgres_table_renew(PostgresTarget *target,
													  DbsyncTargetTable *before,
													  const DbsyncTableSpec *spec);
extern bool dbsync_postgres_table_lacks(DbsyncTarget *base, const DbsyncTableSpec *spec,
										bool *lacks);
extern bool dbsync_postgres_table_has_rows(DbsyncTarget *base, DbsyncTargetTable *table,
										   bool *has_rows);
extern bool dbsync_postgres_truncate(DbsyncTarget *base, DbsyncTargetTable **tables,
									 int ntables);

extern bool dbsync_postgres_table_takes_several(const DbsyncTargetTable *table);
extern bool dbsync_postgres_table_wants_replace(const DbsyncTargetTable *table, int64 rows);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_TABLE_H */
