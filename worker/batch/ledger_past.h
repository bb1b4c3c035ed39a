/*-------------------------------------------------------------------------
 *
 * worker/batch/ledger_past.h
 *	  Does a ledger lie in our own past, and do we still hold what comes behind it?
 *
 * For dbsync_ledger_attach(), which has read the ledger, in this order.  All raise an error, with what to do, if it
 * does not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_LEDGER_PAST_H
#define DBSYNC_WORKER_BATCH_LEDGER_PAST_H

#include "worker/snapshot.h"
#include "worker/work.h"

/* There is none, where one has been. */
pg_noreturn extern void dbsync_ledger_refuse_lost(DbsyncWork *work);

/* Of bundles: is their chain one that this database has begun? */
extern void dbsync_ledger_check_chain(DbsyncWork *work);

/* Was it written by this database, at a position that lies in the history of this server? */
extern void dbsync_ledger_check_past(DbsyncWork *work);

/* Is the transaction known here that the target had last? */
extern void dbsync_ledger_check_knows_last(DbsyncWork *work);

/* Is all of it still there that is not seen by "after", the ledger's snapshot? */
extern void dbsync_ledger_check_not_behind(DbsyncWork *work, const DbsyncSnapshot *after);

#endif							/* DBSYNC_WORKER_BATCH_LEDGER_PAST_H */
