/*-------------------------------------------------------------------------
 *
 * worker/upkeep/backlog.h
 *	  What is kept for subscriptions does not become larger than they say.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UPKEEP_BACKLOG_H
#define DBSYNC_WORKER_UPKEEP_BACKLOG_H

#include "worker/work.h"

/*
 * See to the limits of all subscriptions of this database, when positions have been noted and before
 * segments are emptied.  A step of dbsync_retention_run(), in a transaction of its own; left to
 * whoever else is at it.
 */
extern void dbsync_backlog_see_to(DbsyncWork *work);

/*
 * All else is at the target: have tables copied anew of which what was kept has been given up.
 * True: the configuration is another one now.  Outside a transaction.
 */
extern bool dbsync_backlog_copy_anew(DbsyncWork *work);

/* In how many ms there is such a table to be tried; LONG_MAX: there is none. */
extern long dbsync_backlog_pause(const DbsyncWork *work);

#endif							/* DBSYNC_WORKER_UPKEEP_BACKLOG_H */
