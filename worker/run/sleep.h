/*-------------------------------------------------------------------------
 *
 * worker/run/sleep.h
 *	  When a worker sleeps, how long, and what wakes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_SLEEP_H
#define DBSYNC_WORKER_RUN_SLEEP_H

#include "portability/instr_time.h"

#include "worker/work.h"

/* Before a round of work: what wakes us from here on is about what is not seen yet. */
extern void dbsync_sleep_forget_wakeups(void);

/* After it: is there something that it may not have seen? */
extern bool dbsync_sleep_was_woken(void);

/* What was committed before the calls that this round began with is on the target: say so. */
extern void dbsync_sleep_tell_passed(void);

/* A round ended with all done, and nobody called meanwhile. */
extern void dbsync_sleep_kept_up(void);

/* A round that began then ended behind commits: leave them some time, perhaps. */
extern void dbsync_sleep_let_gather(DbsyncWork *work, instr_time begun);

/*
 * Sleep for so many ms: true when they are over, false when woken before.  "through":
 * nothing but an end wakes us, as while a failure is being slept off.
 */
extern bool dbsync_sleep_for(DbsyncWork *work, long timeout, bool through);

/* Sleep until there may be something to do. */
extern void dbsync_sleep_until_wanted(DbsyncWork *work);

/* While batches wait for the policy: sleep until it may let one be run, or something else is to be done. */
extern void dbsync_sleep_until_allowed(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_RUN_SLEEP_H */
