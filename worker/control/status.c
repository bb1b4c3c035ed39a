/*-------------------------------------------------------------------------
 *
 * worker/control/status.c
 *	  What workers report about themselves, for SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "extension/shmem.h"
#include "extension/wake.h"
#include "worker/report.h"

PG_FUNCTION_INFO_V1(dbsync_slots);
PG_FUNCTION_INFO_V1(dbsync_is_preloaded);
PG_FUNCTION_INFO_V1(dbsync_is_plain);

static const char *
state_text(const DbsyncSlot *slot)
{
	static const char *const names[] = {"stopped", "starting", "installing", "copying",
	"running", "waiting to retry"};

	if (slot->pid != 0 && slot->progress.waits_since != 0)
		return "waiting for target";
	return names[slot->state];
}

static const char *
keys_text(DbsyncKeys keys)
{
	static const char *const names[] = {"", "replica", "ordered"};

	return names[keys];
}

static Datum
time_or_null(TimestampTz time, bool *isnull)
{
	*isnull = (time == 0);
	return TimestampTzGetDatum(time);
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = (text[0] == '\0');
	return *isnull ? (Datum) 0 : CStringGetTextDatum(text);
}

/* while it cannot work, a worker does not look at what is waiting either */
static bool
lag_is_known(const DbsyncSlot *slot)
{
	return slot->state == DBSYNC_WORKER_INSTALLING ||
		slot->state == DBSYNC_WORKER_COPYING || slot->state == DBSYNC_WORKER_RUNNING;
}

static void
put_slot(ReturnSetInfo *rsinfo, const DbsyncSlot *slot)
{
	Datum		values[20];
	bool		nulls[20] = {0};
	const DbsyncProgress *progress = &slot->progress;
	const DbsyncTrouble *trouble = &slot->trouble;

	values[0] = Int32GetDatum(slot->subscription);
	values[1] = Int32GetDatum(slot->pid);
	nulls[1] = slot->pid == 0;
	values[2] = CStringGetTextDatum(state_text(slot));
	values[3] = Int64GetDatum(progress->batches);
	values[4] = Int64GetDatum(progress->rows);
	/* what commits have counted has been in no window yet */
	values[5] = Int64GetDatum(progress->lag_rows + dbsync_wake_rows(&slot->wake));
	values[6] = Int64GetDatum(progress->lag_bytes + dbsync_wake_bytes(&slot->wake));
	values[7] = time_or_null(progress->oldest != 0 ? progress->oldest : dbsync_wake_since(&slot->wake), &nulls[7]);
	nulls[5] = nulls[6] = !lag_is_known(slot);
	nulls[7] |= nulls[5];
	values[8] = time_or_null(progress->last_batch, &nulls[8]);
	values[9] = Float8GetDatum(progress->rows_per_second);
	values[10] = text_or_null(trouble->sqlstate ? unpack_sql_state(trouble->sqlstate) : "", &nulls[10]);
	values[11] = text_or_null(trouble->message, &nulls[11]);
	values[12] = text_or_null(trouble->detail, &nulls[12]);
	values[13] = text_or_null(trouble->hint, &nulls[13]);
	values[14] = time_or_null(trouble->at, &nulls[14]);
	values[15] = Int32GetDatum(trouble->failures);
	values[16] = time_or_null(trouble->retry_at, &nulls[16]);
	values[17] = text_or_null(progress->position, &nulls[17]);
	values[18] = time_or_null(progress->waits_since, &nulls[18]);
	values[19] = text_or_null(keys_text(progress->foreign_keys), &nulls[19]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
dbsync_slots(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < DBSYNC_SLOTS; i++)
	{
		DbsyncSlot	copy;

		dbsync_shmem_read_slot(i, &copy);
		if (copy.database == MyDatabaseId)
			put_slot((ReturnSetInfo *) fcinfo->resultinfo, &copy);
	}
	return (Datum) 0;
}

Datum
dbsync_is_preloaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dbsync_shmem_preloaded());
}

/* Not strict: what has no SQLSTATE is words of our own. */
Datum
dbsync_is_plain(PG_FUNCTION_ARGS)
{
	const char *state;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(true);
	state = text_to_cstring(PG_GETARG_TEXT_PP(0));
	PG_RETURN_BOOL(strlen(state) == 5 &&
				   dbsync_report_is_plain(MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4])));
}
