/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/install.h
 *	  PostgreSQL driver: the ledger table on the target, made on first use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_INSTALL_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_INSTALL_H

#include "worker/driver/postgres/internal.h"

/* Make the ledger if it is missing, within the current transaction. */
extern bool dbsync_postgres_ledger_install(PostgresTarget *target);

/* It is there; give it the columns of positions that come in bundles, unless it has them. */
extern bool dbsync_postgres_ledger_add_chain(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_INSTALL_H */
