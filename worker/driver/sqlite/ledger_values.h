/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/ledger_values.h
 *	  SQLite driver: values of the ledger, which people read, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_SQLITE_LEDGER_VALUES_H
#define DBSYNC_WORKER_DRIVER_SQLITE_LEDGER_VALUES_H

#include <sqlite3.h>

#include "worker/driver/driver.h"

extern char *dbsync_sqlite_uuid_text(const pg_uuid_t *uuid);

/* False: it is none. */
extern bool dbsync_sqlite_uuid_from(const char *text, pg_uuid_t *uuid);

/* 0 is null. */
extern void dbsync_sqlite_bind_lsn(sqlite3_stmt *statement, int number, XLogRecPtr lsn);
extern XLogRecPtr dbsync_sqlite_lsn_from(const char *text);

/* A key as text, as COPY writes a row of its columns; NULL without one. */
extern char *dbsync_sqlite_boundary_text(int nkeys, char **boundary);

/* Takes the text apart where it lies. */
extern void dbsync_sqlite_boundary_from(char *text, DbsyncLedgerPart *part);

/* The first of these columns, NULL of them where one may be null, that is null in the statement's row; NULL: none. */
extern const char *dbsync_sqlite_null_column(sqlite3_stmt *statement, const char *const *columns, int n);

#endif							/* DBSYNC_WORKER_DRIVER_SQLITE_LEDGER_VALUES_H */
