/*-------------------------------------------------------------------------
 *
 * worker/rights.h
 *	  Are a subscription's owner's rights still what they were?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RIGHTS_H
#define DBSYNC_WORKER_RIGHTS_H

#include "worker/subscription.h"
#include "worker/work.h"

/*
 * The configuration has been read: hear of changes that concern the rights on its
 * tables from now on, and ask anew.
 */
extern void dbsync_rights_watch(const DbsyncSubscription *subscription);

/*
 * Ask, where that is due.  Tables whose rights are gone are suspended; false: some
 * were, or the subscription has another owner, and the configuration is to be read
 * again.  Raises an error if the target may not be used any more.  Outside a
 * transaction.
 */
extern bool dbsync_rights_ask(DbsyncWork *work);

/*
 * The same when a batch has its snapshot, in its transaction, where nothing can be
 * written: false, and nothing is sent, if dbsync_rights_ask() has something to do.
 * So what was captured after a REVOKE had returned does not reach the target; and
 * news that come without end cannot hold the work up.
 */
extern bool dbsync_rights_hold(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_RIGHTS_H */
