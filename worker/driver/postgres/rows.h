/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/rows.h
 *	  PostgreSQL driver: rows of one table, and the small road.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_ROWS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_ROWS_H

#include "worker/driver/driver.h"


extern bool dbsync_postgres_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table,
									   DbsyncRowsMode mode, int64 expected_rows);
extern bool dbsync_postgres_rows_put(DbsyncTarget *base, const DbsyncRow *row);
extern bool dbsync_postgres_rows_end(DbsyncTarget *base);
extern bool dbsync_postgres_rows_have_room(DbsyncTarget *base);

/* More rows than this for one table take the large road. */
extern bool dbsync_postgres_is_large(int64 rows);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_ROWS_H */
