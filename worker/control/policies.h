/*-------------------------------------------------------------------------
 *
 * worker/control/policies.h
 *	  What policies say to people: whether texts are right, next runs, what is waited for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_CONTROL_POLICIES_H
#define DBSYNC_WORKER_CONTROL_POLICIES_H

#include "worker/control/lookup.h"

/*
 * May rounds of this subscription go on now?  If not, the caller is told when they may, by a
 * NOTICE.
 */
extern bool dbsync_policies_are_open(const char *name, const DbsyncFound *found);

#endif							/* DBSYNC_WORKER_CONTROL_POLICIES_H */
