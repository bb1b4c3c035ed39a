/*-------------------------------------------------------------------------
 *
 * worker/driver/file/listing.h
 *	  File driver: what SQL functions ask of kept bundles, and do with them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_FILE_LISTING_H
#define DBSYNC_WORKER_DRIVER_FILE_LISTING_H

#include "fmgr.h"

extern PGDLLEXPORT Datum dbsync_file_bundles(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_file_publish_again(PG_FUNCTION_ARGS);
extern PGDLLEXPORT Datum dbsync_file_acknowledge(PG_FUNCTION_ARGS);

#endif							/* DBSYNC_WORKER_DRIVER_FILE_LISTING_H */
