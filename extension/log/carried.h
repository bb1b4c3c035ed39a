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

/*
 * As many bytes of rows a header takes along.  With all else that it says it should
 * stay below what PostgreSQL stores out of line (2 kB).
 */
#define DBSYNC_CARRIED_MAX	1500

/* Make room; called once, from dbsync_transaction_init. */
extern void dbsync_carried_init(void);

/* Begin a transaction's rows: forget those of the last one, and the room they took. */
extern void dbsync_carried_begin(void);

/*
 * As many bytes in all, where rows are too wide for a page of the segment: they have
 * nowhere else to go.
 */
#define DBSYNC_CARRIED_WIDE_MAX	(16 * 1024 * 1024)

/* Is it worth asking dbsync_carried_put? */
extern bool dbsync_carried_has_room(void);

/*
 * Have the current transaction's header take a row along that would fit into the
 * segment.  False if it has no room for it, or the row has values out of line.
 */
extern bool dbsync_carried_put(int segment_id, HeapTuple tuple);

/*
 * Have the header take a row along that does not fit on a page, whatever room there is.
 * Values out of line must have been fetched.  Error beyond DBSYNC_CARRIED_WIDE_MAX.
 */
extern void dbsync_carried_put_wide(int segment_id, HeapTuple tuple, const char *table);

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

/* The rows that the current transaction's header is to take along. */
extern DbsyncPacked dbsync_carried_read(void);

/* The next row; false: that was the last one. */
extern bool dbsync_carried_next(DbsyncPacked *packed, DbsyncCarriedRow *row);

/* A fresh row as it would lie in the segment, but for its place. */
extern HeapTuple dbsync_carried_tuple(const DbsyncCarriedRow *row);

#endif							/* DBSYNC_EXTENSION_LOG_CARRIED_H */
