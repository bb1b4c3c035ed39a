/*-------------------------------------------------------------------------
 *
 * worker/control/lookup.h
 *	  Subscriptions as users' sessions look them up and switch them.
 *
 * The tables belong to the owner of the extension: these functions read and
 * write them as that role, whoever calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONTROL_LOOKUP_H
#define DBSYNC_WORKER_CONTROL_LOOKUP_H

#include "utils/uuid.h"

#include "worker/run/launcher.h"

/* a subscription, or a receiver */
typedef struct DbsyncFound
{
	int			id;				/* 0: there is none */
	DbsyncJob	kind;
	bool		enabled;
	bool		has_run;		/* a receiver: it knows whose bundles it plays */
	bool		has_played;		/* a receiver: a batch, as far as the catalog knows */
	Oid			owner;
	char	   *target;
	pg_uuid_t	uid;
	char	   *policy;
	char	   *time_zone;		/* NULL: UTC */
} DbsyncFound;

/* The subscription, or receiver, of this name; error if there is none or it is not the caller's. */
extern DbsyncFound dbsync_lookup_owned(DbsyncJob kind, const char *name);

/* The subscription, or the receiver, with this id; asks for no rights. */
extern DbsyncFound dbsync_lookup_id(int id);

/* How many subscriptions and receivers of this role are switched on, this one aside. */
extern int	dbsync_lookup_enabled_of(Oid owner, int id);

/* How many keys of its tables are parked at the target, as is noted. */
extern int64 dbsync_lookup_parked(int id);

/*
 * The first of its held tables; false: there is none.  What it waits for, and what helps, in
 * words.
 */
extern bool dbsync_lookup_held(int id, char **table, char **reason, char **action);

/* Its suspended tables, in words, for a message; NULL: there is none. */
extern char *dbsync_lookup_suspended(int id);

/* Until the transaction ends no configuration is loaded; waits for one that is. */
extern void dbsync_lookup_begin_change(void);

/* Switch it on or off; the caller has seen to the rights, and has begun the change. */
extern void dbsync_lookup_set_enabled(const DbsyncFound *found, bool enabled);

/*
 * Error (53400) if the owner has as many started subscriptions, and workers in other
 * databases, as he may.  This is for the friendly answer; what counts is asked under
 * the lock on the slots when the worker claims one, in dbsync_report_claim().
 */
extern void dbsync_lookup_check_limit(const DbsyncFound *found);

#endif							/* DBSYNC_WORKER_CONTROL_LOOKUP_H */
