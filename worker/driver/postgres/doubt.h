/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/doubt.h
 *	  PostgreSQL driver: rows that may be refused for what they are, mode DOUBTED.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_DOUBT_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_DOUBT_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* Before a batch: nothing of the one before counts. */
extern void dbsync_postgres_doubt_forget(PostgresTarget *target);

/* As in the contract. */
extern bool dbsync_postgres_doubt(DbsyncTarget *base, List *late);

/*
 * What the contract asks for of rows, in every mode, and of what comes between them: those that were put off
 * are written first.
 */
extern bool dbsync_postgres_doubt_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table, DbsyncRowsMode mode,
											 int64 expected_rows);
extern bool dbsync_postgres_doubt_rows_put(DbsyncTarget *base, const DbsyncRow *row);
extern bool dbsync_postgres_doubt_rows_end(DbsyncTarget *base);
extern bool dbsync_postgres_doubt_rows_clear(DbsyncTarget *base, DbsyncTargetTable *table, List *sets, List **keys);
extern bool dbsync_postgres_doubt_rows_together(DbsyncTarget *base, bool clashed);
extern bool dbsync_postgres_doubt_truncate(DbsyncTarget *base, DbsyncTargetTable **tables, int ntables);
extern bool dbsync_postgres_doubt_delete_where(DbsyncTarget *base, DbsyncTargetTable *table, const DbsyncTableSpec *spec,
											   const char *condition);
extern DbsyncTargetTable *dbsync_postgres_doubt_table_change(DbsyncTarget *base, DbsyncTargetTable *before,
															 const DbsyncTableSpec *spec, List *changes, int how);

/* Behind the last row of the batch: check what was left for its end. */
extern bool dbsync_postgres_doubt_check(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_DOUBT_H */
