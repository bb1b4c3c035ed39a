/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/quarantine.h
 *	  PostgreSQL driver: rows that were refused, in a table beside the ledger.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_QUARANTINE_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_QUARANTINE_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* As in the contract. */
extern bool dbsync_postgres_quarantine_read(DbsyncTarget *base, const pg_uuid_t *subscription, bool make,
											List **rows);
extern bool dbsync_postgres_read_parked(DbsyncTarget *base, const pg_uuid_t *attachment, List **rows);
extern bool dbsync_postgres_quarantine_free(DbsyncTarget *base, List *rows);

/* Memory of what has been told of the batch, until the next one begins. */
extern MemoryContext dbsync_postgres_told_context(PostgresTarget *target);

/* Before a batch: nothing has been told of it. */
extern void dbsync_postgres_quarantine_begin(PostgresTarget *target);

/*
 * In a batch: park a row, in place of what its key has; said: what it was refused with.  Or its key is parked no more.  parked:
 * the key, as it is; NULL: as the row has it.
 */
extern bool dbsync_postgres_park(PostgresTarget *target, DbsyncTargetTable *table, const DbsyncRow *row,
								 const DbsyncFault *said);
extern bool dbsync_postgres_unpark(PostgresTarget *target, DbsyncTargetTable *table, char **key);

/* Nothing of a table is parked any more; of an attachment, or of a subscription. */
extern bool dbsync_postgres_unpark_all(PostgresTarget *target, DbsyncTargetTable *table);
extern bool dbsync_postgres_unpark_attachment(PostgresTarget *target, const pg_uuid_t *attachment);
extern bool dbsync_postgres_unpark_subscription(PostgresTarget *target, const pg_uuid_t *subscription);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_QUARANTINE_H */
