/*-------------------------------------------------------------------------
 *
 * worker/verify/parked.h
 *	  Keys that are parked at the target: what differs there is known, and why.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_PARKED_H
#define DBSYNC_WORKER_VERIFY_PARKED_H

#include "worker/verify/verify.h"

/* While the target is being read, with nothing asked for: v->parked, in v->context. */
extern void dbsync_verify_parked_read(DbsyncVerify *v);

/* Is the key, as the source's text, one of v->parked, which is not NULL?  Allocates in CurrentMemoryContext. */
extern bool dbsync_verify_parked_has(DbsyncVerify *v, char *const *key);

#endif							/* DBSYNC_WORKER_VERIFY_PARKED_H */
