/*-------------------------------------------------------------------------
 *
 * extension/settings.h
 *	  The settings (GUCs) of dbsync; docs/settings.md explains them to users.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_SETTINGS_H
#define DBSYNC_EXTENSION_SETTINGS_H

/* so many at most of dbsync.copy_connections */
#define DBSYNC_MAX_COPY_CONNECTIONS	8

/* per transaction, set by users or by an apply session */
extern char *dbsync_tag;
extern char *dbsync_origin;
extern bool dbsync_applying;

/* capture plain statements without triggers */
extern bool dbsync_direct_capture;

/*
 * As many bytes of rows a transaction's header takes along, at most.  With all else that it
 * says it should stay below what PostgreSQL stores out of line (2 kB).
 */
#define DBSYNC_CARRIED_MAX	1500
extern int	dbsync_carry_bytes;

/* of functions that somebody calls; ms, 0: no limit of its own */
extern int	dbsync_call_timeout;

/* of the worker; sizes in kB, times in ms */
extern int	dbsync_segment_size;
extern int	dbsync_batch_rows;
extern int	dbsync_copy_chunk_rows;
extern int	dbsync_copy_connections;
extern int	dbsync_target_tables;
extern int	dbsync_retry_max;
extern int	dbsync_install_lock_timeout;
extern int	dbsync_retention_interval;
extern int	dbsync_poll_interval;
extern int	dbsync_gather_max;	/* ms */
extern int	dbsync_target_timeout;
extern int	dbsync_sequence_headroom;	/* values */
extern int	dbsync_idle_rate;	/* transactions a second */
extern int	dbsync_wal_keep;	/* kB; 0: no limit */

/* workers of one role's subscriptions; 0: no limit */
extern int	dbsync_max_subscriptions_per_role;

/* Define them all; called once, from _PG_init. */
extern void dbsync_settings_define(void);

#endif							/* DBSYNC_EXTENSION_SETTINGS_H */
