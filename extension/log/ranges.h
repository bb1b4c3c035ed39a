/*-------------------------------------------------------------------------
 *
 * extension/log/ranges.h
 *	  Ranges of blocks: where in a segment a transaction wrote.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_LOG_RANGES_H
#define DBSYNC_EXTENSION_LOG_RANGES_H

#include "storage/block.h"

#define DBSYNC_MAX_RANGES	8

/* blocks of one segment, as inclusive ranges; few and coarse rather than many */
typedef struct DbsyncRanges
{
	int			n;
	BlockNumber first[DBSYNC_MAX_RANGES];
	BlockNumber last[DBSYNC_MAX_RANGES];
} DbsyncRanges;

/* Add a block to the ranges, merging the nearest two when all are taken. */
extern void dbsync_ranges_add(DbsyncRanges *ranges, BlockNumber block);

#endif							/* DBSYNC_EXTENSION_LOG_RANGES_H */
