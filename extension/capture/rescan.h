/*-------------------------------------------------------------------------
 *
 * extension/capture/rescan.h
 *	  Capturing rows that a relation has, and not what a statement does to them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_RESCAN_H
#define DBSYNC_EXTENSION_CAPTURE_RESCAN_H

#include "utils/rel.h"

/*
 * Capture all rows of a captured table, or of a partition with rows of its own, that the caller
 * has for himself, as one kind of change; returns how many.
 */
extern int64 dbsync_rescan_capture(Relation rel, char op);

/*
 * Capture the rows of a relation and of all its partitions as inserted; the caller has had them
 * for himself since they were empty.  Returns how many.
 */
extern int64 dbsync_rescan_leaves(Relation rel);

#endif							/* DBSYNC_EXTENSION_CAPTURE_RESCAN_H */
