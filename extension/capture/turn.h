/*-------------------------------------------------------------------------
 *
 * extension/capture/turn.h
 *	  Turns that capture itself makes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_TURN_H
#define DBSYNC_EXTENSION_CAPTURE_TURN_H

#include "utils/rel.h"

/*
 * A turn of the captured table that the relation is a partition of: the partition, which its
 * caller has open and locked, is empty from here on.  The bound is its condition
 * (dbsync_catalog_bound()).
 */
extern void dbsync_turn_emptied(Relation member, const char *bound);

#endif							/* DBSYNC_EXTENSION_CAPTURE_TURN_H */
