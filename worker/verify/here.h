/*-------------------------------------------------------------------------
 *
 * worker/verify/here.h
 *	  The source's rows as they would be sent now, made into images.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_HERE_H
#define DBSYNC_WORKER_VERIFY_HERE_H

#include "worker/verify/verify.h"

/*
 * All rows of the table that is being verified whose buckets "wants" says yes of: each is in v->imager when "take" is called, in memory of
 * its own.  In its transaction.
 */
extern void dbsync_here_read(DbsyncVerify *v, bool (*wants) (const DbsyncVerify *v, int bucket, void *arg),
							 void (*take) (DbsyncVerify *v, void *arg), void *arg);

/*
 * Rows by their keys (a List of char **): calls "take" for each with its number, found or not, in the
 * memory of the row.
 */
extern void dbsync_here_find(DbsyncVerify *v, List *keys,
							 void (*take) (DbsyncVerify *v, int number, bool found, void *arg), void *arg);

#endif							/* DBSYNC_WORKER_VERIFY_HERE_H */
