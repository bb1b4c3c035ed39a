/*-------------------------------------------------------------------------
 *
 * worker/control/progress.c
 *	  How far workers have come and how fast they are, for SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "extension/shmem.h"
#include "extension/wake.h"

/* columns of slot_progress() */
#define COLUMNS		14

/* over less than this nothing can be told of how fast it goes, in microseconds */
#define TOO_SHORT	(USECS_PER_SEC / 2)

/* nothing has been sent for so long: then it does not go at all */
#define TOO_LONG	(15 * USECS_PER_SEC)

PG_FUNCTION_INFO_V1(dbsync_slot_progress);

/* Rows and bytes per second of the last 5 to 10; null: it has only just begun. */
static void
put_speed(const DbsyncMeter *meter, TimestampTz now, Datum *values, bool *nulls)
{
	TimestampTz time = now - meter->since_at;
	double		seconds = time / (double) USECS_PER_SEC;

	if (meter->since_at == 0 || now - meter->next_at > TOO_LONG)
	{
		values[0] = values[1] = Float8GetDatum(0);
		return;
	}
	if (time < TOO_SHORT)
	{
		nulls[0] = nulls[1] = true;
		return;
	}
	values[0] = Float8GetDatum((meter->sent.rows - meter->since.rows) / seconds);
	values[1] = Float8GetDatum((meter->sent.bytes - meter->since.bytes) / seconds);
}

static void
put_flow(const DbsyncFlow *flow, Datum *values)
{
	values[0] = Int64GetDatum(flow->rows);
	values[1] = Int64GetDatum(flow->excluded);
	values[2] = Int64GetDatum(flow->bytes);
}

static void
put_progress(ReturnSetInfo *rsinfo, const DbsyncSlot *slot)
{
	const DbsyncProgress *progress = &slot->progress;
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS] = {0};

	values[0] = Int32GetDatum(slot->subscription);
	values[1] = Int32GetDatum(progress->copying.table);
	nulls[1] = progress->copying.table == 0;
	put_flow(&progress->copying.reached, &values[2]);
	put_flow(&progress->copying.under_way, &values[5]);
	put_speed(&progress->copied, now, &values[8], &nulls[8]);
	put_speed(&progress->applied, now, &values[10], &nulls[10]);
	values[12] = Int64GetDatum(progress->lag_transactions);
	values[13] = BoolGetDatum(progress->passed && dbsync_wake_rows(&slot->wake) == 0 &&
							  progress->passed_calls == pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &slot->calls)));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
dbsync_slot_progress(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < DBSYNC_SLOTS; i++)
	{
		DbsyncSlot	copy;

		dbsync_shmem_read_slot(i, &copy);
		if (copy.database == MyDatabaseId && copy.pid != 0)
			put_progress((ReturnSetInfo *) fcinfo->resultinfo, &copy);
	}
	return (Datum) 0;
}
