/*-------------------------------------------------------------------------
 *
 * worker/limit.h
 *	  How many workers one role may have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_LIMIT_H
#define DBSYNC_WORKER_LIMIT_H


#define DBSYNC_LIMIT_MESSAGE	"too many subscriptions of the same role are running"
#define DBSYNC_LIMIT_DETAIL		"dbsync.max_subscriptions_per_role is %d."
#define DBSYNC_LIMIT_HINT		"Stop another one of that role, or have a superuser raise dbsync.max_subscriptions_per_role."

/* Whom a worker of this owner counts for: InvalidOid, nobody, for a superuser.  Needs a transaction. */
extern Oid	dbsync_limited_role(Oid owner);

#endif							/* DBSYNC_WORKER_LIMIT_H */
