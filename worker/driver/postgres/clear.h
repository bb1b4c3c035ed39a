/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/clear.h
 *	  PostgreSQL driver: rows that are in the way of others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_CLEAR_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_CLEAR_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/internal.h"

/* As the contract says of rows_clear(). */
extern bool dbsync_postgres_rows_clear(DbsyncTarget *base, DbsyncTargetTable *table, List *sets, List **keys);

/*
 * Its unique indexes over plain columns, a row for each column, those of an index together: the index, the column's name,
 * and the operator by which it is equal.  NULL: fault set.
 */
extern const PostgresAnswer *dbsync_postgres_unique_indexes(PostgresTarget *target, const DbsyncTargetTable *table);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_CLEAR_H */
