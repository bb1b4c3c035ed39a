/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/compare.h
 *	  PostgreSQL driver: showing what is in a table, as of one moment, to be compared.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_COMPARE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_COMPARE_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

extern bool dbsync_postgres_read_begin(DbsyncTarget *base, DbsyncTargetTable *table, DbsyncReadForm *form);
extern bool dbsync_postgres_read_ask(DbsyncTarget *base, DbsyncTargetTable *table, const DbsyncReadRequest *request);
extern bool dbsync_postgres_read_next(DbsyncTarget *base, DbsyncReadRow *row, bool *more);
extern bool dbsync_postgres_read_end(DbsyncTarget *base);
extern bool dbsync_postgres_read_is_in_way(DbsyncTarget *base, DbsyncTargetTable *table, bool *in_way);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_COMPARE_H */
