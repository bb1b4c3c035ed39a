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

/* a table whose rows are in its stage, until all are written */
typedef struct PostgresTogether
{
	DbsyncTargetTable *table;
	int64		upserts;
	int64		deletes;
	bool		replaced;		/* each row is deleted and inserted */
	const char *carried;		/* carry.h: a table of rows whose key changes; NULL: none does */
} PostgresTogether;

/* The rows that are being sent are in their table's stage: remember that. */
extern void dbsync_postgres_together_staged(PostgresTarget *target);

extern bool dbsync_postgres_rows_together(DbsyncTarget *base, bool clashed);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_TOGETHER_H */
