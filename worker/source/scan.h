/*-------------------------------------------------------------------------
 *
 * worker/source/scan.h
 *	  A cut's rows of one table, straight from their blocks and headers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_SCAN_H
#define DBSYNC_WORKER_SOURCE_SCAN_H

#include "executor/tuptable.h"
#include "utils/relcache.h"

#include "extension/log/segment.h"
#include "worker/relay.h"
#include "worker/source/members.h"
#include "worker/source/reader.h"

/*
 * Who gets the rows, as they lie in a segment.  begin: before the first, with their
 * shape.  row: dbsync_scan_place() says where in the cut it is; false: no more are wanted.
 */
typedef struct DbsyncScanSink
{
	void		(*begin) (TupleDesc desc, void *arg);
	bool		(*row) (TupleTableSlot *slot, int rank, void *arg);
	void	   *arg;
} DbsyncScanSink;

/*
 * Every row of the table that the cut has and the subscription sends, segment by segment, on the active
 * snapshot.  Returns how many there were, others included.
 */
extern int64 dbsync_scan_rows(const DbsyncReading *reading, const DbsyncScanSink *sink);

/* The place of a row that a sink gets; its number has been taken out of the slot's tuple. */
static inline int64
dbsync_scan_place(const TupleTableSlot *slot, int rank)
{
	int64		no = DatumGetInt64(slot->tts_values[DBSYNC_SEGMENT_NO - 1]);

	/* the numbers of carried rows are places already */
	return rank < 0 ? no : dbsync_members_place(rank, no);
}

/* Open a segment, which has been locked; error if its columns are not the table's. */
extern Relation dbsync_scan_open(const DbsyncReading *reading, int segment_id);

/* Is every row to be taken whole, as it lies? */
extern bool dbsync_scan_can_copy(const DbsyncReading *reading);

/* Tell the relay which columns of such rows it is to take. */
extern void dbsync_scan_place_columns(const DbsyncReading *reading, DbsyncRelay *relay);

/* The reader of such rows of which none are to be folded: they go straight to the relay. */
extern bool dbsync_scan_applies(const DbsyncReading *reading);
extern int64 dbsync_scan_read(const DbsyncReading *reading, DbsyncRelay *relay);

#endif							/* DBSYNC_WORKER_SOURCE_SCAN_H */
