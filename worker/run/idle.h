/*-------------------------------------------------------------------------
 *
 * worker/run/idle.h
 *	  Is the cluster idle?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_IDLE_H
#define DBSYNC_WORKER_RUN_IDLE_H

#include "datatype/timestamp.h"

/* Nothing is waited for: what was counted is forgotten. */
extern void dbsync_idle_forget(void);

/*
 * Count the transactions that have ended, if it is time to.  True if over the last "duration"
 * (microseconds) fewer than dbsync.idle_rate a second have: so not before it has been called
 * for so long.
 */
extern bool dbsync_idle_look(int64 duration);

/* When it is to be called next, in ms from now. */
extern long dbsync_idle_pause(int64 duration);

#endif							/* DBSYNC_WORKER_RUN_IDLE_H */
