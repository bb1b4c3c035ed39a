/*-------------------------------------------------------------------------
 *
 * worker/verify/repair.h
 *	  Having sent anew what differs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_REPAIR_H
#define DBSYNC_WORKER_VERIFY_REPAIR_H

#include "worker/verify/verify.h"

/* In the transaction that compares, when rows were counted: is what differs to be sent anew? */
extern void dbsync_repair_judge_rows(DbsyncVerify *v);

/* The same when it is known what differs. */
extern void dbsync_repair_judge_differences(DbsyncVerify *v);

/*
 * Behind that transaction: have the worker do it.  False: it is not repaired; *note says why, and may say more in
 * any case.
 */
extern bool dbsync_repair_run(DbsyncVerify *v, const char **note);

#endif							/* DBSYNC_WORKER_VERIFY_REPAIR_H */
