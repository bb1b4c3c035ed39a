/*-------------------------------------------------------------------------
 *
 * worker/verify/guard.h
 *	  Giving way: nobody is to wait for a verification.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_GUARD_H
#define DBSYNC_WORKER_VERIFY_GUARD_H

#include "worker/verify/verify.h"

/* From now on waits for the target's answers are looked at, too. */
extern void dbsync_guard_watch(DbsyncVerify *v);

/*
 * From here to the end, both ends' locks being had and nothing else that somebody could wait for: who waits for one of them here
 * for deadlock_timeout cancels the work, if nobody looks.  Also after an error.
 */
extern void dbsync_guard_begin(void);
extern void dbsync_guard_end(void);

/* Before its locks are given up: is the error just caught of that kind?  Nobody is told who has cancelled; it is who waits. */
extern bool dbsync_guard_has_yielded(const ErrorData *edata);

/*
 * Now and then, while rows are read: does anybody wait for a lock that is held for the table, at either end, or
 * has the deadline come?  Then v->leaving says so, and the work is broken off by an error.
 */
extern void dbsync_guard_look(DbsyncVerify *v);

#endif							/* DBSYNC_WORKER_VERIFY_GUARD_H */
