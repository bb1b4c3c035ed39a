/*-------------------------------------------------------------------------
 *
 * worker/copy/clocks.c
 *	  When tables are due that are looked at on a schedule, as nobody tells when they change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/timestamp.h"

#include "worker/copy/clocks.h"
#include "worker/report.h"
#include "worker/subscription.h"

static DbsyncTableClock *
clock_of(const DbsyncTable *table, DbsyncClocks kinds)
{
	if (table->scan != NULL)
		return kinds & DBSYNC_CLOCKS_SCAN ? &table->scan->clock : NULL;
	if (table->snapshot != NULL)
		return kinds & DBSYNC_CLOCKS_SNAPSHOT ? &table->snapshot->clock : NULL;
	return kinds & DBSYNC_CLOCKS_SHADOW ? table->shadow : NULL;
}

DbsyncTableClock *
dbsync_clocks_of(const DbsyncTable *table, DbsyncClocks kinds)
{
	if (!table->captured || table->dropped != 0 || table->state == DBSYNC_TABLE_SUSPENDED)
		return NULL;
	return clock_of(table, kinds);
}

/* There may be ten thousand tables, and this is asked all the time. */
static bool
may_be_any(const DbsyncSubscription *subscription, DbsyncClocks kinds)
{
	return (subscription->any_scanned && kinds & DBSYNC_CLOCKS_SCAN) ||
		(subscription->any_compared && kinds & DBSYNC_CLOCKS_SHADOW) ||
		(subscription->any_snapshot && kinds & DBSYNC_CLOCKS_SNAPSHOT);
}

long
dbsync_clocks_pause(const DbsyncWork *work, DbsyncClocks kinds)
{
	TimestampTz now;
	uint64		asked;
	long		pause = LONG_MAX;
	ListCell   *lc;

	if (!may_be_any(work->subscription, kinds))
		return pause;
	now = GetCurrentTimestamp();
	asked = dbsync_report_asked();
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);
		const DbsyncTableClock *clock = dbsync_clocks_of(table, kinds);

		if (clock != NULL && table->part.live)
			pause = Min(pause, TimestampDifferenceMilliseconds(now, dbsync_table_clock_due(clock, asked)));
	}
	return pause;
}

long
dbsync_clocks_undone_pause(const DbsyncWork *work)
{
	TimestampTz now;
	long		pause = LONG_MAX;
	ListCell   *lc;

	if (!may_be_any(work->subscription, DBSYNC_CLOCKS_ALL))
		return pause;
	now = GetCurrentTimestamp();
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);
		const DbsyncTableClock *clock = dbsync_clocks_of(table, DBSYNC_CLOCKS_ALL);

		if (clock == NULL || clock->retry_at == 0 || clock->failures > 0 || clock->next_at > now || !table->part.live)
			continue;
		pause = Min(pause, TimestampDifferenceMilliseconds(now, clock->retry_at));
	}
	return pause;
}

bool
dbsync_clocks_is_any(const DbsyncWork *work)
{
	ListCell   *lc;

	if (!may_be_any(work->subscription, DBSYNC_CLOCKS_ALL))
		return false;
	foreach(lc, work->subscription->tables)
	{
		if (dbsync_clocks_of(lfirst(lc), DBSYNC_CLOCKS_ALL) != NULL)
			return true;
	}
	return false;
}

uint64
dbsync_clocks_answered(const DbsyncWork *work, DbsyncClocks kinds)
{
	uint64		answered = PG_UINT64_MAX;
	ListCell   *lc;

	if (!may_be_any(work->subscription, kinds))
		return answered;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTableClock *clock = dbsync_clocks_of(lfirst(lc), kinds);

		if (clock != NULL)
			answered = Min(answered, clock->answered);
	}
	return answered;
}

void
dbsync_clocks_begin_round(DbsyncWork *work)
{
	ListCell   *lc;

	if (!may_be_any(work->subscription, DBSYNC_CLOCKS_ALL))
		return;
	/* also of those that are suspended: they may be back before the next one */
	foreach(lc, work->subscription->tables)
	{
		DbsyncTableClock *clock = clock_of(lfirst(lc), DBSYNC_CLOCKS_ALL);

		if (clock != NULL)
			clock->next_at = 0;
	}
}
