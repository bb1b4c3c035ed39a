/*-------------------------------------------------------------------------
 *
 * extension/ddl/under_way.h
 *	  Commands that have begun and that the guard has not judged yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_DDL_UNDER_WAY_H
#define DBSYNC_EXTENSION_DDL_UNDER_WAY_H

#include "c.h"

/* whose command is judged: judgement is passed as somebody else, and may run commands itself */
extern Oid	dbsync_commander;

/*
 * Call a function of ours, which has one argument or two, in the name of the role (dbsync_commander), with a
 * snapshot.  What it raises is raised as if the server had (dbsync_admin_raise()).  Where there is no such
 * function nothing is done.
 */
extern void dbsync_guard_call(Oid role, const char *name, int nargs, const Oid *types, const Datum *values);

/* At ddl_command_start and ddl_command_end, by the guard; of a command that fails nobody tells. */
extern void dbsync_under_way_begin(void);
extern void dbsync_under_way_end(void);

#endif							/* DBSYNC_EXTENSION_DDL_UNDER_WAY_H */
