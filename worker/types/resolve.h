/*-------------------------------------------------------------------------
 *
 * worker/types/resolve.h
 *	  From a column of the source's to its declaration and form in a dialect.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TYPES_RESOLVE_H
#define DBSYNC_WORKER_TYPES_RESOLVE_H

#include "worker/types/table.h"
#include "worker/types/types.h"

/* The line of a type, without domains; there is always one.  Reads the catalogs. */
extern const DbsyncTypeLine *dbsync_type_line(Oid type, int32 typmod);

/*
 * Fill in what a table's columns are in a dialect, from "sql" on, in CurrentMemoryContext.  What is before that is the caller's;
 * types may be domains, and are their base types then.  Needs no connection to a target, but a transaction.
 *
 * Error (0A000) for the first column that has no counterpart, or whose type may not be in a key there; its hint is what to say
 * instead.  "table" is for messages, as people write it.
 */
extern void dbsync_types_resolve(DbsyncDialect dialect, const char *table, DbsyncColumn *columns, int ncolumns);

/* A declaration with its precision, scale and length in the place of letters; negative ones leave the letter. */
extern char *dbsync_types_fill_in(const char *declaration, int precision, int scale, int length);

#endif							/* DBSYNC_WORKER_TYPES_RESOLVE_H */
