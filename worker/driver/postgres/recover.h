/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/recover.h
 *	  PostgreSQL driver: going on behind a refusal, within the transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_RECOVER_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_RECOVER_H

#include "worker/driver/postgres/internal.h"

/* what is as it was when a savepoint is gone back to: of a table, */
typedef struct PostgresTableMark
{
	DbsyncTargetTable *table;
	PostgresStage stages[POSTGRES_NSTAGES];
	int64		guarded;
	int64		emptied;
	double		tuples;
} PostgresTableMark;

/* and of the transaction */
typedef struct PostgresMark
{
	int			n;
	PostgresTableMark *tables;
	int64		joined_by_index;
	int64		batch_rows;
} PostgresMark;

/* Set a savepoint, before rows of these tables (DbsyncTargetTable); in CurrentMemoryContext. */
extern bool dbsync_postgres_mark(PostgresTarget *target, const List *tables, PostgresMark *mark);

/* What has been done since stays. */
extern bool dbsync_postgres_keep(PostgresTarget *target);

/*
 * Something has been refused since: nothing of it is there any more, and the transaction goes on.  False: the connection
 * cannot, and has a fault.
 */
extern bool dbsync_postgres_go_back(PostgresTarget *target, const PostgresMark *mark);

/* Let go of what the remote said. */
extern void dbsync_postgres_forget_fault(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_RECOVER_H */
