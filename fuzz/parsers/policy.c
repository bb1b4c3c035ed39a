/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/policy.c
 *	  Texts of policies: from whoever makes a subscription.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/run/policy_read.c"

#include "fuzz/parsers/shim.h"

void
fuzz_one(const char *data, Size size)
{
	DbsyncPolicy policy;
	DbsyncPolicyText fault;
	Size		length = strlen(data);

	if (!dbsync_policy_read(data, &policy, &fault))
	{
		DbsyncPolicy example;
		DbsyncPolicyText none;

		/* what is wrong is in the text, and what is given as an example is right */
		fuzz_check(fault.wrong >= data && fault.wrong + fault.wrong_length <= data + length);
		fuzz_check(fault.wrong_length >= 0 && fault.expected != NULL);
		fuzz_check(dbsync_policy_read(fault.example, &example, &none));
		return;
	}
	fuzz_check(length <= DBSYNC_MAX_POLICY && fault.wrong == NULL);
	fuzz_check(policy.manual || policy.immediate || policy.interval > 0 || policy.rows > 0 || policy.bytes > 0 ||
			   policy.age > 0 || policy.idle > 0 || policy.ncrons > 0);
	for (int i = 0; i < policy.ncrons; i++)
	{
		const DbsyncCron *cron = &policy.crons[i];

		fuzz_check(cron->minutes != 0 && cron->minutes >> 60 == 0 && cron->hours != 0 && cron->hours >> 24 == 0);
		fuzz_check(cron->days != 0 && (cron->days & 1) == 0 && cron->months != 0 && (cron->months & 1) == 0 &&
				   cron->months >> 13 == 0 && cron->weekdays != 0 && cron->weekdays >> 7 == 0);
	}
	for (int i = 0; i < policy.hours.n; i++)
	{
		const DbsyncSpan *span = &policy.hours.spans[i];

		fuzz_check(span->weekdays != 0 && span->begin >= 0 && span->begin < span->end && span->end - span->begin <= 24 * 60);
	}
}
