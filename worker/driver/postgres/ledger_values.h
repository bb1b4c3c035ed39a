/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/ledger_values.h
 *	  PostgreSQL driver: values of the ledger as text, and back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_LEDGER_VALUES_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_LEDGER_VALUES_H

#include "access/xlogdefs.h"
#include "utils/uuid.h"

#include "worker/driver/postgres/answer.h"

extern char *dbsync_postgres_uuid_text(const pg_uuid_t *uuid);
extern void dbsync_postgres_uuid_parse(const char *text, pg_uuid_t *uuid);

extern char *dbsync_postgres_lsn_text(XLogRecPtr lsn);

/* text[] literal; an element may be NULL */
extern char *dbsync_postgres_array_text(int n, const char *const *elements);
extern void dbsync_postgres_array_parse(const char *literal, int *n, char ***elements);

/* The first column that is null and must not be; columns[i] NULL: that one may. */
extern const char *dbsync_postgres_null_column(const PostgresAnswer *answer, int row,
											   const char *const *columns, int n);

/* Fields of an answer, copied; of a null: NULL, and 0. */
extern char *dbsync_postgres_field(const PostgresAnswer *answer, int row, int column);
extern int64 dbsync_postgres_number_field(const PostgresAnswer *answer, int row, int column);
extern XLogRecPtr dbsync_postgres_lsn_field(const PostgresAnswer *answer, int row, int column);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_LEDGER_VALUES_H */
