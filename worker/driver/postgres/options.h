/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/options.h
 *	  Which options a target of each driver takes, and where.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_OPTIONS_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_OPTIONS_H

/*
 * Ours, of a PostgreSQL target: tables there are taken though they have BEFORE ROW
 * triggers that fire for our sessions.
 */
#define DBSYNC_POSTGRES_BEFORE_TRIGGERS	"before_triggers"

/*
 * Can only a superuser set it?  So it is with all that lends the identity of the
 * server's own account, or waives the password that keeps others from borrowing it.
 */
extern bool dbsync_postgres_lends_account(const char *keyword);

/* Does it belong to user mappings only (user, passwords)? */
extern bool dbsync_postgres_is_mapping_option(const char *keyword);

/* May this option be handed to libpq? */
extern bool dbsync_postgres_is_libpq_option(const char *keyword);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_OPTIONS_H */
