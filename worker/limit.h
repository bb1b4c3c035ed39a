/*-------------------------------------------------------------------------
 *
 * worker/limit.h
 *	  How many workers one role may have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_LIMIT_H
#define DBSYNC_WORKER_LIMIT_H

#include "worker/control/lookup.h"

#define DBSYNC_LIMIT_MESSAGE	"too many subscriptions of the same role are running"
#define DBSYNC_LIMIT_DETAIL		"dbsync.max_subscriptions_per_role is %d."
#define DBSYNC_LIMIT_HINT		"Stop another one of that role, or have a superuser raise dbsync.max_subscriptions_per_role."

/* Whom a worker of this owner counts for: InvalidOid, nobody, for a superuser.  Needs a transaction. */
extern Oid	dbsync_limited_role(Oid owner);

/*
 * Error (53400) if the owner has as many started subscriptions, and workers in other
 * databases, as he may.  This is for the friendly answer; what counts is asked under
 * the lock on the slots when the worker claims one (report.c).
 */
extern void dbsync_limit_check(const DbsyncFound *found);

#endif							/* DBSYNC_WORKER_LIMIT_H */
