/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/guard.h
 *	  PostgreSQL driver: is a table still what it was when it was looked up?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_GUARD_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_GUARD_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* Find out and keep what the guard compares; the table must have been found. */
extern bool dbsync_postgres_look_at_facts(PostgresTarget *target, DbsyncTargetTable *table);

/* Queue the guard, once a batch: before rows go straight into the table. */
extern bool dbsync_postgres_guard(PostgresTarget *target, DbsyncTargetTable *table);

/* The batch writes to the table: to be called before it does. */
extern void dbsync_postgres_touch(PostgresTarget *target, DbsyncTargetTable *table);

/*
 * Queue, as the last statements before the commit, what fails if a table that was touched
 * is another one by now, or has code that changes what we write.
 */
extern bool dbsync_postgres_guard_touched(PostgresTarget *target);
extern char *dbsync_postgres_same_bare_table_sql(const PostgresTarget *target);
extern char *dbsync_postgres_same_table_sql(const PostgresTarget *target);

/* text of POSTGRES_LOOK_AT_FACTS and POSTGRES_SAME_FACTS */
extern const char *dbsync_postgres_look_at_facts_sql(void);
extern const char *dbsync_postgres_same_facts_sql(void);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_GUARD_H */
