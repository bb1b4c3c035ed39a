/*-------------------------------------------------------------------------
 *
 * worker/report.c
 *	  What a worker tells the world about itself, through its slot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "extension/wake.h"
#include "worker/limit.h"
#include "worker/report.h"
#include "worker/snapshot.h"

/* when nobody knows better */
#define NO_HINT "Mend the cause. Nothing captured is lost, and the next attempt goes on from the target's ledger."

static DbsyncSlot *mine = NULL;

/* a FATAL error, which nobody can catch: it goes to the slot as the process ends */
static DbsyncTrouble last_words;
static emit_log_hook_type previous_log_hook = NULL;

static void
put_error(DbsyncTrouble *trouble, const ErrorData *edata)
{
	trouble->sqlstate = edata->sqlerrcode;
	trouble->at = GetCurrentTimestamp();
	dbsync_shmem_put_text(trouble->message, edata->message);
	dbsync_shmem_put_text(trouble->detail, edata->detail);
	dbsync_shmem_put_text(trouble->hint, edata->hint ? edata->hint : NO_HINT);
}

/*
 * What the process is about to die of.  That somebody ends it is no trouble.  Any locks may
 * be held here, so it is only noted.
 */
static void
note_last_words(ErrorData *edata)
{
	if (edata->elevel == FATAL && edata->sqlerrcode != ERRCODE_ADMIN_SHUTDOWN &&
		edata->sqlerrcode != ERRCODE_CRASH_SHUTDOWN)
		put_error(&last_words, edata);
	if (previous_log_hook != NULL)
		previous_log_hook(edata);
}

static void
release_at_exit(int code, Datum arg)
{
	if (mine != NULL && last_words.sqlstate != 0)
	{
		dbsync_shmem_lock(true);
		last_words.failures = mine->trouble.failures + 1;
		mine->trouble = last_words;
		dbsync_shmem_unlock();
	}
	dbsync_report_release();
}

bool
dbsync_report_is_plain(int sqlstate)
{
	static const char *const plain[] = {"08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "F0", "XX"};
	const char *class = unpack_sql_state(ERRCODE_TO_CATEGORY(sqlstate));

	for (int i = 0; i < lengthof(plain); i++)
	{
		if (strncmp(class, plain[i], 2) == 0)
			return true;
	}
	return false;
}

static DbsyncClaim
judge(const DbsyncSlot *slot, uint64 run)
{
	if (slot == NULL)
		return DBSYNC_CLAIM_LATER;
	if (slot->stop && run == 0)
		return DBSYNC_CLAIM_NOT_WANTED;
	if (slot->pid != 0)
		return slot->once && run == 0 ? DBSYNC_CLAIM_LATER : DBSYNC_CLAIM_NOT_WANTED;
	return DBSYNC_CLAIM_OURS;
}

/* Lock held; so two workers that come at once cannot both be the last one allowed. */
static bool
is_over_limit(Oid owner)
{
	return OidIsValid(owner) && dbsync_max_subscriptions_per_role > 0 &&
		dbsync_shmem_workers_of(owner, false) >= dbsync_max_subscriptions_per_role;
}

/* What status, and a run_once call that waits for us, are to say; lock held. */
static void
note_over_limit(DbsyncSlot *slot, uint64 run)
{
	DbsyncTrouble *trouble = &slot->trouble;

	slot->run = run;
	slot->run_done = false;
	memset(trouble, 0, sizeof(*trouble));
	trouble->sqlstate = ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
	trouble->at = GetCurrentTimestamp();
	strlcpy(trouble->message, DBSYNC_LIMIT_MESSAGE, sizeof(trouble->message));
	snprintf(trouble->detail, sizeof(trouble->detail), DBSYNC_LIMIT_DETAIL,
			 dbsync_max_subscriptions_per_role);
	strlcpy(trouble->hint, DBSYNC_LIMIT_HINT, sizeof(trouble->hint));
}

DbsyncClaim
dbsync_report_claim(int subscription, uint64 run, Oid owner)
{
	DbsyncSlot *slot;
	DbsyncClaim claim;

	dbsync_shmem_lock(true);
	slot = dbsync_shmem_slot(subscription, true);
	claim = judge(slot, run);
	if (claim == DBSYNC_CLAIM_OURS && is_over_limit(owner))
	{
		note_over_limit(slot, run);
		claim = DBSYNC_CLAIM_NOT_WANTED;
	}
	if (claim == DBSYNC_CLAIM_OURS)
	{
		mine = slot;
		slot->pid = MyProcPid;
		slot->owner = owner;
		slot->latch = MyLatch;
		slot->stop = false;
		slot->once = (run != 0);
		slot->run = run;
		slot->run_done = false;
		slot->run_rows = 0;
		slot->state = DBSYNC_WORKER_STARTING;
		slot->progress.rows_per_second = 0;
		slot->progress.waits_since = 0;
		slot->progress.passed = false;
		memset(&slot->progress.copying, 0, sizeof(slot->progress.copying));
		memset(&slot->progress.copied, 0, sizeof(slot->progress.copied));
		memset(&slot->progress.applied, 0, sizeof(slot->progress.applied));
		memset(&slot->round, 0, sizeof(slot->round));
		memset(&slot->receiving, 0, sizeof(slot->receiving));
		/* until it is known by which policy it goes */
		dbsync_wake_always(&slot->wake);
		dbsync_wake_forget(&slot->wake);
	}
	dbsync_shmem_unlock();
	if (claim == DBSYNC_CLAIM_OURS)
	{
		before_shmem_exit(release_at_exit, (Datum) 0);
		previous_log_hook = emit_log_hook;
		emit_log_hook = note_last_words;
	}
	else if (slot == NULL)
		ereport(LOG,
				(errmsg("subscription %d waits: %d subscriptions are running already",
						subscription, DBSYNC_SLOTS)));
	return claim;
}

void
dbsync_report_release(void)
{
	if (mine == NULL)
		return;
	dbsync_shmem_lock(true);
	mine->pid = 0;
	mine->latch = NULL;
	mine->once = false;
	mine->state = DBSYNC_WORKER_STOPPED;
	mine->progress.waits_since = 0;
	dbsync_shmem_unlock();
	ConditionVariableBroadcast(&mine->changed);
	mine = NULL;
}

void
dbsync_report_owner(Oid owner)
{
	dbsync_shmem_lock(true);
	mine->owner = owner;
	dbsync_shmem_unlock();
}

void
dbsync_report_state(DbsyncWorkerState state)
{
	if (mine->state == state)
		return;
	dbsync_shmem_lock(true);
	mine->state = state;
	dbsync_shmem_unlock();
	ConditionVariableBroadcast(&mine->changed);
}

bool
dbsync_report_stop_asked(void)
{
	bool		stop;

	dbsync_shmem_lock(false);
	stop = mine->stop;
	dbsync_shmem_unlock();
	return stop;
}

uint64
dbsync_report_asked(void)
{
	uint64		asked;

	dbsync_shmem_lock(false);
	asked = mine->asked;
	dbsync_shmem_unlock();
	return asked;
}

uint32
dbsync_report_calls(void)
{
	return pg_atomic_read_u32(&mine->calls);
}

void
dbsync_report_passed(uint32 calls)
{
	DbsyncProgress *progress = &mine->progress;

	if (progress->passed && progress->passed_calls == calls)
		return;
	dbsync_shmem_lock(true);
	progress->passed_calls = calls;
	progress->passed = true;
	dbsync_shmem_unlock();
}

DbsyncProgress *
dbsync_report_progress(void)
{
	return mine ? &mine->progress : NULL;
}

bool
dbsync_report_is_awaited(void)
{
	bool		awaited;

	dbsync_shmem_lock(false);
	awaited = mine->asked > mine->answered;
	dbsync_shmem_unlock();
	return awaited;
}

bool
dbsync_report_awaits(uint64 ticket)
{
	bool		awaits;

	dbsync_shmem_lock(false);
	awaits = ticket > mine->answered;
	dbsync_shmem_unlock();
	return awaits;
}

void
dbsync_report_answer(uint64 ticket)
{
	bool		news;

	dbsync_shmem_lock(true);
	news = ticket > mine->answered;
	if (news)
		mine->answered = ticket;
	dbsync_shmem_unlock();
	if (news)
		ConditionVariableBroadcast(&mine->changed);
}

void
dbsync_report_suspended(int tables)
{
	dbsync_shmem_lock(true);
	mine->suspended = tables;
	dbsync_shmem_unlock();
}

void
dbsync_report_held(int tables)
{
	if (mine->held == tables)
		return;
	dbsync_shmem_lock(true);
	mine->held = tables;
	dbsync_shmem_unlock();
}

void
dbsync_report_parked(int keys)
{
	if (mine->parked == keys)
		return;
	dbsync_shmem_lock(true);
	mine->parked = keys;
	dbsync_shmem_unlock();
}

void
dbsync_report_foreign_keys(DbsyncKeys keys)
{
	if (mine->progress.foreign_keys == keys)
		return;
	dbsync_shmem_lock(true);
	mine->progress.foreign_keys = keys;
	dbsync_shmem_unlock();
}

void
dbsync_report_lag(const DbsyncLag *lag, const DbsyncSnapshot *after)
{
	char	   *position = dbsync_snapshot_text(after);

	dbsync_shmem_lock(true);
	mine->progress.lag_transactions = lag->transactions;
	mine->progress.lag_rows = lag->rows;
	mine->progress.lag_bytes = lag->bytes;
	mine->progress.oldest = lag->oldest;
	strlcpy(mine->progress.position, position, sizeof(mine->progress.position));
	dbsync_shmem_unlock();
	pfree(position);
}

void
dbsync_report_batch(int64 rows, double seconds, bool keep_trouble)
{
	double		rate = rows / Max(seconds, 1e-6);

	dbsync_shmem_lock(true);
	mine->progress.batches++;
	mine->progress.rows += rows;
	mine->progress.last_batch = GetCurrentTimestamp();
	/* smoothed, so that one small batch does not make it jump */
	mine->progress.rows_per_second = mine->progress.rows_per_second == 0 ? rate
		: 0.8 * mine->progress.rows_per_second + 0.2 * rate;
	if (!keep_trouble)
		memset(&mine->trouble, 0, sizeof(mine->trouble));
	dbsync_shmem_unlock();
}

void
dbsync_report_waits(TimestampTz since)
{
	if (mine == NULL || mine->progress.waits_since == since)
		return;
	dbsync_shmem_lock(true);
	mine->progress.waits_since = since;
	dbsync_shmem_unlock();
	ConditionVariableBroadcast(&mine->changed);
}

void
dbsync_report_trouble(const ErrorData *edata, TimestampTz retry_at, int table)
{
	DbsyncTrouble *trouble = &mine->trouble;

	dbsync_shmem_lock(true);
	if (edata == NULL)
		memset(trouble, 0, sizeof(*trouble));
	else
	{
		put_error(trouble, edata);
		trouble->retry_at = retry_at;
		trouble->failures++;
		trouble->failures_of_all += table == 0;
		trouble->table = table;
	}
	dbsync_shmem_unlock();
	ConditionVariableBroadcast(&mine->changed);
}

int
dbsync_report_failures(void)
{
	int			failures;

	dbsync_shmem_lock(false);
	failures = mine->trouble.failures;
	dbsync_shmem_unlock();
	return failures;
}

DbsyncWake *
dbsync_report_wake(void)
{
	return &mine->wake;
}

void
dbsync_report_round(bool under_way, TimestampTz begun)
{
	dbsync_shmem_lock(true);
	mine->round.under_way = under_way;
	mine->round.begun = begun;
	dbsync_shmem_unlock();
}

void
dbsync_report_receiving(const DbsyncReceivingReport *told)
{
	bool		news = strcmp(mine->receiving.state, told->state) != 0;

	dbsync_shmem_lock(true);
	mine->receiving = *told;
	dbsync_shmem_unlock();
	if (news)
		ConditionVariableBroadcast(&mine->changed);
}

void
dbsync_report_run_done(int64 rows)
{
	dbsync_shmem_lock(true);
	mine->run_rows = rows;
	mine->run_done = true;
	dbsync_shmem_unlock();
}
