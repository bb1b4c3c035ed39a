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
#include "extension/capture/shape.h"
#include "extension/capture/transaction.h"
#include "extension/catalog.h"
#include "utils/reltrigger.h"

typedef enum DbsyncCaptureMode
{
	DBSYNC_MODE_IGNORE,			/* not ours, or not active: let it pass */
	DBSYNC_MODE_DORMANT,		/* this database is a copy: note that it passed */
	DBSYNC_MODE_SCAN,			/* nobody captures it: it is only read, by its shape */
	DBSYNC_MODE_CAPTURE
} DbsyncCaptureMode;

/*
 * One table, or a partition of one: then captured.relid is another than relid, and all
 * that a transaction does to either is noted as done to the captured table.  Entries are
 * never freed, so pointers to them stay good; what they
 * say is good until the next dbsync_cache_find() of the table, what it points to
 * until the end of the transaction.  Fields from
 * "tree" on mean something in DBSYNC_MODE_CAPTURE only, the shape in DBSYNC_MODE_SCAN, too.
 */
typedef struct DbsyncEntry
{
	Oid			relid;			/* hash key */
	bool		valid;			/* the relcache callback clears it */
	uint64		generation;		/* configuration that it was made from */
	DbsyncCaptureMode mode;
	DbsyncCaptured captured;
	TransactionId skip_noted;	/* wrote the row of dbsync.skipped */

	bool		tree;			/* a partition, or partitioned: others are touched with it */
	bool		by_row;			/* its row trigger captures, in all sessions, and no other does */
	int			segment_id;		/* the active one */
	int			shape_id;		/* that it was made for */
	Oid			segment;
	bool		segment_checked;	/* its columns fit the table's */
	DbsyncShape shape;
	TupleTableSlot *rows[2];	/* for reading transition tables; NULL: not made */
	TriggerDesc *triggers;		/* a copy of the table's own */

	/* what dbsync_eligibility_... make of them */
	bool		triggers_known;
	bool		only_ours;		/* nobody else has triggers on it */
	int16		plain;			/* changes that need no triggers, as in tgtype */

	uint64		serial;			/* transaction that "touched" belongs to */
	DbsyncTouched *touched;
} DbsyncEntry;

/* The entry of an open table that has our triggers, up to date. */
extern DbsyncEntry *dbsync_cache_find(Relation rel);

/* What the current transaction did to the table so far; makes it if missing. */
extern DbsyncTouched *dbsync_cache_touch(DbsyncEntry *entry);

/* The same, but NULL if the transaction has not touched the table. */
extern DbsyncTouched *dbsync_cache_touched(DbsyncEntry *entry);

/* Error if the segment's columns are not the captured table's. */
extern void dbsync_cache_check_segment(DbsyncEntry *entry, Relation segment);

#endif							/* DBSYNC_EXTENSION_CAPTURE_CACHE_H */
