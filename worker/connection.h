/*-------------------------------------------------------------------------
 *
 * worker/connection.h
 *	  Connections to targets: what a driver connects with, opening them, and news of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONNECTION_H
#define DBSYNC_WORKER_CONNECTION_H

#include "worker/driver/driver.h"
#include "worker/subscription.h"

/*
 * How the owner connects to the target: options of the server, then those of
 * the owner's user mapping (or of PUBLIC's).  Needs a transaction; allocates in
 * CurrentMemoryContext; error if there is no such server, if it belongs to no
 * driver, if the owner may not use it, or if it lends credentials that it must not.
 * The caller may set application_name.
 */
extern DbsyncTargetConfig *dbsync_connection_config(const char *server_name, Oid owner);

/* The driver of a target, which needs a transaction: no rights are asked for.  Error as above. */
extern const DbsyncDriver *dbsync_connection_driver(const char *server_name);

/*
 * The same for a target that is a folder, before its key is known here, or where it may be another one: a root
 * that is known, and has lost its key, gets another with new_key alone.
 */
extern DbsyncTargetConfig *dbsync_connection_config_to_pin(const char *server_name, Oid owner, bool new_key);

/*
 * Connect for a subscription's worker, outside a transaction; the target and what it needs
 * are allocated in "context".  purpose: what follows the subscription's name in the session's
 * application_name.  *ok: is it connected?  Else its fault says why not, and
 * dbsync_target_close() is all that may follow.  Ends in the context in which
 * dbsync_query_commit() does, which is emptied with each round.
 */
extern DbsyncTarget *dbsync_connection_open(const DbsyncSubscription *subscription,
											const char *purpose,
											MemoryContext context, bool *ok);

/* From now on notice changes of foreign servers and user mappings. */
extern void dbsync_connection_watch(void);

/* Has there been any since dbsync_connection_watch()?  The address may be another. */
extern bool dbsync_connection_is_outdated(void);

/* Have this called as DbsyncTargetConfig.waits says; without it nobody is told. */
extern void dbsync_connection_on_waits(void (*hook) (TimestampTz since));

#endif							/* DBSYNC_WORKER_CONNECTION_H */
