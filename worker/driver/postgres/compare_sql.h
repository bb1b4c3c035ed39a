/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/compare_sql.h
 *	  PostgreSQL driver: what is asked of a target's table that is compared, as SQL.
 *
 * All is allocated in CurrentMemoryContext.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_COMPARE_SQL_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_COMPARE_SQL_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* DbsyncReadForm.how */
extern DbsyncReadHow dbsync_postgres_compares_how(const PostgresColumn *column);

/* DBSYNC_READ_BUCKETS: bucket, count, sum as text */
extern char *dbsync_postgres_buckets_sql(const PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncReadRequest *request);

/* DBSYNC_READ_IMAGES, as a cursor dbsync_images: image, hash or count */
extern char *dbsync_postgres_images_sql(const PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncReadRequest *request);

/* DBSYNC_READ_ROWS: number, image (NULL: it is too long).  Its parameters are arrays, one for each column of the key: */
extern char *dbsync_postgres_compared_rows_sql(const DbsyncTargetTable *table, int longest);
extern char *dbsync_postgres_key_values(const DbsyncReadRequest *request, int k);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_COMPARE_SQL_H */
