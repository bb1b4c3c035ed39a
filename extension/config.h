/*-------------------------------------------------------------------------
 *
 * extension/config.h
 *	  Loading a configuration: the lock, and statements that run as the caller.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CONFIG_H
#define DBSYNC_EXTENSION_CONFIG_H

/* of a configuration, in bytes */
#define DBSYNC_CONFIG_MAX	(10 * 1024 * 1024)

/*
 * Until the transaction ends nobody loads a configuration; exclusive: nobody changes one
 * either.  Taken before rows of ours, by all functions that change subscriptions or targets.
 * DDL of users and workers never wait for it.
 */
extern void dbsync_config_lock(bool exclusive);

#endif							/* DBSYNC_EXTENSION_CONFIG_H */
