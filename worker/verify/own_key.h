/*-------------------------------------------------------------------------
 *
 * worker/verify/own_key.h
 *	  Keys as the target writes them, and as the source does.
 *
 * Where the target's column has another type, an image has the key as that writes it: 8.000 in numeric(10,3) is 8 of an
 * integer.  Rows of the source are looked up by its own text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_VERIFY_OWN_KEY_H
#define DBSYNC_WORKER_VERIFY_OWN_KEY_H

#include "worker/verify/verify.h"

/* For the table at hand, in CurrentMemoryContext. */
extern DbsyncOwnKey *dbsync_own_key_create(const DbsyncVerify *v);

/*
 * The same key as the source's types write it, in CurrentMemoryContext.  NULL: they have no such values, so that no
 * row of the source can have it.  Runs as the table's owner.
 */
extern char **dbsync_own_key_of(const DbsyncVerify *v, char *const *key);

#endif							/* DBSYNC_WORKER_VERIFY_OWN_KEY_H */
