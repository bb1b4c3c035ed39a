/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/narrow.h
 *	  PostgreSQL driver: values of which the target would keep a part, without a word.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_NARROW_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_NARROW_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* Does the target read what our major writes of a "char", in text, as another value? */
extern bool dbsync_postgres_misreads_char(const PostgresTarget *target, const PostgresColumn *column);

/* Refuse a row that has such a value. */
extern bool dbsync_postgres_check_chars(PostgresTarget *target, const DbsyncRow *row);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_NARROW_H */
