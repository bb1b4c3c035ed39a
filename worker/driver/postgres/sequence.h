/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/sequence.h
 *	  PostgreSQL driver: sequences that are kept ahead of the source's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_SEQUENCE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_SEQUENCE_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

extern const char *dbsync_postgres_sequence_sql(void);

/* DbsyncDriver.sequences_advance: remembers them; nothing is sent before the commit. */
extern bool dbsync_postgres_sequences_advance(DbsyncTarget *base, List *sequences);

/* Queue what was remembered in this batch: the last thing before its COMMIT. */
extern bool dbsync_postgres_sequences_queue(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_SEQUENCE_H */
