/*-------------------------------------------------------------------------
 *
 * worker/run/target_upkeep.h
 *	  What the target's driver has to see to between batches, and what it wants of the worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_TARGET_UPKEEP_H
#define DBSYNC_WORKER_RUN_TARGET_UPKEEP_H

#include "worker/work.h"

/*
 * Let the driver see to it, if that is due; true: the configuration is to be read again.  Outside a transaction, with a
 * target; raises the driver's fault.
 */
extern bool dbsync_target_upkeep_run(DbsyncWork *work);

/* ms until it is due; where nothing is ever, as many as there are. */
extern long dbsync_target_upkeep_pause(const DbsyncWork *work);

#endif							/* DBSYNC_WORKER_RUN_TARGET_UPKEEP_H */
