/*-------------------------------------------------------------------------
 *
 * extension/capture/shadow.h
 *	  The shadow of a captured table: a copy that is kept beside it, and compared with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_SHADOW_H
#define DBSYNC_EXTENSION_CAPTURE_SHADOW_H

#include "storage/lockdefs.h"
#include "utils/relcache.h"

/*
 * The shadow of a captured table that the caller has open, in this lock mode, and its only index, which is the key's.
 * Captured columns have the numbers that they have in the table, so that a row of the one is read as a row of
 * the other; all others are dropped ones.  Error if it is not there, or not what it was made as.
 */
extern Relation dbsync_shadow_open(Relation rel, int captured_id, LOCKMODE mode, Oid *key_index);

#endif							/* DBSYNC_EXTENSION_CAPTURE_SHADOW_H */
