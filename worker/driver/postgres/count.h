/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/count.h
 *	  PostgreSQL driver: rows of tables without a key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_COUNT_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_COUNT_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* Look at the indexes that help to find rows. */
extern bool dbsync_postgres_look_at_indexes(PostgresTarget *target, DbsyncTargetTable *table,
											const int *attnums);

/* Is it worth a stage to have so many rows looked for at once? */
extern bool dbsync_postgres_count_is_large(const DbsyncTargetTable *table, int64 rows);

/* Queue the delete of so many rows like this one. */
extern bool dbsync_postgres_count_row(PostgresTarget *target, const DbsyncRow *row);

/* What the stage is told of a row: how many of it, below 0 to delete.  Returns the length. */
extern int	dbsync_postgres_count_op(const DbsyncTargetTable *table, const DbsyncRow *row, char *op);

/* Delete and insert what has been copied to the stage: queued. */
extern bool dbsync_postgres_count_stage(PostgresTarget *target);

extern int64 dbsync_postgres_table_missing(DbsyncTargetTable *table);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_COUNT_H */
