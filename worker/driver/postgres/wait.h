/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/wait.h
 *	  PostgreSQL driver: all waiting on the connection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_WAIT_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_WAIT_H

#include "worker/driver/postgres/internal.h"

/* Watch the connected socket from now on. */
extern void dbsync_postgres_watch(PostgresTarget *target);

/*
 * The clock of a wait that lasts: tell the worker after a second, and refuse to go
 * on when the remote has said nothing for too long, since "quiet_since".
 */
extern bool dbsync_postgres_look_at_clock(PostgresTarget *target, TimestampTz quiet_since);

/* The wait is over: something came. */
extern void dbsync_postgres_heard(PostgresTarget *target);

/*
 * Bytes that the kernel holds for us are added to *arrived; false: fault set, they
 * are more than "most".
 */
extern bool dbsync_postgres_count_arrived(PostgresTarget *target, Size *arrived, Size most);

/* Let the kernel hold little of what the remote sends. */
extern void dbsync_postgres_receive_little(int socket);

/* Has the remote something to say?  Does not wait. */
extern bool dbsync_postgres_readable(PostgresTarget *target);

/* Hand everything to the kernel, reading what comes meanwhile. */
extern bool dbsync_postgres_flush(PostgresTarget *target);

/*
 * The next result, NULL where libpq says NULL, or with target->broken and the fault
 * set.  It is freed by the next call or with the target.  For postgres_answer.c.
 */
extern PGresult *dbsync_postgres_next_result(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_WAIT_H */
