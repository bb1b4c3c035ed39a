/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/ledger.h
 *	  PostgreSQL driver: reading and writing the ledger, and the fence.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_LEDGER_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_LEDGER_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

extern const char *dbsync_postgres_fence_sql(void);
extern const char *dbsync_postgres_whole_fence_sql(void);
extern const char *dbsync_postgres_bundle_fence_sql(void);
extern const char *dbsync_postgres_confirm_sql(void);
extern const char *dbsync_postgres_position_sql(void);

/* Queue fence and position: the first statement of a batch after its pins. */
extern bool dbsync_postgres_queue_fence(PostgresTarget *target, const DbsyncLedger *ledger);

extern bool dbsync_postgres_ledger_read(DbsyncTarget *base, const pg_uuid_t *subscription,
										DbsyncLedger *ledger, bool *found);
extern bool dbsync_postgres_ledger_create(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool dbsync_postgres_ledger_restart(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool dbsync_postgres_ledger_forget(DbsyncTarget *base, const pg_uuid_t *subscription);
extern bool dbsync_postgres_ledger_move(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool dbsync_postgres_confirm(DbsyncTarget *base, const pg_uuid_t *subscription);

/* Rows of tables: worker/driver/postgres/ledger_parts.c. */
extern const char *dbsync_postgres_part_sql(void);
extern bool dbsync_postgres_ledger_read_parts(DbsyncTarget *base,
											  const pg_uuid_t *subscription, List **parts);
extern bool dbsync_postgres_ledger_write_parts(DbsyncTarget *base, const pg_uuid_t *subscription,
											   List *parts);
extern bool dbsync_postgres_ledger_forget_parts(DbsyncTarget *base, List *attachments);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_LEDGER_H */
