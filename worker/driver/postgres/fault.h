/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/fault.h
 *	  PostgreSQL driver: what the remote said, kept for the worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_FAULT_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_FAULT_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/* Set the fault in our own words; the strings are copied. */
extern bool dbsync_postgres_refuse(PostgresTarget *target, int sqlstate,
								   const char *message, const char *detail,
								   const char *hint);

/* Set the fault from a result that is an error. */
extern bool dbsync_postgres_refused_by(PostgresTarget *target, const char *label);
extern bool dbsync_postgres_refused(PostgresTarget *target, PGresult *result,
									const PostgresStep *step);

/* Set the fault from the connection's own state. */
extern bool dbsync_postgres_lost(PostgresTarget *target);

/*
 * Set the fault: what came is not an answer to what was asked.  The connection is
 * not used any more, as nobody knows what comes next.
 */
extern bool dbsync_postgres_violated(PostgresTarget *target, const char *detail);

/* Set the fault: the table lacks a change, which this statement would make. */
extern bool dbsync_postgres_change_due(PostgresTarget *target, const char *label,
									   const char *statement);

/* The same of a type that its columns are made of. */
extern bool dbsync_postgres_type_due(PostgresTarget *target, const char *type, const char *statement);

/* Set the fault's statement, after one of the others. */
extern void dbsync_postgres_tell_statement(PostgresTarget *target, const char *statement);

/* Set the fault's hint, after one of the above. */
extern void dbsync_postgres_advise(PostgresTarget *target, const char *hint);

/* The table has not taken a row, and has not said why. */
extern bool dbsync_postgres_swallowed(PostgresTarget *target, const DbsyncTargetTable *table);

/* It is not what was looked up. */
extern bool dbsync_postgres_table_changed(PostgresTarget *target, const DbsyncTargetTable *table);

/* A row that lacks columns is not in the table: it is to be sent whole. */
extern bool dbsync_postgres_incomplete(PostgresTarget *target, const DbsyncTargetTable *table);

/* printf into the target's context. */
extern char *dbsync_postgres_format(PostgresTarget *target, const char *format,...) pg_attribute_printf(2, 3);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_FAULT_H */
