/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/sequence_read.h
 *	  PostgreSQL driver: is a column's sequence ahead of the rows?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_SEQUENCE_READ_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_SEQUENCE_READ_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

extern bool dbsync_postgres_read_sequence(DbsyncTarget *base, DbsyncTargetTable *table, int column, bool descending,
										  DbsyncReadSequence *sequence);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_SEQUENCE_READ_H */
