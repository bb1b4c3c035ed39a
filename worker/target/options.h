/*-------------------------------------------------------------------------
 *
 * worker/target/options.h
 *	  Which options a target of each driver takes, and where.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TARGET_OPTIONS_H
#define DBSYNC_WORKER_TARGET_OPTIONS_H

/* May this option be handed to libpq? */
extern bool dbsync_postgres_is_libpq_option(const char *keyword);

#endif							/* DBSYNC_WORKER_TARGET_OPTIONS_H */
