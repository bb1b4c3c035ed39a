/*-------------------------------------------------------------------------
 *
 * worker/driver/file/driver.h
 *	  File driver: targets that are folders, into which batches are recorded as bundles.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_FILE_DRIVER_H
#define DBSYNC_WORKER_DRIVER_FILE_DRIVER_H

#include "worker/driver/driver.h"

extern const DbsyncDriver dbsync_file_driver;

#endif							/* DBSYNC_WORKER_DRIVER_FILE_DRIVER_H */
