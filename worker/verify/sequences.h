/*-------------------------------------------------------------------------
 *
 * worker/verify/sequences.h
 *	  Are the target's sequences ahead of its rows, as the source's are?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_SEQUENCES_H
#define DBSYNC_WORKER_VERIFY_SEQUENCES_H

#include "worker/verify/verify.h"

/* Before the worker is asked: learn which sequences there are.  In a transaction of its own. */
extern void dbsync_verify_sequences_read(DbsyncVerify *v);

/* In the transaction that compares: look at those of the table's columns.  v->behind has what was found. */
extern void dbsync_verify_sequences_compare(DbsyncVerify *v);

#endif							/* DBSYNC_WORKER_VERIFY_SEQUENCES_H */
