/*-------------------------------------------------------------------------
 *
 * worker/copy/comparing.h
 *	  When tables are compared with their shadows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_COMPARING_H
#define DBSYNC_WORKER_COPY_COMPARING_H

#include "worker/work.h"

/*
 * Before a batch, whose snapshot is taken behind it: compare those tables with their shadows that are due, each in a
 * transaction of its own.  What differs is captured then, for all who have the table.
 */
extern void dbsync_comparing_run(DbsyncWork *work);

/*
 * Tickets of wait_for() up to this one were drawn before all tables were compared; those that are suspended
 * are none.  A snapshot taken now shows all that was found.
 */
extern uint64 dbsync_comparing_answered(const DbsyncWork *work);

/* Until the next one is due, in ms; LONG_MAX: there is none. */
extern long dbsync_comparing_pause(const DbsyncWork *work);

/* Is there a table that is compared? */
extern bool dbsync_comparing_is_any(const DbsyncWork *work);

/* A round begins that a policy has let begin, or the policy is another: all tables are due. */
extern void dbsync_comparing_begin_round(DbsyncWork *work);

#endif							/* DBSYNC_WORKER_COPY_COMPARING_H */
