/*-------------------------------------------------------------------------
 *
 * worker/table_clock.h
 *	  When a table is to be looked at of which nobody tells that it has changed: scanned, or compared with its shadow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TABLE_CLOCK_H
#define DBSYNC_WORKER_TABLE_CLOCK_H

#include "datatype/timestamp.h"

typedef struct DbsyncTableClock
{
	int64		every;			/* in microseconds */

	/* state of the work, moved over when the configuration is read again */
	TimestampTz next_at;		/* 0: at once */
	TimestampTz retry_at;		/* it failed, or somebody else was at it; not before */
	int			failures;
	uint64		answered;		/* tickets of wait_for() up to this one were drawn before the last look */
} DbsyncTableClock;

/* Take over how far it is. */
extern void dbsync_table_clock_move(DbsyncTableClock *clock, const DbsyncTableClock *old);

/* When it is to be looked at next, if tickets up to "asked" have been drawn. */
extern TimestampTz dbsync_table_clock_due(const DbsyncTableClock *clock, uint64 asked);

/* It has been, now, for those who had asked before; the next time is that of the next round, or its own. */
extern void dbsync_table_clock_reached(DbsyncTableClock *clock, uint64 asked, bool by_round);

/* It failed: not again for so many milliseconds. */
extern void dbsync_table_clock_put_off(DbsyncTableClock *clock, int64 pause);

#endif							/* DBSYNC_WORKER_TABLE_CLOCK_H */
