/*-------------------------------------------------------------------------
 *
 * worker/upkeep/retention.h
 *	  Closing full segments, and emptying those that every subscription has passed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_UPKEEP_RETENTION_H
#define DBSYNC_WORKER_UPKEEP_RETENTION_H

#include "worker/work.h"

/* Close full segments, and empty those that every subscription has passed. */
extern void dbsync_retention_run(DbsyncWork *work);

/* Somebody waits for all that is committed: are there tables of rules that nobody has seen yet? */
extern void dbsync_retention_take_in(DbsyncWork *work);

/* Is it time for dbsync_retention_run()? */
extern bool dbsync_retention_is_due(const DbsyncWork *work);

/* In how many ms there is a reason to look; LONG_MAX: in none, as far as is known. */
extern long dbsync_retention_pause(const DbsyncWork *work);

/* Next time, look at everything: at the start, and after an error. */
extern void dbsync_retention_reset(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_UPKEEP_RETENTION_H */
