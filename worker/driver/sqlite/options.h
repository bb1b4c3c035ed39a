/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/options.h
 *	  SQLite driver: which options a target takes, and what they say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_SQLITE_OPTIONS_H
#define DBSYNC_WORKER_DRIVER_SQLITE_OPTIONS_H

#include "fmgr.h"

#include "worker/driver/driver.h"

typedef struct SqliteOptions
{
	const char *path;			/* NULL: none was given */
	bool		trusted;		/* file and folder may be written to by others than the server's own user */
} SqliteOptions;

/* In CurrentMemoryContext; error for a value that is none. */
extern void dbsync_sqlite_options_read(List *options, SqliteOptions *read);

/* As DbsyncDriver.options, and what a URI means. */
extern const DbsyncOption *dbsync_sqlite_options(void);
extern const DbsyncAddress dbsync_sqlite_address;

extern PGDLLEXPORT Datum dbsync_sqlite_validator(PG_FUNCTION_ARGS);

#endif							/* DBSYNC_WORKER_DRIVER_SQLITE_OPTIONS_H */
