/*-------------------------------------------------------------------------
 *
 * worker/source/headers.h
 *	  Reading header segments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_SOURCE_HEADERS_H
#define DBSYNC_WORKER_SOURCE_HEADERS_H

#include "executor/tuptable.h"
#include "extension/log/header.h"
#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "worker/snapshot.h"

/* what a scan is to do with each header that it comes by; the slot is good until it returns */
typedef void (*DbsyncHeaderLook) (TupleTableSlot *slot, void *arg);

/* header segments, opened for as long as a cut is put together: each as it is first read from */
typedef struct DbsyncHeaders
{
	int			nsegments;
	const Oid  *segments;
	Relation   *rels;			/* NULL: not opened yet */
	TupleTableSlot **slots;
} DbsyncHeaders;

/* A column of a header (DBSYNC_HEADER_...) that is never null. */
extern Datum dbsync_headers_field(TupleTableSlot *slot, int attno);

/*
 * Look at each header of a segment, visible in the active snapshot, that can be of a
 * transaction which "after" does not see.  Some that it does see may come, too; none
 * comes twice.
 */
extern void dbsync_headers_scan(Oid segment, const DbsyncSnapshot *after,
								DbsyncHeaderLook look, void *arg);

/*
 * Read single headers of these segments, whose array must last as long.  What is opened is
 * in the CurrentMemoryContext of the opening, and stays open until the closing, or an error.
 */
extern void dbsync_headers_open(DbsyncHeaders *headers, int nsegments, const Oid *segments);
extern void dbsync_headers_close(DbsyncHeaders *headers);

/*
 * The header at this place of the segment with this index, in CurrentMemoryContext; it must
 * be visible in the active snapshot.  The transaction is for the message if it is not there.
 */
extern void dbsync_headers_fetch(DbsyncHeaders *headers, int segment, ItemPointerData tid,
								 uint64 xid, DbsyncHeader *header);

#endif							/* DBSYNC_WORKER_SOURCE_HEADERS_H */
