/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/change_sql.h
 *	  PostgreSQL driver: changes of a table in the words of the server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_CHANGE_SQL_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_CHANGE_SQL_H

#include "worker/driver/driver.h"

/*
 * The statements (List of strings) that make a change of a column of a table, whose quoted
 * name this is.  emptied: the table has no rows any more, so none has to be converted; identity: the
 * column is one there.
 */
extern List *dbsync_postgres_change_sql(const char *quoted, const DbsyncChange *change, bool emptied,
										bool identity);

/* A column as it is defined in CREATE TABLE or ADD COLUMN: name, type, collation. */
extern char *dbsync_postgres_column_sql(const DbsyncChange *change);

/* A type as a column is given it, with its modifier. */
extern char *dbsync_postgres_type_sql(Oid type, int32 typmod);

/* The type that a change gives a column, likewise: one that only the source has is called by its name. */
extern char *dbsync_postgres_type_of_change_sql(const DbsyncChange *change);

/* The value that rows have which were there before a column was added. */
extern char *dbsync_postgres_missing_sql(const DbsyncChange *change);

/* Which rows lack it, as a condition. */
extern char *dbsync_postgres_unfilled_sql(const DbsyncChange *change);

/* The UPDATE that gives it to them. */
extern char *dbsync_postgres_fill_sql(const char *quoted, const DbsyncChange *change);

/* A list of columns, quoted. */
extern char *dbsync_postgres_columns_sql(const char *const *columns, int n);

/*
 * A table of a composite type gets, loses and renames columns with the type alone.  NIL: for this
 * change the type needs none.
 */
extern List *dbsync_postgres_change_type_sql(const char *type, const DbsyncChange *change);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_CHANGE_SQL_H */
