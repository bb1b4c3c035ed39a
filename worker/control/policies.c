/*-------------------------------------------------------------------------
 *
 * worker/control/policies.c
 *	  What policies say to people: whether texts are right, next runs, what is waited for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "extension/admin.h"
#include "extension/clock.h"
#include "extension/shmem.h"
#include "extension/wake.h"
#include "worker/control/policies.h"
#include "worker/run/civil.h"
#include "worker/run/policy.h"

/* so many at most of next_runs() */
#define MAX_RUNS	1000

PG_FUNCTION_INFO_V1(dbsync_check_policy);
PG_FUNCTION_INFO_V1(dbsync_check_verify_policy);
PG_FUNCTION_INFO_V1(dbsync_check_time_zone);
PG_FUNCTION_INFO_V1(dbsync_policy_clock);
PG_FUNCTION_INFO_V1(dbsync_policy_state);
PG_FUNCTION_INFO_V1(dbsync_next_runs);

static void
read_or_raise(const char *what, const char *text, DbsyncPolicy *policy)
{
	DbsyncPolicyText fault;

	if (!dbsync_policy_read(text, policy, &fault))
		dbsync_policy_raise(what, &fault);
}

static pg_tz *
zone_or_raise(const char *name)
{
	pg_tz	   *zone = strlen(name) <= TZ_STRLEN_MAX ? dbsync_policy_zone(name) : NULL;

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" is not known", pnstrdup(name, pg_mbcliplen(name, strlen(name), TZ_STRLEN_MAX))),
				 errhint("For example: \"Europe/Berlin\". pg_timezone_names lists them.")));
	return zone;
}

/* UTC where it is not known any more; says whether that is so. */
static pg_tz *
zone_or_utc(const char *name, bool *known)
{
	pg_tz	   *zone = dbsync_policy_zone(name);

	*known = zone != NULL;
	return zone != NULL ? zone : dbsync_policy_zone(NULL);
}

Datum
dbsync_check_policy(PG_FUNCTION_ARGS)
{
	DbsyncPolicy policy;

	read_or_raise("policy", text_to_cstring(PG_GETARG_TEXT_PP(0)), &policy);
	PG_RETURN_VOID();
}

Datum
dbsync_check_verify_policy(PG_FUNCTION_ARGS)
{
	char	   *words = text_to_cstring(PG_GETARG_TEXT_PP(0));
	DbsyncPolicy policy;

	read_or_raise("verify_policy", words, &policy);
	if (!dbsync_policy_is_planned(&policy) || policy.immediate || policy.rows != 0 || policy.bytes != 0 ||
		policy.age != 0 || policy.idle != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("verify_policy \"%s\" does not go by the clock alone", words),
				 errdetail("It can have cron, interval and during."),
				 errhint("For example: \"cron 0 3 * * 0\", each Sunday at three.")));
	PG_RETURN_VOID();
}

Datum
dbsync_check_time_zone(PG_FUNCTION_ARGS)
{
	(void) zone_or_raise(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

Datum
dbsync_policy_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(dbsync_clock_now());
}

/* A moment as clocks on the wall show it, and which clocks. */
static char *
in_words(TimestampTz at, const pg_tz *zone)
{
	char		words[128];
	pg_time_t	time = timestamptz_to_time_t(at);

	pg_strftime(words, sizeof(words), "%Y-%m-%d %H:%M:%S", pg_localtime(&time, zone));
	return psprintf("%s %s", words, pg_get_timezone_name(unconstify(pg_tz *, zone)));
}

bool
dbsync_policies_are_open(const char *name, const DbsyncFound *found)
{
	DbsyncPolicy policy;
	bool		known;
	pg_tz	   *zone = zone_or_utc(found->time_zone, &known);
	TimestampTz now = dbsync_clock_now();
	TimestampTz opening;

	read_or_raise("policy", found->policy, &policy);
	opening = dbsync_hours_opening(&policy.hours, zone, now);
	if (opening <= now)
		return true;
	ereport(NOTICE,
			(errmsg("nothing of subscription \"%s\" travels now: its hours are over", name),
			 errdetail("Its policy is \"%s\".", found->policy),
			 TIMESTAMP_NOT_FINITE(opening)
			 ? errhint("They do not come again.")
			 : errhint("They begin again at %s.", in_words(opening, zone))));
	return false;
}

/* The run behind "after", moved into the hours of the policy; DT_NOEND: none. */
static TimestampTz
next_run(const DbsyncPolicy *policy, const pg_tz *zone, TimestampTz after)
{
	TimestampTz next;

	if (!policy->immediate)
	{
		next = dbsync_policy_next(policy, zone, after);
		return TIMESTAMP_NOT_FINITE(next) ? next : dbsync_hours_opening(&policy->hours, zone, next);
	}
	if (policy->hours.n == 0)
		return DT_NOEND;
	/* when it begins anew: minute by minute to where it is closed, as hours are whole minutes */
	for (next = after; dbsync_hours_are_open(&policy->hours, zone, next); next += USECS_PER_MINUTE)
	{
		if (next - after > 8 * USECS_PER_DAY)
			return DT_NOEND;
	}
	return dbsync_hours_opening(&policy->hours, zone, next);
}

Datum
dbsync_next_runs(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	DbsyncPolicy policy;
	pg_tz	   *zone;
	TimestampTz run;
	int			n;

	dbsync_admin_check_arguments(fcinfo);
	read_or_raise("policy", text_to_cstring(PG_GETARG_TEXT_PP(0)), &policy);
	zone = PG_ARGISNULL(1) ? dbsync_policy_zone(NULL) : zone_or_raise(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	run = PG_GETARG_TIMESTAMPTZ(2);
	n = PG_GETARG_INT32(3);
	if (TIMESTAMP_NOT_FINITE(run))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"after\" must not be infinite")));
	if (n < 1 || n > MAX_RUNS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"n\" must be 1 to %d, not %d", MAX_RUNS, n)));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < n; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {0};
		pg_time_t	wall;

		CHECK_FOR_INTERRUPTS();
		run = next_run(&policy, zone, run);
		if (TIMESTAMP_NOT_FINITE(run))
			break;
		wall = dbsync_civil_wall(zone, timestamptz_to_time_t(run));
		values[0] = TimestampTzGetDatum(run);
		values[1] = TimestampGetDatum(time_t_to_timestamptz(wall));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static void
append_piece(StringInfo words, const char *piece)
{
	if (words->len > 0)
		appendStringInfoString(words, " or ");
	appendStringInfoString(words, piece);
}

/* What a round that is not under way waits for; when it begins by the clock, or DT_NOEND. */
static char *
say_waits(const DbsyncPolicy *policy, const pg_tz *zone, const DbsyncSlot *slot, TimestampTz now,
		  TimestampTz planned, TimestampTz *next)
{
	StringInfoData words;
	TimestampTz opening = dbsync_hours_opening(&policy->hours, zone, now);
	TimestampTz since = dbsync_wake_since(&slot->wake);

	*next = planned;
	initStringInfo(&words);
	if (opening > now)
	{
		*next = policy->immediate || planned < opening ? opening : planned;
		return TIMESTAMP_NOT_FINITE(opening) ? "its hours" : psprintf("%s, when its hours begin", in_words(opening, zone));
	}
	if (policy->manual)
		append_piece(&words, "dbsync.run_now()");
	if (!TIMESTAMP_NOT_FINITE(planned))
		append_piece(&words, psprintf("%s, its next run", in_words(planned, zone)));
	if (policy->rows > 0)
		append_piece(&words, psprintf(INT64_FORMAT " of " INT64_FORMAT " rows", dbsync_wake_rows(&slot->wake), policy->rows));
	if (policy->bytes > 0)
		append_piece(&words, psprintf(INT64_FORMAT " of " INT64_FORMAT " bytes", dbsync_wake_bytes(&slot->wake), policy->bytes));
	if (policy->age > 0 && since != 0)
	{
		*next = Min(*next, since + policy->age);
		append_piece(&words, psprintf("%s, by the age of the oldest change", in_words(since + policy->age, zone)));
	}
	else if (policy->age > 0)
		append_piece(&words, "a change");
	if (policy->idle > 0)
		append_piece(&words, "an idle cluster");
	return words.data;
}

static void
find_slot(int subscription, DbsyncSlot *copy)
{
	const DbsyncSlot *slot;

	memset(copy, 0, sizeof(*copy));
	dbsync_shmem_lock(false);
	slot = dbsync_shmem_slot(subscription, false);
	if (slot != NULL)
		*copy = *slot;
	dbsync_shmem_unlock();
}

/* The planned run that is next, as the worker works it out (worker/run/rounds.c). */
static TimestampTz
planned_of(const DbsyncPolicy *policy, const pg_tz *zone, const DbsyncSlot *slot, TimestampTz last_run, TimestampTz now)
{
	TimestampTz next = dbsync_policy_next_cron(policy, zone, dbsync_policy_due_behind(last_run, now));

	/* one that is late comes at once */
	if (policy->interval > 0)
		next = Min(next, Max(Min(Max(last_run, slot->round.begun), now) + policy->interval, now));
	next = Max(next, now);
	return TIMESTAMP_NOT_FINITE(next) ? next : dbsync_hours_opening(&policy->hours, zone, next);
}

/* Of a started subscription: (next_run, waits_for, zone_known).  A text that cannot be read is said, not raised. */
Datum
dbsync_policy_state(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {true, true, false};
	TimestampTz now = dbsync_clock_now();
	TimestampTz next = DT_NOEND;
	char	   *words = NULL;
	bool		known;
	pg_tz	   *zone;
	DbsyncPolicy policy;
	DbsyncPolicyText fault;
	DbsyncSlot	slot;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	zone = zone_or_utc(PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)), &known);
	find_slot(PG_GETARG_INT32(0), &slot);
	if (!dbsync_policy_read(text_to_cstring(PG_GETARG_TEXT_PP(1)), &policy, &fault))
		words = "a policy that can be read";
	else if (!slot.round.under_way && !(policy.immediate && dbsync_hours_are_open(&policy.hours, zone, now)))
		words = say_waits(&policy, zone, &slot, now,
						  planned_of(&policy, zone, &slot, PG_ARGISNULL(3) ? now : PG_GETARG_TIMESTAMPTZ(3), now), &next);
	if (!TIMESTAMP_NOT_FINITE(next))
	{
		values[0] = TimestampTzGetDatum(next);
		nulls[0] = false;
	}
	if (words != NULL)
	{
		values[1] = CStringGetTextDatum(words);
		nulls[1] = false;
	}
	values[2] = BoolGetDatum(known);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
