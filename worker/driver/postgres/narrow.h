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

/* Before the next one: learn of a column what the source's type has inside. */
extern void dbsync_postgres_learn_narrow(PostgresColumn *column, Oid source);

/*
 * May this column's type keep a part only of what it is sent, in text, for a column of the
 * source's type?  Then each row is to be checked.
 */
extern bool dbsync_postgres_is_narrow(const PostgresTarget *target, const PostgresColumn *column,
									  Oid source);

/* Refuse a row that has such a value: false, fault set. */
extern bool dbsync_postgres_check_narrow(PostgresTarget *target, const DbsyncRow *row);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_NARROW_H */
