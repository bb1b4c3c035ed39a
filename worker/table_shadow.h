/*-------------------------------------------------------------------------
 *
 * worker/table_shadow.h
 *	  A table that is compared with its shadow: capture => 'shadow'.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_TABLE_SHADOW_H
#define DBSYNC_WORKER_TABLE_SHADOW_H

#include "datatype/timestamp.h"
#include "utils/palloc.h"

typedef struct DbsyncTableShadow
{
	int64		every;			/* by its own clock, in microseconds */

	/* state of the work, moved over when the configuration is read again */
	TimestampTz next_at;		/* 0: at once */
	TimestampTz retry_at;		/* it failed, or somebody else was at it; not before */
	int			failures;
	uint64		answered;		/* tickets of wait_for() up to this one were drawn before the last comparison */
} DbsyncTableShadow;

extern DbsyncTableShadow *dbsync_table_shadow_make(MemoryContext context, int64 every);

/* Take over how far it is. */
extern void dbsync_table_shadow_move(DbsyncTableShadow *shadow, const DbsyncTableShadow *old);

/* It failed: not again for so many milliseconds. */
extern void dbsync_table_shadow_put_off(DbsyncTableShadow *shadow, int64 pause);

#endif							/* DBSYNC_WORKER_TABLE_SHADOW_H */
