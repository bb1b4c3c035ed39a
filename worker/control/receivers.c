/*-------------------------------------------------------------------------
 *
 * worker/control/receivers.c
 *	  SQL functions by which people start, stop and run receivers, and see how they go.
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

#include "extension/admin.h"
#include "extension/shmem.h"
#include "worker/control/control.h"
#include "worker/control/lookup.h"

PG_FUNCTION_INFO_V1(dbsync_start_receiver);
PG_FUNCTION_INFO_V1(dbsync_stop_receiver);
PG_FUNCTION_INFO_V1(dbsync_receive_once);
PG_FUNCTION_INFO_V1(dbsync_receiver_slots);

/* The receiver that is the first argument.  Comes before any argument is looked at. */
static DbsyncFound
find_argument(FunctionCallInfo fcinfo)
{
	dbsync_admin_check_arguments(fcinfo);
	return dbsync_lookup_owned(DBSYNC_JOB_RECEIVER, NameStr(*PG_GETARG_NAME(0)));
}

Datum
dbsync_start_receiver(PG_FUNCTION_ARGS)
{
	DbsyncFound found = find_argument(fcinfo);

	dbsync_control_start(&found);
	PG_RETURN_VOID();
}

Datum
dbsync_stop_receiver(PG_FUNCTION_ARGS)
{
	DbsyncFound found = find_argument(fcinfo);

	dbsync_control_stop(&found, NameStr(*PG_GETARG_NAME(0)));
	PG_RETURN_VOID();
}

Datum
dbsync_receive_once(PG_FUNCTION_ARGS)
{
	DbsyncFound found = find_argument(fcinfo);

	PG_RETURN_INT64(dbsync_control_run_once(&found, NameStr(*PG_GETARG_NAME(0)),
											PG_ARGISNULL(1) ? NULL : PG_GETARG_INTERVAL_P(1)));
}

static void
put_slot(ReturnSetInfo *rsinfo, const DbsyncSlot *slot)
{
	const DbsyncReceivingReport *told = &slot->receiving;
	Datum		values[15];
	bool		nulls[15] = {0};

	values[0] = Int32GetDatum(slot->subscription);
	values[1] = CStringGetTextDatum(slot->progress.waits_since != 0 ? "waiting for target" : told->state);
	nulls[1] = told->state[0] == '\0' && slot->progress.waits_since == 0;
	values[2] = Int64GetDatum(told->chain);
	values[3] = Int64GetDatum(told->number);
	values[4] = Int64GetDatum(told->batch);
	nulls[2] = nulls[3] = nulls[4] = told->chain == 0;
	values[5] = TimestampTzGetDatum(told->time);
	nulls[5] = told->time == 0;
	values[6] = Int32GetDatum(told->cached);
	values[7] = Int64GetDatum(told->rejected);
	values[8] = Int64GetDatum(told->duplicates);
	values[9] = Int32GetDatum(told->partial);
	values[10] = Int32GetDatum(told->older);
	values[11] = CStringGetTextDatum(told->missing);
	nulls[11] = told->missing[0] == '\0';
	values[12] = Int32GetDatum(told->rejected_last);
	values[13] = TimestampTzGetDatum(told->waits_since);
	nulls[13] = told->waits_since == 0;
	values[14] = BoolGetDatum(told->inbox_made);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

Datum
dbsync_receiver_slots(PG_FUNCTION_ARGS)
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
