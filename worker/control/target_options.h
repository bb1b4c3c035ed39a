/*-------------------------------------------------------------------------
 *
 * worker/control/target_options.h
 *	  What SQL functions ask of drivers: URIs, options, what kind of target it is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONTROL_TARGET_OPTIONS_H
#define DBSYNC_WORKER_CONTROL_TARGET_OPTIONS_H

#include "fmgr.h"

extern PGDLLEXPORT Datum dbsync_parse_uri(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_wrapper_of_scheme(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_is_mapping_option(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_superuser_option(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_is_secret_option(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_writes_server_files(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_schema_of_target(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_open_server_file(PG_FUNCTION_ARGS);

#endif							/* DBSYNC_WORKER_CONTROL_TARGET_OPTIONS_H */
