/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/carry.h
 *	  PostgreSQL driver: rows that have got another key, as they did at the source.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_CARRY_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_CARRY_H

#include "worker/driver/postgres/internal.h"

/* what a row of a stage is called that another row of the table becomes, which is in the stage no more */
#define POSTGRES_CARRIED	"C"

/*
 * In a stage in which values move: a row that is to be deleted and a new one that takes a value of it, to which foreign keys
 * lead, become one row.  one->carried is then a temporary table of old keys (o1 ...) and new ones (n1 ...), else NULL.
 */
extern bool dbsync_postgres_carry(PostgresTarget *target, PostgresTogether *one);

/* For the one statement: have these rows updated, their keys too; and insert those that are really new. */
extern char *dbsync_postgres_carry_update_sql(const PostgresTogether *one);
extern char *dbsync_postgres_carry_insert_sql(const PostgresTogether *one);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_CARRY_H */
