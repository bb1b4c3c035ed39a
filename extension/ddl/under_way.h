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

/* A function of ours in SQL, by its name and the types of its arguments; InvalidOid: there is none. */
extern Oid	dbsync_guard_function(const char *name, oidvector *types);

/* At ddl_command_start and ddl_command_end, by the guard; of a command that fails nobody tells. */
extern void dbsync_under_way_begin(void);
extern void dbsync_under_way_end(void);

#endif							/* DBSYNC_EXTENSION_DDL_UNDER_WAY_H */
