/*-------------------------------------------------------------------------
 *
 * worker/kept.h
 *	  Rows that a target has and its source has not, and that are meant to be there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_KEPT_H
#define DBSYNC_WORKER_KEPT_H

#include "worker/subscription.h"
#include "worker/table.h"

/*
 * May the target's table have such rows?  Because deletions are not sent, because rows that were there stay, which may be another
 * source's, or because those of a partition that has gone are kept.  In a transaction, by the active snapshot; connects to SPI
 * itself.
 */
extern bool dbsync_kept_rows(const DbsyncSubscription *subscription, const DbsyncTable *table);

#endif							/* DBSYNC_WORKER_KEPT_H */
