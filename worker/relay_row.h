/*-------------------------------------------------------------------------
 *
 * worker/relay_row.h
 *	  One row on its way: encoded, measured, and called by its key in messages.
 *
 * For worker/relay.c and worker/relay_row.c alone, which share what a relay is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_RELAY_ROW_H
#define DBSYNC_WORKER_RELAY_ROW_H

#include "executor/tuptable.h"

#include "worker/encode.h"
#include "worker/relay.h"
#include "worker/selection.h"

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
	TupleDesc	sent_desc;		/* of rows as they are sent */
	DbsyncEncoder *encoder;
	DbsyncRow	row;

	/* of chunks: the key of the last row, per key column */
	TupleDesc	desc;
	Datum	   *last_key;
	MemoryContext key_context;	/* of its values; reset for each row */
};

/* The column of the shape that is sent as number i; -1: an expression is. */
extern int	dbsync_relay_column(const DbsyncRelay *relay, int i);

/*
 * Encode a row into relay->row, in CurrentMemoryContext.  slot: as it came; sent: as it is sent, which may be
 * the same.  Error if it is too large for any target.
 */
extern void dbsync_relay_encode_row(DbsyncRelay *relay, TupleTableSlot *slot, const TupleTableSlot *sent);

/* The key of a row that came, for a message, cut short; its own functions make the text. */
extern char *dbsync_relay_describe_row(DbsyncRelay *relay, TupleTableSlot *slot);

#endif							/* DBSYNC_WORKER_RELAY_ROW_H */
