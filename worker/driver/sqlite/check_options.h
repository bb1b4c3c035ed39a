/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/check_options.h
 *	  SQLite driver: the check of options that modules share, under a name of this one's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_SQLITE_CHECK_OPTIONS_H
#define DBSYNC_WORKER_DRIVER_SQLITE_CHECK_OPTIONS_H

#define MODULE_CHECK_OPTIONS	dbsync_sqlite_check_options

#endif							/* DBSYNC_WORKER_DRIVER_SQLITE_CHECK_OPTIONS_H */
