/*-------------------------------------------------------------------------
 *
 * worker/run/crashes.h
 *	  A worker that crashes again and again takes the whole server along.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RUN_CRASHES_H
#define DBSYNC_WORKER_RUN_CRASHES_H

/*
 * First thing when this process has become the worker of a subscription, before it
 * talks to the target: how many workers of it have crashed in a row, none of which
 * had got anything done?  From then on the next one knows if this one crashes.
 */
extern int	dbsync_crashes_begin(int subscription);

/* Something is done, or has failed in order: earlier crashes do not count any more. */
extern void dbsync_crashes_survived(void);

/* Somebody starts the subscription by hand: no earlier crash counts. */
extern void dbsync_crashes_forget(int subscription);

#endif							/* DBSYNC_WORKER_RUN_CRASHES_H */
