/*-------------------------------------------------------------------------
 *
 * worker/control/target_admin.h
 *	  What the SQL functions about targets need from C.
 *
 * dbsync_internal.probe_target() connects once and says who answered;
 * dbsync_internal.set_options() writes options down.  They are called by the
 * functions in schema dbsync, which check rights.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONTROL_TARGET_ADMIN_H
#define DBSYNC_WORKER_CONTROL_TARGET_ADMIN_H

#include "fmgr.h"

extern PGDLLEXPORT Datum dbsync_open_file_root(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_probe_target(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_set_options(PG_FUNCTION_ARGS);

#endif							/* DBSYNC_WORKER_CONTROL_TARGET_ADMIN_H */
