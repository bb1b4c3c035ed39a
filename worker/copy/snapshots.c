/*-------------------------------------------------------------------------
 *
 * worker/copy/snapshots.c
 *	  When tables are compared with the target: capture => 'snapshot'.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "worker/copy/clocks.h"
#include "worker/copy/reverse.h"
#include "worker/copy/snapshots.h"
#include "worker/driver/driver.h"
#include "worker/subscription.h"
#include "worker/target.h"
#include "worker/target_compare.h"

DbsyncTable *
dbsync_snapshots_due(const DbsyncWork *work, uint64 asked)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz first = DT_NOEND;
	uint64		answered = 0;
	DbsyncTable *found = NULL;
	ListCell   *lc;

	if (!work->subscription->any_snapshot)
		return NULL;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);
		TimestampTz due;

		if (dbsync_clocks_of(table, DBSYNC_CLOCKS_SNAPSHOT) == NULL || !table->part.live || table->part_dirty)
			continue;
		due = dbsync_table_clock_due(&table->snapshot->clock, asked);
		/* while tickets are drawn all the time all are due: the one that has answered fewest has its turn */
		if (due > now || due > first || (due == first && found != NULL && table->snapshot->clock.answered >= answered))
			continue;
		first = due;
		answered = table->snapshot->clock.answered;
		found = table;
	}
	return found;
}

void
dbsync_snapshots_check(const DbsyncWork *work, const DbsyncTable *table)
{
	if (!dbsync_target_compares(work->target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table %s cannot be compared with target \"%s\"", table->qualified, work->subscription->target),
				 errdetail("Its driver \"%s\" does not have the feature COMPARE: it cannot show what is in its tables.",
						   work->target->driver->name),
				 errhint("Take the table out with dbsync.remove_table().")));
	if (dbsync_reverse_applies(table->qualified))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s cannot be compared with its target: a subscription of dbsync applies into it", table->qualified),
				 errdetail("A comparison cannot tell who wrote a row, so what comes from elsewhere would go back, as older over newer."),
				 errhint("Take the table out of one of the two subscriptions with dbsync.remove_table().")));
	if (table->ties.checked)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("table %s cannot be sent by comparisons, as the target checks foreign keys of it", table->qualified),
				 errdetail("Its rows come when those that they belong to may not be there."),
				 errhint("Drop the foreign keys on the target, let its user set session_replication_role, or use capture => 'trigger'.")));
}

bool
dbsync_snapshots_look(DbsyncWork *work, DbsyncTable *table)
{
	if (table->snapshot == NULL)
		return false;
	table->snapshot->has_rows = !dbsync_table_empties(table) && dbsync_target_table_has_rows(work->target, table->handle);
	return table->snapshot->has_rows;
}
