/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/values.h
 *	  SQLite driver: from a value as the worker sends it to one of SQLite's.
 *
 * Values come in forms (worker/types/types.h), as table_open() has asked for them: so they are bound, and nothing is parsed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_SQLITE_VALUES_H
#define DBSYNC_WORKER_DRIVER_SQLITE_VALUES_H

#include <sqlite3.h>

#include "worker/driver/driver.h"

/* a value as it is bound */
typedef struct SqliteValue
{
	int			type;			/* SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB, SQLITE_NULL */
	int64		number;
	double		real;
	const char *data;
	int			length;
} SqliteValue;

/*
 * Text of the server's encoding in UTF-8, and the other way round.  The text itself where nothing changes, else in CurrentMemoryContext.
 */
extern const char *dbsync_sqlite_to_utf8(const char *text, int length);
extern const char *dbsync_sqlite_from_utf8(const char *text, int length);

/* The value of bytes in a form, NULL for null; it points to them. */
extern void dbsync_sqlite_value(DbsyncFormKind kind, const char *bytes, int length, SqliteValue *value);

/* The copy that outlives what a value points to. */
extern void dbsync_sqlite_value_keep(SqliteValue *value, MemoryContext context);

/* As parameter "number" of a statement, which does not outlive it; false: it is not to be had. */
extern bool dbsync_sqlite_value_bind(sqlite3_stmt *statement, int number, const SqliteValue *value);

/* For messages. */
extern char *dbsync_sqlite_value_text(const SqliteValue *value);

/*
 * What a column declared so does to values, by SQLite's own rules, as dbsync_type_fits() calls it.  STRICT tables have few types, of
 * which one is nobody's affinity.
 */
extern const char *dbsync_sqlite_affinity(const char *declared, bool strict);

#endif							/* DBSYNC_WORKER_DRIVER_SQLITE_VALUES_H */
