/*-------------------------------------------------------------------------
 *
 * extension/capture/key_order.h
 *	  The rows of a table in the order of its key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_KEY_ORDER_H
#define DBSYNC_EXTENSION_CAPTURE_KEY_ORDER_H

#include "access/genam.h"
#include "access/sdir.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

/* a table that is being read; lives on the caller's stack */
typedef struct DbsyncKeyOrder
{
	Relation	rel;
	Relation	index;			/* the key's, or one that begins with it */
	int			nkeys;			/* columns of the key */
	MemoryContext context;		/* what scans make for themselves is in it */
	IndexScanDesc scan;			/* rows come by the index; NULL: they were sorted */
	ScanDirection direction;
	struct Tuplesortstate *sort;
	TupleTableSlot *slot;		/* the row under way, if it has one */
	bool		has_row;
} DbsyncKeyOrder;

/*
 * Begin to read a table that the caller has locked, as of a snapshot that he has registered, by an index whose first columns
 * are the key, nkeys of them (0: all): all of them upwards, or all downwards.  CurrentMemoryContext must live until the end.  Runs code of the key's type.
 */
extern void dbsync_key_order_begin(DbsyncKeyOrder *order, Relation rel, Oid index, int nkeys, Snapshot snapshot);

/* The next row, upwards; its values are good until the next call.  False: there is none. */
extern bool dbsync_key_order_next(DbsyncKeyOrder *order);

extern void dbsync_key_order_end(DbsyncKeyOrder *order);

#endif							/* DBSYNC_EXTENSION_CAPTURE_KEY_ORDER_H */
