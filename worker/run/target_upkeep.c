/*-------------------------------------------------------------------------
 *
 * worker/run/target_upkeep.c
 *	  What the target's driver has to see to between batches, and what it wants of the worker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "worker/batch/batch.h"
#include "worker/driver/driver.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/run/target_upkeep.h"
#include "worker/subscription.h"
#include "worker/target.h"

/* a day */
#define LONGEST_PAUSE	(24 * 60 * 60 * 1000L)

static void
restart_chain(const DbsyncWork *work)
{
	const char *args[1] = {psprintf("%d", work->subscription_id)};

	dbsync_query_begin(false, "beginning another chain");
	dbsync_query_run("SELECT dbsync_internal.begin_chain($1::pg_catalog.int4, NULL)", 1, args);
	dbsync_query_commit();
	ereport(LOG,
			(errmsg("subscription \"%s\" begins another chain of bundles", work->subscription->name),
			 errdetail("Its target's option full_every says so: all tables are copied anew.")));
}

/* For status: in the place where receivers say what they miss. */
static void
report_lack(const DbsyncTargetLack *lack)
{
	DbsyncReceivingReport told = {0};

	strlcpy(told.missing, lack->words, sizeof(told.missing));
	/* without which no number is shown */
	told.chain = lack->gone != 0 ? 1 : 0;
	told.number = lack->gone;
	dbsync_report_receiving(&told);
}

long
dbsync_target_upkeep_pause(const DbsyncWork *work)
{
	if (work->target == NULL)
		return LONGEST_PAUSE;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), work->upkeep_due);
}

bool
dbsync_target_upkeep_run(DbsyncWork *work)
{
	long		pause = LONGEST_PAUSE;
	int			wants = 0;

	if (dbsync_target_upkeep_pause(work) > 0)
		return false;
	dbsync_target_upkeep(work->target, &pause, &wants);
	if (dbsync_target_is_folder(work->target))
		report_lack(&work->target->lack);
	work->upkeep_due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Min(pause, LONGEST_PAUSE));
	if (wants & DBSYNC_UPKEEP_RESTART)
	{
		restart_chain(work);
		return true;
	}
	if (wants & DBSYNC_UPKEEP_POSITION)
		dbsync_batch_write_position(work);
	return false;
}
