/*-------------------------------------------------------------------------
 *
 * worker/subscription_move.h
 *	  What was found out about tables goes over as the configuration is read again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SUBSCRIPTION_MOVE_H
#define DBSYNC_WORKER_SUBSCRIPTION_MOVE_H

#include "worker/subscription.h"

/*
 * For who reads the configuration: the worker's knowledge of tables that the old one had goes to
 * those of the new one.  Tables that are the same in both take it along as they are, and are the new
 * one's from here on.  Raises no error, but for want of memory.
 */
extern void dbsync_subscription_move_work(DbsyncSubscription *subscription, DbsyncSubscription *old);

#endif							/* DBSYNC_WORKER_SUBSCRIPTION_MOVE_H */
