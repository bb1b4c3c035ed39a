/*-------------------------------------------------------------------------
 *
 * worker/receive/trouble.c
 *	  What a receiver tells of itself, and what becomes of an error of a round.
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

#include "worker/query.h"
#include "worker/receive/attach.h"
#include "worker/receive/cache.h"
#include "worker/receive/receipt.h"
#include "worker/receive/trouble.h"
#include "worker/report.h"
#include "worker/run/crashes.h"
#include "worker/run/process.h"
#include "worker/target.h"

/* first pause after a failure, in ms */
#define RETRY_MIN		200

/* before a receiver that stands still looks again, in ms, at least */
#define STOPPED_MS		1000

/* of a first copy that the target's foreign keys refuse: live, the source asks which tables they lead to */
#define COPIES_HINT \
	"First copies come table by table in the order of the source, which cannot ask for the target's foreign keys. Let the user of the receiver's target " \
	"set session_replication_role; or drop the keys there until first copies are through."

static char *last_words = NULL; /* the message that was logged last, so that it is not logged over and over */

/* --- what it tells --- */

void
dbsync_receiver_tell(const DbsyncReceiving *receiving, const char *state)
{
	DbsyncReceivingReport told = {0};
	int64		bytes;

	strlcpy(told.state, state, sizeof(told.state));
	told.chain = receiving->place.chain;
	told.number = receiving->place.number;
	told.batch = receiving->place.batch;
	told.time = receiving->played_time;
	told.cached = dbsync_bundles_waiting(&receiving->place, &bytes);
	told.rejected = receiving->rejected;
	told.duplicates = receiving->duplicates;
	told.partial = receiving->partial;
	told.older = receiving->older;
	told.rejected_last = receiving->rejected_last;
	told.waits_since = receiving->waits_for != 0 ? receiving->waits_since : 0;
	told.inbox_made = receiving->inbox_made;
	strlcpy(told.missing, dbsync_receipt_missing(receiving), sizeof(told.missing));
	dbsync_report_receiving(&told);
}

static const char *
stop_text(DbsyncStop stop)
{
	switch (stop)
	{
		case DBSYNC_STOP_FORK:
			return "stopped: fork";
		case DBSYNC_STOP_BROKEN:
			return "stopped: broken chain";
		case DBSYNC_STOP_MISSING_ROW:
			return "stopped: missing row";
		case DBSYNC_STOP_TOO_NEW:
			return "stopped: format too new";
		case DBSYNC_STOP_LEDGER:
			return "stopped: no ledger";
		case DBSYNC_STOP_NONE:
			break;
	}
	return "waiting to retry";
}

/* --- errors --- */

/* Would it go through with more care?  Once for each batch. */
static bool
take_care(DbsyncReceiving *receiving)
{
	DbsyncWork *work = receiving->work;
	bool		clash = dbsync_target_fault_is(work->target, DBSYNC_FAULT_CLASH) ||
		dbsync_target_fault_is(work->target, DBSYNC_FAULT_ROW_MISSING);
	int64		batch = receiving->place.batch + 1;

	if (!clash || receiving->refused_number == 0 ||
		(receiving->careful_batch == batch && receiving->careful_chain == receiving->place.chain))
		return false;
	receiving->careful_batch = batch;
	receiving->careful_chain = receiving->place.chain;
	receiving->careful_replaces = work->target->fault.sqlstate == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	return true;
}

/* What is to be altered at the target goes into the hint, where people look. */
static void
add_statement(const DbsyncReceiving *receiving, ErrorData *edata)
{
	const DbsyncTarget *target = receiving->work->target;
	const char *statement = target ? target->fault.statement : NULL;

	if (statement == NULL)
		return;
	/* most say it themselves */
	if (edata->hint != NULL && strstr(edata->hint, statement) != NULL)
		return;
	edata->hint = edata->hint ? psprintf("%s On the target: %s", edata->hint, statement) : psprintf("On the target: %s", statement);
}

static void
give_up(DbsyncReceiving *receiving)
{
	/* files that were open outside of any transaction end with one */
	if (!IsTransactionState())
		StartTransactionCommand();
	AbortCurrentTransaction();
	dbsync_receiver_detach(receiving);
	pgstat_report_activity(STATE_IDLE, NULL);
}

static bool
is_news(const ErrorData *edata)
{
	if (last_words != NULL && edata->message != NULL && strcmp(last_words, edata->message) == 0)
		return false;
	if (last_words != NULL)
		pfree(last_words);
	last_words = edata->message ? MemoryContextStrdup(TopMemoryContext, edata->message) : NULL;
	return true;
}

void
dbsync_receiver_forget_words(void)
{
	if (last_words != NULL)
		pfree(last_words);
	last_words = NULL;
}

long
dbsync_receiver_after_error(DbsyncReceiving *receiving)
{
	DbsyncWork *work = receiving->work;
	MemoryContext context = MemoryContextSwitchTo(work->batch_context);
	ErrorData  *edata;
	long		pause;

	HOLD_INTERRUPTS();
	dbsync_crashes_survived();
	edata = CopyErrorData();
	if (take_care(receiving))
	{
		FlushErrorState();
		give_up(receiving);
		RESUME_INTERRUPTS();
		MemoryContextSwitchTo(context);
		return 0;
	}
	if (dbsync_target_fault_is(work->target, DBSYNC_FAULT_ROW_MISSING))
	{
		receiving->stop = DBSYNC_STOP_MISSING_ROW;
		edata->hint = "Put the row back, as it is at the source; or there: SELECT dbsync.copy_table(...); or give the target of the bundles the option whole_rows.";
	}
	if (edata->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION && receiving->refused_copies)
		edata->hint = COPIES_HINT;
	receiving->refused_copies = false;
	add_statement(receiving, edata);
	receiving->refused_sqlstate = edata->sqlerrcode;
	receiving->careful_batch = 0;
	if (!dbsync_process_is_ending() && (receiving->stop == DBSYNC_STOP_NONE || is_news(edata)))
		EmitErrorReport();
	FlushErrorState();
	give_up(receiving);
	RESUME_INTERRUPTS();
	dbsync_process_exit_if_asked(work);
	pause = dbsync_query_random_pause(RETRY_MIN, dbsync_report_failures() + 1);
	if (receiving->stop != DBSYNC_STOP_NONE)
		pause = STOPPED_MS;
	dbsync_receiver_tell(receiving, stop_text(receiving->stop));
	/* if it cannot be settled, rows come all the same */
	receiving->unsettled = !receiving->settling;
	receiving->settling = false;
	/* somebody has taken away a file of ours, or all of the folder: it is looked at anew */
	if (edata->sqlerrcode == ERRCODE_UNDEFINED_FILE)
		dbsync_receiver_close_folder(receiving);
	dbsync_report_trouble(edata, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause), 0);
	dbsync_report_state(DBSYNC_WORKER_RETRYING);
	MemoryContextSwitchTo(work->context);
	MemoryContextReset(work->batch_context);
	if (work->run != 0)
	{
		dbsync_report_release();
		proc_exit(0);
	}
	return pause;
}
