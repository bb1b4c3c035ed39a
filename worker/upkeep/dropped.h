/*-------------------------------------------------------------------------
 *
 * worker/upkeep/dropped.h
 *	  Tables that were dropped at the source leave their subscriptions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UPKEEP_DROPPED_H
#define DBSYNC_WORKER_UPKEEP_DROPPED_H

#include "worker/work.h"

/*
 * Take those tables out of the subscription that were dropped, and of which its target has all
 * there is.  Returns true if there were any: the configuration is another one then.
 */
extern bool dbsync_dropped_leave(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_UPKEEP_DROPPED_H */
