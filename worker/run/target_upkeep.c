/*-------------------------------------------------------------------------
 *
 * worker/run/target_upkeep.c
 *	  What the target's driver has to see to between batches, and what it wants of the worker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/batch/batch.h"
#include "worker/driver/driver.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/run/process.h"
#include "worker/run/target_upkeep.h"
#include "worker/subscription.h"
#include "worker/target.h"

/* a day */
#define LONGEST_PAUSE	(24 * 60 * 60 * 1000L)

/* first pause before another chain is tried once more, in ms; and how long a lock is waited for */
#define CHAIN_PAUSE		1000
#define CHAIN_LOCK_TIMEOUT	"1s"

static void
begin_chain(const DbsyncWork *work)
{
	const char *args[1] = {psprintf("%d", work->subscription_id)};

	dbsync_query_begin(false, "beginning another chain");
	/* whoever alters a table keeps that from being copied anew, and not the others' changes from going */
	(void) set_config_option("lock_timeout", CHAIN_LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	dbsync_query_run("SELECT dbsync_internal.begin_chain($1::pg_catalog.int4, NULL)", 1, args);
	dbsync_query_commit();
	ereport(LOG,
			(errmsg("subscription \"%s\" begins another chain of bundles", work->subscription->name),
			 errdetail("Its target's option full_every says so: all tables are copied anew.")));
}

/* In PG_CATCH(): the chain that there is goes on, status says why it does, and it is tried again after a pause. */
static void
put_off_chain(DbsyncWork *work, MemoryContext context)
{
	ErrorData  *edata;

	if (dbsync_process_is_ending())
		PG_RE_THROW();
	MemoryContextSwitchTo(context);
	edata = CopyErrorData();
	EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(context);
	work->chain_failures++;
	work->chain_after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), dbsync_query_pause(CHAIN_PAUSE, work->chain_failures));
	dbsync_report_trouble(edata, work->chain_after, 0);
	FreeErrorData(edata);
}

/* By the clock; true: it is done. */
static bool
restart_chain(DbsyncWork *work)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	if (work->chain_failures > 0 && GetCurrentTimestamp() < work->chain_after)
		return false;
	PG_TRY();
	{
		begin_chain(work);
		work->chain_failures = 0;
		done = true;
	}
	PG_CATCH();
	{
		put_off_chain(work, context);
	}
	PG_END_TRY();
	return done;
}

/* For status: in the place where receivers say what they miss. */
static void
report_lack(const DbsyncTargetLack *lack)
{
	DbsyncReceivingReport told = {0};

	strlcpy(told.missing, lack->words, sizeof(told.missing));
	/* without a chain no number is shown */
	told.chain = lack->above != 0 ? lack->above : lack->gone != 0 ? 1 : 0;
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
	if (!(wants & DBSYNC_UPKEEP_RESTART))
		work->chain_failures = 0;
	else if (restart_chain(work))
		return true;
	if (wants & DBSYNC_UPKEEP_POSITION)
		dbsync_batch_write_position(work);
	return false;
}
