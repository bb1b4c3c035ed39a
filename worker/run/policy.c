/*-------------------------------------------------------------------------
 *
 * worker/run/policy.c
 *	  When changes travel: the policy of a subscription, and what it says of a moment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "worker/run/policy.h"

/* Clocks that are set back by more than this were wrong before: as Debian's cron has it. */
#define CLOCK_MENDED	(3 * USECS_PER_HOUR)

/* What stands there, for people: a sign between two words is no word. */
static int
length_of(const DbsyncPolicyText *fault)
{
	return fault->wrong_length > 0 ? fault->wrong_length : (int) strcspn(fault->wrong, " \t\n\v\f\r");
}

void
dbsync_policy_raise(const char *what, const DbsyncPolicyText *fault)
{
	int			at = pg_mbstrlen_with_len(fault->whole, fault->wrong - fault->whole) + 1;

	if (strlen(fault->whole) > DBSYNC_MAX_POLICY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too long", what),
				 errdetail("It has %zu bytes; %d is the most.", strlen(fault->whole), DBSYNC_MAX_POLICY)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s \"%s\"", what, fault->whole),
			 length_of(fault) > 0
			 ? errdetail("At character %d, at \"%.*s\", there should be %s.", at, length_of(fault), fault->wrong, fault->expected)
			 : errdetail("At character %d there should be %s.", at, fault->expected),
			 errhint("For example: \"%s\".", fault->example)));
}

bool
dbsync_policy_is_planned(const DbsyncPolicy *policy)
{
	return policy->interval > 0 || policy->ncrons > 0;
}

/*
 * Hours from UTC, which SET timezone takes as a number or an INTERVAL, and counts to the east.
 * Taken for a name they would be read as POSIX has it, to the west.
 */
static bool
is_offset(const char *name)
{
	char	   *end;

	(void) strtod(name, &end);
	return (end != name && *end == '\0') || pg_strncasecmp(name, "interval", 8) == 0;
}

pg_tz *
dbsync_policy_zone(const char *name)
{
	pg_tz	   *zone;

	if (name != NULL && is_offset(name))
		return NULL;
	zone = pg_tzset(name != NULL ? name : "UTC");
	return zone != NULL && pg_tz_acceptable(zone) ? zone : NULL;
}

TimestampTz
dbsync_policy_due_behind(TimestampTz last_run, TimestampTz now)
{
	return last_run > now + CLOCK_MENDED ? now : last_run;
}

TimestampTz
dbsync_policy_next_cron(const DbsyncPolicy *policy, const pg_tz *zone, TimestampTz after)
{
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < policy->ncrons; i++)
		next = Min(next, dbsync_cron_next(&policy->crons[i], zone, after));
	return next;
}

TimestampTz
dbsync_policy_next(const DbsyncPolicy *policy, const pg_tz *zone, TimestampTz after)
{
	TimestampTz next = dbsync_policy_next_cron(policy, zone, after);

	if (policy->interval > 0 && !TIMESTAMP_NOT_FINITE(after) && after < END_TIMESTAMP - 1 - policy->interval)
		next = Min(next, after + policy->interval);
	return next;
}
