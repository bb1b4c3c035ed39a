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

/* two workers may come for the first time together */
#define POSTGRES_LEDGER_LOCK	"SELECT pg_advisory_xact_lock(hashtextextended('dbsync_ledger', 0))"

/* who may own what we write to, and the code that it runs; nobody else could be trusted with it */
#define POSTGRES_RIGHTFUL(owner) \
	"(" owner " IN (SELECT oid FROM pg_roles WHERE rolsuper OR rolname = current_user)" \
	" OR " owner " IN (SELECT datdba FROM pg_database WHERE datname = current_database()))"

/* an expression that needs nothing but the table and what comes with PostgreSQL */
#define POSTGRES_IS_PLAIN(catalog, oid) \
	"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '" catalog "'::regclass AND d.objid = " oid \
	" AND d.refclassid <> 'pg_class'::regclass)"

/* Make the ledger if it is missing, within the current transaction. */
extern bool dbsync_postgres_ledger_install(PostgresTarget *target);

/* It is there; give it the columns of positions that come in bundles, unless it has them. */
extern bool dbsync_postgres_ledger_add_chain(PostgresTarget *target);

/* A statement that makes something of the ledger's; a right that is missing is named. */
extern bool dbsync_postgres_install_run(PostgresTarget *target, const char *sql);

/* Take away what ALTER DEFAULT PRIVILEGES has given of a table that was just made. */
extern bool dbsync_postgres_install_revoke(PostgresTarget *target, const char *table);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_INSTALL_H */
