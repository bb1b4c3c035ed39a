/*-------------------------------------------------------------------------
 *
 * worker/copy/undone.c
 *	  Tables that a round was to look at, and could not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/timestamp.h"

#include "worker/copy/undone.h"
#include "worker/subscription.h"
#include "worker/table.h"

/* NULL: nobody looks at it by himself. */
static const DbsyncTableClock *
clock_of(const DbsyncTable *table)
{
	if (table->scan != NULL)
		return &table->scan->clock;
	return table->snapshot != NULL ? &table->snapshot->clock : table->shadow;
}

long
dbsync_undone_pause(const DbsyncWork *work)
{
	const DbsyncSubscription *subscription = work->subscription;
	TimestampTz now = GetCurrentTimestamp();
	long		pause = LONG_MAX;
	ListCell   *lc;

	if (!subscription->any_scanned && !subscription->any_snapshot && !subscription->any_compared)
		return pause;
	foreach(lc, subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);
		const DbsyncTableClock *clock = clock_of(table);

		if (clock == NULL || clock->retry_at == 0 || clock->failures > 0 || clock->next_at > now || !table->captured || table->dropped != 0 ||
			table->state == DBSYNC_TABLE_SUSPENDED || !table->part.live)
			continue;
		pause = Min(pause, TimestampDifferenceMilliseconds(now, clock->retry_at));
	}
	return pause;
}
