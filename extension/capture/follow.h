/*-------------------------------------------------------------------------
 *
 * extension/capture/follow.h
 *	  Statements between a command that changes partitions and its judgement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_FOLLOW_H
#define DBSYNC_EXTENSION_CAPTURE_FOLLOW_H

#include "utils/rel.h"

/*
 * Has capture follow what has become of the partitions of a captured table.  Set by the DDL
 * guard while a command is under way that it has not judged, NULL at all other times; it
 * may run commands, and raises an error where the guard would refuse the user's.
 */
extern void (*dbsync_follow_members) (int captured_id);

/*
 * A statement on the table is about to write: if a command is under way, capture gets to know
 * the partitions first; error if it is a parent that is not captured by row yet.  To be called before any row of the statement is written; what
 * dbsync_cache_find() has said of the table is out of date then.
 */
extern void dbsync_follow_before(Relation rel);

#endif							/* DBSYNC_EXTENSION_CAPTURE_FOLLOW_H */
