/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/values.h
 *	  SQLite driver: from a value as the worker sends it to one of SQLite's.
 *
 * All that knows of the form of values is here: how PostgreSQL's text of a type is bound, which columns keep that as
 * it is, and which types can be a key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_SQLITE_VALUES_H
#define DBSYNC_WORKER_DRIVER_SQLITE_VALUES_H

#include <sqlite3.h>

/* how values of a type travel */
typedef enum SqliteKind
{
	SQLITE_KIND_TEXT,
	SQLITE_KIND_INTEGER,
	SQLITE_KIND_BOOLEAN,		/* 1, 0 */
	SQLITE_KIND_DOUBLE,
	SQLITE_KIND_BYTES,
	SQLITE_KIND_CHAR,			/* text without the blanks at its end */
	SQLITE_KIND_UUID,
	SQLITE_KIND_DATE,			/* and timestamps without a zone */
	SQLITE_KIND_INSTANT,		/* timestamps in UTC, without saying so */
	SQLITE_KIND_TIME
} SqliteKind;

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

/* Of a type without domains. */
extern SqliteKind dbsync_sqlite_kind(Oid type);

/*
 * The value of a text, NULL for null; what it points to is the text itself, or in CurrentMemoryContext.  False: the target
 * has no place for it, and *sqlstate and *problem, a sentence, say why.
 */
extern bool dbsync_sqlite_value(SqliteKind kind, const char *text, int length, SqliteValue *value,
								int *sqlstate, const char **problem);

/* The copy that outlives what a value points to. */
extern void dbsync_sqlite_value_keep(SqliteValue *value, MemoryContext context);

/* As parameter "number" of a statement, which does not outlive it; false: it is not to be had. */
extern bool dbsync_sqlite_value_bind(sqlite3_stmt *statement, int number, const SqliteValue *value);

/* For messages. */
extern char *dbsync_sqlite_value_text(const SqliteValue *value);

/* Why a column declared so would not keep such values as they are, as the end of a sentence; NULL: it does. */
extern const char *dbsync_sqlite_column_problem(SqliteKind kind, const char *declared);

/* Why such a column cannot be part of a key, as the end of a sentence; NULL: it can. */
extern const char *dbsync_sqlite_key_problem(Oid type, int32 typmod, Oid collation);

#endif							/* DBSYNC_WORKER_DRIVER_SQLITE_VALUES_H */
