/*-------------------------------------------------------------------------
 *
 * extension/admin.h
 *	  SQL functions that run as the owner of the extension and know who called.
 *
 * The admin functions of schema dbsync are plpgsql, for people to read, and
 * need the rights of the extension's owner.  SECURITY DEFINER would hide who is
 * calling: so each has a twin in schema dbsync_internal with the caller as an
 * argument before the others, and the public one is this trampoline.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_ADMIN_H
#define DBSYNC_EXTENSION_ADMIN_H

#include "extension/compat.h"
#include "fmgr.h"

/*
 * In a PG_CATCH block at the door of our SQL surface: raise the error that is being
 * handled once more, without the functions and queries of ours that it came through.
 * "context" is where it may be copied to.
 */
pg_noreturn extern void dbsync_admin_raise(MemoryContext context);

/*
 * Error unless each argument with which the function was called is not null, or says
 * something by being so: its default is null, or it is existing_rows (where null is: rows
 * that are there are an error).  Called first by each function of the SQL surface that takes
 * arguments and is not reached through dbsync_as_owner().
 */
extern void dbsync_admin_check_arguments(FunctionCallInfo fcinfo);

/*
 * Calls the twin of the function it is called as.  A text[] for which the twin
 * takes regclass[] is read here: with the search_path and the rights of the
 * caller.
 */
extern PGDLLEXPORT Datum dbsync_as_owner(PG_FUNCTION_ARGS);

/* search_path of whoever has called the function that is running through dbsync_as_owner(); error if none is */
extern PGDLLEXPORT Datum dbsync_caller_path(PG_FUNCTION_ARGS);

/* The same for C; NULL: no such function is running. */
extern const char *dbsync_admin_caller_path(void);

/*
 * to_jsonb(anyelement), as the role that is the second argument, the owner of the
 * table that the value is of: it may call functions of his (dbsync_owner_begin()).
 */
extern PGDLLEXPORT Datum dbsync_jsonb_as(PG_FUNCTION_ARGS);

/* the b-tree operator class that an index on a type gets by default, or NULL */
extern PGDLLEXPORT Datum dbsync_default_opclass(PG_FUNCTION_ARGS);

#endif							/* DBSYNC_EXTENSION_ADMIN_H */
