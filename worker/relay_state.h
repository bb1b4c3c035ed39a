/*-------------------------------------------------------------------------
 *
 * worker/relay_state.h
 *	  What a relay knows, for the files that make one: relay.c and relay_begin.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RELAY_STATE_H
#define DBSYNC_WORKER_RELAY_STATE_H

#include "tcop/dest.h"

#include "worker/catcher.h"
#include "worker/encode.h"
#include "worker/last_key.h"
#include "worker/relay_what.h"
#include "worker/row_screen.h"
#include "worker/selection.h"
#include "worker/shape.h"
#include "worker/table.h"

struct DbsyncRelay
{
	DestReceiver receiver;		/* first: who reads knows us by it */
	DbsyncTarget *target;
	const DbsyncTargetTable *handle;
	const DbsyncTable *table;
	const DbsyncTableShape *shape;	/* of the rows that come */
	DbsyncRelayWhat what;
	bool		refused;
	int64		rows;
	int64		excluded;		/* of them, by the filter */
	int64		written;		/* rows of them, and not deletions */
	int64		bytes;			/* of their values */
	MemoryContext context;		/* lives as long as the relay */
	MemoryContext row_context;	/* reset for each row */
	const int  *sent;			/* the shape's columns that are sent; NULL: all, or the key's */
	const int  *place;			/* where the row that comes has the shape's columns */
	const int  *at;				/* where it has those that are sent */
	bool	   *unchanged;		/* of them; NULL: none is left out, and they are the shape's own */
	bool	   *varlena;		/* columns that can be large */
	int			needed;			/* columns of it that we look at */
	int			ncolumns;
	bool		selects;		/* expressions or a filter are to be worked out: then ... */
	DbsyncSelecting *selecting; /* ... so; NULL: rows are sent as they come */
	bool		deletes;		/* rows that the filter is not true of */
	bool		sends_text;		/* nothing in binary form */
	TupleDesc	sent_desc;		/* of rows as they are sent */
	DbsyncEncoder *encoder;
	bool		catches;		/* rows of keys that are parked: then ... */
	DbsyncCatcher *catcher;		/* ... so; NULL: none are */
	const DbsyncRowScreen *screen;	/* NULL: all rows are wanted */
	int			needed_first;	/* columns of rows that come that have to be taken out of them for that */
	DbsyncRow	row;
	DbsyncLastKey *last_key;	/* of chunks: that of the last row */
};

/* The first step of a query whose rows come (DestReceiver.rStartup): where they have what is sent.  As the table's owner. */
extern void dbsync_relay_startup(DestReceiver *self, int operation, TupleDesc desc);

/* The column of the shape that is sent as number i; -1: an expression is. */
extern int	dbsync_relay_column(const DbsyncRelay *relay, int i);

#endif							/* DBSYNC_WORKER_RELAY_STATE_H */
