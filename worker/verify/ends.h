/*-------------------------------------------------------------------------
 *
 * worker/verify/ends.h
 *	  What a verify process knows of both ends: the configuration, connections to the target, a table.
 *
 * All for the process alone, outside of transactions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_ENDS_H
#define DBSYNC_WORKER_VERIFY_ENDS_H

#include "worker/verify/verify.h"

/* Read it anew, if it has changed.  Error if there is no such subscription any more. */
extern void dbsync_ends_read_configuration(DbsyncVerify *v);

/* Connect, if there is no connection: one that reads, and one that watches locks.  Error if the driver cannot compare. */
extern void dbsync_ends_connect(DbsyncVerify *v);

/* Both are closed, and what was looked up over them is forgotten. */
extern void dbsync_ends_close(DbsyncVerify *v);

/*
 * Look the table up as it is now, at both ends.  False: the target lacks a column, which may be on its way as a change of the
 * table; for good, as of one that is compared on a schedule, that is an error.
 */
extern bool dbsync_ends_look_up(DbsyncVerify *v, int captured_id, bool for_good);

#endif							/* DBSYNC_WORKER_VERIFY_ENDS_H */
