/*-------------------------------------------------------------------------
 *
 * worker/batch/confirm.c
 *	  What the target has committed, and would lose if it crashed now; and who may be told that all is there.
 *
 * Batches commit at the target without waiting for its disk, so a crash takes the last of them, and the ledger
 * with them.  Who has nothing to send would not hear of that: therefore the target is asked by and by, and before anybody is
 * told that all is there.  What has been told stays true when the target crashes, and nobody is told of what a crash has taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/batch/confirm.h"
#include "worker/report.h"
#include "worker/subscription.h"
#include "worker/target.h"

void
dbsync_confirm_note(DbsyncWork *work)
{
	if (work->confirm_due == 0)
		work->confirm_due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), dbsync_retention_interval);
}

void
dbsync_confirm(DbsyncWork *work)
{
	if (work->confirm_due == 0 || work->target == NULL)
		return;
	dbsync_target_confirm(work->target, &work->subscription->uid);
	work->confirm_due = 0;
}

void
dbsync_confirm_answer_later(DbsyncWork *work, uint64 ticket)
{
	work->answer_due = Max(work->answer_due, ticket);
}

void
dbsync_confirm_answer(DbsyncWork *work)
{
	if (dbsync_report_awaits(work->answer_due))
	{
		dbsync_confirm(work);
		dbsync_report_answer(work->answer_due);
	}
	work->answer_due = 0;
}
