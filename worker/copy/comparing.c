/*-------------------------------------------------------------------------
 *
 * worker/copy/comparing.c
 *	  When tables are compared with their shadows.
 *
 * A shadow is the captured table's, and the workers of all its subscriptions compare it, one after the other: who finds
 * another one at it passes by, and comes back.  Whatever one of them finds goes into the log, and to each
 * subscription with its next batch.
 *
 * Who waits in wait_for() is answered when a comparison that began behind his call is on the target: the window that
 * brings it has a snapshot from behind it, so it is looked at as windows begin how far comparisons are (dbsync_clocks_answered()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "worker/copy/clocks.h"
#include "worker/copy/comparing.h"
#include "worker/copy/reverse.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/subscription.h"
#include "worker/table.h"

/* before a table that somebody has locked, or is comparing, is tried again, in ms */
#define LOCKED_PAUSE	200

/* What is applied here would go back, as older over newer. */
static void
check_written_here(const DbsyncTable *table)
{
	if (dbsync_reverse_applies(table->qualified))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s cannot be compared with its shadow: a subscription of dbsync applies into it", table->qualified),
				 errdetail("A comparison cannot tell who wrote a row, so what comes from elsewhere would go back, as older over newer."),
				 errhint("Take the table out of one of the two subscriptions with dbsync.remove_table().")));
}

/* In a transaction of its own; false: somebody has the table to himself, or is comparing it. */
static bool
compare(DbsyncWork *work, const DbsyncTable *table)
{
	const char *args[2];
	bool		done;

	args[0] = psprintf("%d", table->captured_id);
	args[1] = psprintf("%u", work->subscription->owner);
	dbsync_query_begin(false, "comparing a table with its shadow");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	check_written_here(table);
	(void) dbsync_query("SELECT dbsync_internal.compare_shadow($1::pg_catalog.int4, $2::pg_catalog.oid)", 2, args);
	done = dbsync_query_text(0, 1) != NULL;
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	return done;
}

static void
compare_one(DbsyncWork *work, DbsyncTable *table)
{
	DbsyncTableClock *clock = table->shadow;
	uint64		asked = dbsync_report_asked();
	bool		done;

	work->comparing = table->captured_id;
	done = compare(work, table);
	work->comparing = 0;
	if (done)
	{
		dbsync_table_clock_reached(clock, asked, work->scans_by_round);
		return;
	}
	clock->failures = 0;
	clock->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOCKED_PAUSE);
}

void
dbsync_comparing_run(DbsyncWork *work)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64		asked = dbsync_report_asked();
	ListCell   *lc;

	if (!work->subscription->any_compared)
		return;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (dbsync_clocks_of(table, DBSYNC_CLOCKS_SHADOW) != NULL && table->part.live && dbsync_table_clock_due(table->shadow, asked) <= now)
			compare_one(work, table);
	}
}
