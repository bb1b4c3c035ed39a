/*-------------------------------------------------------------------------
 *
 * worker/verify/outcome.h
 *	  What has come of comparing a table, written down for good.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_OUTCOME_H
#define DBSYNC_WORKER_VERIFY_OUTCOME_H

#include "worker/verify/verify.h"

/* what differs; at either end a row may be missing */
typedef struct DbsyncDifference
{
	const char *kind;			/* missing, extra, different */
	const char *key;			/* jsonb; NULL: it is the row */
	const char *here;			/* jsonb, NULL: there is none */
	const char *there;
	int64		count;			/* of rows without a key: how many more */
	bool		parked;			/* its key is */
} DbsyncDifference;

/* A table is begun with; in a transaction of its own.  v->id is its number. */
extern void dbsync_outcome_begin(DbsyncVerify *v, int captured_id);

/* It is done, or will not be: in a transaction of its own. */
extern void dbsync_outcome_end(DbsyncVerify *v, const char *verdict, const char *note);

/* In the transaction in which it is compared. */
extern void dbsync_outcome_differs(DbsyncVerify *v, const DbsyncDifference *difference);

/* The same: of this key the row is to be sent anew, or deleted.  extra: the target alone has it. */
extern void dbsync_outcome_repair(DbsyncVerify *v, char *const *key, bool extra);

/* The same: there are no more of them. */
extern void dbsync_outcome_repair_end(DbsyncVerify *v);

/* In the same transaction, or in one of its own: nothing of the table is to be sent anew. */
extern void dbsync_outcome_forget_repair(DbsyncVerify *v);

/* Have a table without a key copied anew, in a transaction of its own. */
extern void dbsync_outcome_copy_anew(DbsyncVerify *v);

/* Values of columns as jsonb: all of them strings, or null. */
extern char *dbsync_outcome_json(int n, const char *const *names, const char *const *values);

#endif							/* DBSYNC_WORKER_VERIFY_OUTCOME_H */
