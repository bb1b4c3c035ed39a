/*-------------------------------------------------------------------------
 *
 * worker/table_clock.c
 *	  When a table is to be looked at of which nobody tells that it has changed: scanned, or compared with its shadow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "worker/table_clock.h"

void
dbsync_table_clock_move(DbsyncTableClock *clock, const DbsyncTableClock *old)
{
	clock->next_at = old->next_at;
	clock->retry_at = old->retry_at;
	clock->failures = old->failures;
	clock->answered = old->answered;
}

TimestampTz
dbsync_table_clock_due(const DbsyncTableClock *clock, uint64 asked)
{
	return Max(clock->answered < asked ? 0 : clock->next_at, clock->retry_at);
}

void
dbsync_table_clock_reached(DbsyncTableClock *clock, uint64 asked, bool by_round)
{
	clock->next_at = by_round ? DT_NOEND : GetCurrentTimestamp() + clock->every;
	clock->retry_at = 0;
	clock->failures = 0;
	clock->answered = asked;
}

void
dbsync_table_clock_put_off(DbsyncTableClock *clock, int64 pause)
{
	clock->failures++;
	clock->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause);
}
