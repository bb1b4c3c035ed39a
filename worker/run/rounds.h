/*-------------------------------------------------------------------------
 *
 * worker/run/rounds.h
 *	  When a worker may run batches: rounds, as its subscription's policy lets them begin.
 *
 * A round begins when the policy says so, or somebody waits.  It ends when all that its first
 * snapshot shows is on the target, and copies that can be made are; or it breaks off when the
 * hours of the policy are over, and goes on when they begin again.  An error does not end it.
 * Under a policy that is immediate a round has no end.  A worker of run_once() knows no rounds:
 * it runs batches until all is there.
 *
 * Installing capture and emptying segments go on between rounds.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_ROUNDS_H
#define DBSYNC_WORKER_RUN_ROUNDS_H

#include "worker/work.h"

/*
 * Before each batch, with the configuration read and the target attached to: may one be run
 * now?  Begins a round if it is time for one, and breaks one off.  May run a transaction of
 * its own; raises an error where the policy cannot be read.
 */
extern bool dbsync_rounds_go_on(DbsyncWork *work);

/* Has the round come to its end with the batch that was run last? */
extern bool dbsync_rounds_is_over(DbsyncWork *work);

/* It has, if there was one that has an end; after dbsync_rounds_is_over(), or with nothing left to do. */
extern void dbsync_rounds_end(DbsyncWork *work);

/* Is there none under way, so that batches wait for the policy? */
extern bool dbsync_rounds_wait(const DbsyncWork *work);

/* While they wait: how long there is no reason to ask again, in ms. */
extern long dbsync_rounds_pause(DbsyncWork *work);

/*
 * While they wait, after a pause: is there a reason to ask dbsync_rounds_go_on()?  Looks at what
 * is pending, in a transaction of its own, where transactions have ended that told nobody.
 */
extern bool dbsync_rounds_look(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_RUN_ROUNDS_H */
