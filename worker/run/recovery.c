/*-------------------------------------------------------------------------
 *
 * worker/run/recovery.c
 *	  What a worker does about an error, whatever it was doing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/batch/held.h"
#include "worker/batch/ledger.h"
#include "worker/batch/quarantine.h"
#include "worker/batch/repair.h"
#include "worker/connection.h"
#include "worker/copy/connections.h"
#include "worker/copy/schedule.h"
#include "worker/driver/driver.h"
#include "worker/oversize.h"
#include "worker/progress.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/run/crashes.h"
#include "worker/run/process.h"
#include "worker/run/recovery.h"
#include "worker/target.h"
#include "worker/upkeep/retention.h"

/* first pause after a failure, in ms */
#define RETRY_MIN 200

/*
 * Would the batch that failed go through if its rows were sent in another way?  Two rows
 * that swap a unique value, or a row that fits on a page of the table and not on one of a
 * stage, which has a column more: deleting first, where only keys are staged.  A row that
 * is not there: with all of its values.
 */
static DbsyncSendAs
send_needed(DbsyncWork *work)
{
	if (dbsync_target_fault_is(work->target, DBSYNC_FAULT_CLASH) ||
		dbsync_connections_fault_is(work, DBSYNC_FAULT_CLASH))
		return DBSYNC_SEND_REPLACE_ALL;
	if (dbsync_target_fault_is(work->target, DBSYNC_FAULT_ROW_MISSING))
		return DBSYNC_SEND_WHOLE_ROWS;
	return DBSYNC_SEND_AS_USUAL;
}

/*
 * Behind that: a row that the target refuses for what it is, in whatever way it comes.  Where only a check that comes behind all
 * rows has found it, the batch comes so once more, and has it checked with each row.
 */
static bool
is_to_be_doubted(DbsyncWork *work, DbsyncSendAs *send_as)
{
	if (*send_as == DBSYNC_SEND_DOUBTED)
		return dbsync_quarantine_checks_sooner(work);
	if (!dbsync_quarantine_finds(work))
		return false;
	*send_as = DBSYNC_SEND_DOUBTED;
	return true;
}

long
dbsync_recovery_after_error(DbsyncWork *work)
{
	ErrorData  *edata;
	MemoryContext context = MemoryContextSwitchTo(work->batch_context);
	long		pause;
	DbsyncSendAs needed;
	DbsyncSendAs *send_as = dbsync_held_send_as(work);
	int			concerned;		/* captured id of the table that it was about, if others go on */
	bool		put_off;
	bool		oversized;
	bool		held;

	HOLD_INTERRUPTS();
	dbsync_crashes_survived();
	dbsync_progress_end_copy();
	edata = CopyErrorData();
	needed = send_needed(work);
	if (needed > *send_as || work->lock_due || is_to_be_doubted(work, send_as))
	{
		*send_as = Max(needed, *send_as);
		work->lock_all |= work->lock_due;
		work->lock_due = false;
		work->catching = work->asking = work->completing = work->repairing = 0;
		FlushErrorState();
		AbortCurrentTransaction();
		dbsync_ledger_detach(work);
		RESUME_INTERRUPTS();
		MemoryContextSwitchTo(context);
		return 0;
	}
	dbsync_quarantine_failed(work, *send_as == DBSYNC_SEND_DOUBTED);
	*send_as = DBSYNC_SEND_AS_USUAL;
	work->lock_all = false;
	oversized = dbsync_oversize_judge(work, edata);
	held = !oversized && work->repairing == 0 && !dbsync_process_is_ending() && dbsync_held_judge(work, edata);
	work->catching = work->asking = work->completing = 0;
	dbsync_repair_failed(work, edata);
	concerned = work->comparing != 0 ? work->comparing : work->blamed;
	put_off = work->run == 0 && dbsync_schedule_put_off(work, edata);
	/* that a table is held is said as it is done */
	if (!dbsync_process_is_ending() && !held)
		EmitErrorReport();
	FlushErrorState();
	AbortCurrentTransaction();
	dbsync_ledger_detach(work);
	dbsync_retention_reset(work);
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
	dbsync_process_exit_if_asked(work);

	if (held)
	{
		MemoryContextSwitchTo(work->context);
		MemoryContextReset(work->batch_context);
		return 0;
	}
	pause = dbsync_query_random_pause(RETRY_MIN, dbsync_report_failures() + 1);
	if (put_off || oversized)
		pause = RETRY_MIN;
	dbsync_report_trouble(edata, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause), put_off ? concerned : 0);
	if (!put_off)
		dbsync_report_state(DBSYNC_WORKER_RETRYING);
	MemoryContextSwitchTo(work->context);
	MemoryContextReset(work->batch_context);
	if (work->run != 0 && !oversized)
	{
		dbsync_report_release();
		proc_exit(0);
	}
	return pause;
}
