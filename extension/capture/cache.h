/*-------------------------------------------------------------------------
 *
 * extension/capture/cache.h
 *	  What a backend knows of each captured table, so that a captured
 *	  statement looks nothing up.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_EXTENSION_CAPTURE_CACHE_H
#define DBSYNC_EXTENSION_CAPTURE_CACHE_H

#include "access/attnum.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "extension/catalog.h"
#include "extension/capture/transaction.h"
#include "utils/reltrigger.h"

typedef enum DbsyncCaptureMode
{
	DBSYNC_MODE_IGNORE,			/* not ours, or not active: let it pass */
	DBSYNC_MODE_DORMANT,		/* this database is a copy: note that it passed */
	DBSYNC_MODE_CAPTURE
} DbsyncCaptureMode;

/*
 * One table.  Entries are never freed, so pointers to them stay good; what they
 * say is good until the next dbsync_captured_find() of the table, what it points to
 * until the end of the transaction.  Fields from
 * "segment_id" on mean something in DBSYNC_MODE_CAPTURE only.
 */
typedef struct DbsyncEntry
{
	Oid			relid;			/* hash key */
	bool		valid;			/* the relcache callback clears it */
	uint64		generation;		/* configuration that it was made from */
	DbsyncCaptureMode mode;
	DbsyncCaptured captured;
	TransactionId skip_noted;	/* wrote the row of dbsync.skipped */

	int			segment_id;		/* the active one */
	Oid			segment;
	bool		segment_checked;	/* its columns fit the table's */
	MemoryContext context;		/* of all that follows */
	TupleDesc	desc;			/* the table's own, with its missing values */
	int			ncolumns;		/* columns that are captured */
	AttrNumber *columns;		/* their numbers in the table */
	int			nkeys;
	int		   *keys;			/* key columns, as indexes into columns */
	AttrNumber	last_key;		/* highest number of a key column */
	int			nlarge;			/* columns that can be out of line, without the key */
	int		   *large;			/* as indexes into columns */
	AttrNumber	last_large;		/* highest number of one of them */
	int2vector *same;			/* room for as many; see unchanged.h */
	Datum	   *values;			/* room for one segment row */
	bool	   *nulls;
	TupleTableSlot *rows[2];	/* for reading transition tables; NULL: not made */
	TriggerDesc *triggers;		/* a copy of the table's own */

	/* what plain.c makes of them */
	bool		triggers_known;
	bool		only_ours;		/* nobody else has triggers on it */
	int16		plain;			/* changes that need no triggers, as in tgtype */

	/* how rows are formed (form.c); meaningful once segment_checked */
	bool		copies;			/* a row's data can be copied as it is */
	int			key_bytes;		/* if also its key is its first bytes; else 0 */
	int			head;			/* header of a segment's row */
	int			head_nulls;		/* the same, with a null bitmap */
	int			head_marked;	/* the same, of a row with dbsync_same */
	TupleDesc	unmarked;		/* of rows that say nothing of columns untouched */

	uint64		serial;			/* transaction that "touched" belongs to */
	DbsyncTouched *touched;
} DbsyncEntry;

/* The entry of an open table that has our triggers, up to date. */
extern DbsyncEntry *dbsync_captured_find(Relation rel);

/* What the current transaction did to the table so far; makes it if missing. */
extern DbsyncTouched *dbsync_captured_touch(DbsyncEntry *entry);

/* The same, but NULL if the transaction has not touched the table. */
extern DbsyncTouched *dbsync_captured_touched(DbsyncEntry *entry);

/* Error if the segment's columns are not the captured table's. */
extern void dbsync_captured_check_segment(DbsyncEntry *entry, Relation segment);

#endif							/* DBSYNC_EXTENSION_CAPTURE_CACHE_H */
