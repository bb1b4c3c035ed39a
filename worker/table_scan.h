/*-------------------------------------------------------------------------
 *
 * worker/table_scan.h
 *	  A table that is read by a column of its own: capture => 'timestamp'.
 *
 * Its place in the target's ledger is two moments, the last values of the part's boundary:
 *
 *	low		all rows that were written before it are on the target
 *	seen	what the clock said as the last scan began
 *
 * While the first copy is under way the key of its last row comes before them, and they are
 * those of its beginning.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TABLE_SCAN_H
#define DBSYNC_WORKER_TABLE_SCAN_H

#include "datatype/timestamp.h"
#include "utils/palloc.h"

#include "worker/driver/driver.h"
#include "worker/table_clock.h"

/* values of the boundary that are not of the key */
#define DBSYNC_SCAN_MARKS	2

/* before S: from when on rows can be written that S does not show */
typedef struct DbsyncScanMark
{
	bool		taken;			/* for this batch */
	bool		sure;			/* false: low of the scan before stays */
	TimestampTz low;
	TimestampTz seen;
} DbsyncScanMark;

typedef struct DbsyncTableScan
{
	const char *column;
	const char *time_zone;		/* of a column without; NULL: its type has one */
	int64		overlap;		/* in microseconds */
	DbsyncTableClock clock;

	/* state of the work, moved over when the configuration is read again */
	const DbsyncScanMark *mark; /* of the batch that is under way, or was last; NULL: there was none */
	int64		expected;		/* rows that the next one is likely to have */
} DbsyncTableScan;

/* Read the options of a table that has them, in the context; within SPI.  "id" is the subscription's, as text. */
extern DbsyncTableScan *dbsync_table_scan_read(MemoryContext context, const char *id, int captured_id);

/* Take over how far it is. */
extern void dbsync_table_scan_move(DbsyncTableScan *scan, const DbsyncTableScan *old);

/* What a part says.  It must have been checked, and have a boundary. */
extern TimestampTz dbsync_table_scan_low(const DbsyncLedgerPart *part);
extern TimestampTz dbsync_table_scan_seen(const DbsyncLedgerPart *part);

/*
 * Give the part a boundary: so many values of the key, then the two; in CurrentMemoryContext, of which
 * the key's values are not copied.
 */
extern void dbsync_table_scan_put(DbsyncLedgerPart *part, char **key, int nkeys, TimestampTz low, TimestampTz seen);

/* What is wrong with a boundary that a ledger has; NULL: nothing. */
extern const char *dbsync_table_scan_problem(const DbsyncLedgerPart *part);

#endif							/* DBSYNC_WORKER_TABLE_SCAN_H */
