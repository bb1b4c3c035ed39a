/*-------------------------------------------------------------------------
 *
 * worker/verify/stand.h
 *	  Getting to read both ends as of one moment.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_STAND_H
#define DBSYNC_WORKER_VERIFY_STAND_H

#include "worker/verify/verify.h"

typedef enum DbsyncStood
{
	DBSYNC_STOOD,				/* a transaction is open at both ends, and has the table */
	DBSYNC_STOOD_REFUSED,		/* the worker says why */
	DBSYNC_STOOD_LATER,			/* something was in the way that may pass */
	DBSYNC_STOOD_TIMELY			/* the deadline came first */
} DbsyncStood;

/*
 * Meet the worker for v->table, which has been looked up at the target.  Not DBSYNC_STOOD: a transaction may be open, to
 * be rolled back.  *reason: why it is refused, or what was in the way.
 */
extern DbsyncStood dbsync_stand_take(DbsyncVerify *v, const char **reason);

/*
 * Wait until the worker has done what was asked for (dbsync_meeting_ask()); false: the deadline came first.  Error if
 * there is no worker, or it does not get on.
 */
extern bool dbsync_stand_wait(DbsyncVerify *v, DbsyncMeeting *meeting);

#endif							/* DBSYNC_WORKER_VERIFY_STAND_H */
