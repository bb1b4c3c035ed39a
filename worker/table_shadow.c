/*-------------------------------------------------------------------------
 *
 * worker/table_shadow.c
 *	  A table that is compared with its shadow: when it was, and is to be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/table_shadow.h"

DbsyncTableShadow *
dbsync_table_shadow_make(MemoryContext context, int64 every)
{
	DbsyncTableShadow *shadow = MemoryContextAllocZero(context, sizeof(DbsyncTableShadow));

	shadow->every = every;
	return shadow;
}

void
dbsync_table_shadow_move(DbsyncTableShadow *shadow, const DbsyncTableShadow *old)
{
	shadow->next_at = old->next_at;
	shadow->retry_at = old->retry_at;
	shadow->failures = old->failures;
	shadow->answered = old->answered;
}

void
dbsync_table_shadow_put_off(DbsyncTableShadow *shadow, int64 pause)
{
	shadow->failures++;
	shadow->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause);
}
