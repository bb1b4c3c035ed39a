/*-------------------------------------------------------------------------
 *
 * worker/control/control.h
 *	  Starting, stopping and running what workers work on, for sessions: subscriptions and receivers.
 *
 * The caller has asked for the rights (dbsync_lookup_owned()).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONTROL_CONTROL_H
#define DBSYNC_WORKER_CONTROL_CONTROL_H

#include "datatype/timestamp.h"
#include "worker/control/lookup.h"

/* At commit. */
extern void dbsync_control_start(const DbsyncFound *found);

/* At once; its process is gone when this returns. */
extern void dbsync_control_stop(const DbsyncFound *found, const char *name);

/*
 * One round, by a process of its own, whose error is raised as ours.  Returns what that says it has done: rows, or batches.
 * A NULL timeout: for as long as it takes.
 */
extern int64 dbsync_control_run_once(const DbsyncFound *found, const char *name, const Interval *timeout);

#endif							/* DBSYNC_WORKER_CONTROL_CONTROL_H */
