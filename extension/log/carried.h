/*-------------------------------------------------------------------------
 *
 * extension/log/carried.h
 *	  Rows of small transactions, carried by the header.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_LOG_CARRIED_H
#define DBSYNC_EXTENSION_LOG_CARRIED_H

#include "access/htup.h"
#include "extension/log/packed.h"

/* The most bytes that a segment's row takes, packed. */
extern Size dbsync_carried_size(HeapTuple tuple);

/* Pack a segment's row, without values out of line; returns where the next one goes. */
extern char *dbsync_carried_write(char *at, int segment_id, HeapTuple tuple);

/* A carried row, where it lies packed. */
typedef struct DbsyncCarriedRow
{
	int			segment_id;
	char		op;
	uint64		xid;
	int64		no;
	int			natts;			/* ours included */
	bool		varlena;		/* has columns of variable length */
	const char *nulls;			/* NULL: none is null */
	const char *data;			/* behind our columns */
	Size		size;			/* of the data */
} DbsyncCarriedRow;

/* The next row; false: that was the last one. */
extern bool dbsync_carried_next(DbsyncPacked *packed, DbsyncCarriedRow *row);

/* A fresh row as it would lie in the segment, but for its place. */
extern HeapTuple dbsync_carried_tuple(const DbsyncCarriedRow *row);

#endif							/* DBSYNC_EXTENSION_LOG_CARRIED_H */
