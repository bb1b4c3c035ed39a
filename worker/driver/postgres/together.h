/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/together.h
 *	  PostgreSQL driver: rows of several tables, written by one statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_TOGETHER_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_TOGETHER_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* The rows that are being sent are in their table's stage: remember that. */
extern void dbsync_postgres_together_staged(PostgresTarget *target);

/*
 * Have rows come at once, in a mode that does not wait for others, of which some go and some come, and do foreign keys act
 * on what leads to other values than the key?  Where keys are checked others than these have deletes by themselves: it is what a
 * table has before its last change in a batch.
 */
extern bool dbsync_postgres_rows_are_mixed(const PostgresRows *rows);

/* Write them by one statement: they are in their table's stage. */
extern bool dbsync_postgres_together_alone(PostgresTarget *target);

extern bool dbsync_postgres_rows_together(DbsyncTarget *base, bool clashed);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_TOGETHER_H */
