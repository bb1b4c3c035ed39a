/*-------------------------------------------------------------------------
 *
 * worker/control/create_statements.h
 *	  What create_missing runs at a target, for people to see.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONTROL_CREATE_STATEMENTS_H
#define DBSYNC_WORKER_CONTROL_CREATE_STATEMENTS_H

#include "fmgr.h"

/* body of dbsync_internal.creation_statements() */
extern PGDLLEXPORT Datum dbsync_creation_statements_array(PG_FUNCTION_ARGS);

#endif							/* DBSYNC_WORKER_CONTROL_CREATE_STATEMENTS_H */
