/*-------------------------------------------------------------------------
 *
 * worker/target/options.h
 *	  Which options a target of each driver takes, and where.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TARGET_OPTIONS_H
#define DBSYNC_WORKER_TARGET_OPTIONS_H

/*
 * Ours, of a PostgreSQL target: tables there are taken though they have BEFORE ROW
 * triggers that fire for our sessions.
 */
#define DBSYNC_POSTGRES_BEFORE_TRIGGERS	"before_triggers"

/* May this option be handed to libpq? */
extern bool dbsync_postgres_is_libpq_option(const char *keyword);

#endif							/* DBSYNC_WORKER_TARGET_OPTIONS_H */
