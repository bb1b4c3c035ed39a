/*-------------------------------------------------------------------------
 *
 * worker/verify/repair.c
 *	  Having sent anew what differs.
 *
 * The keys are written down as they are found, in the transaction that compares, and the worker sends their rows as they are
 * at another S (worker/batch/repair.h).  What could destroy much takes somebody who names the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "worker/batch/repair.h"
#include "worker/query.h"
#include "worker/subscription.h"
#include "worker/verify/outcome.h"
#include "worker/verify/repair.h"
#include "worker/verify/stand.h"

/* of a table that is locked, and the pause between two of them, in ms */
#define MANY_ATTEMPTS	20
#define PAUSE_MS		500

/* rows of the target that the source lacks, as it is compared for the first time: from so many on, this part of them is too many */
#define MANY_STRANGERS	100
#define NEARLY_ALL		0.9

void
dbsync_repair_judge_rows(DbsyncVerify *v)
{
	const DbsyncFindings *found = &v->found;

	v->repairs = v->order.repair;
	if (!v->repairs)
		return;
	if (v->table->snapshot != NULL && !v->order.scan)
	{
		v->obstacle = "not repaired: what differs is sent by its own comparisons (capture \"snapshot\")";
		v->repairs = false;
		return;
	}
	v->may_shrink = v->order.scan ? v->order.may_shrink : v->order.captured_id != 0;
	v->may_differ = v->order.scan ? v->order.may_differ : v->order.captured_id != 0;
	initStringInfo(&v->keys);
	initStringInfo(&v->extras);
	v->nkeys = 0;
	/* of a run that was broken off */
	dbsync_outcome_forget_repair(v);
	/* a source that was put back, or emptied by mistake, is not to take the target along */
	if (!v->may_shrink && !v->keeps && dbsync_repair_is_too_little(found->rows_here, found->rows_there))
		v->obstacle = v->order.scan ?
			psprintf("the source has " INT64_FORMAT " rows, less than half of the target's " INT64_FORMAT ": nothing is sent or deleted. Where that is right, "
					 "take the table out, and add it again with options => '{\"empty\": \"allow\"}'", found->rows_here, found->rows_there)
			: "not repaired: the source has less than half of the target's rows; to do it all the same, name the table";
	else if (v->table->shape->nkeys == 0 && v->keeps)
		v->obstacle = "not repaired: the table has no key, and copied anew it would lose rows that are to be kept";
	v->repairs = v->obstacle == NULL;
}

/* Have nearly all of the target's rows keys that the source does not have?  It may be another table. */
static bool
are_strangers(const DbsyncVerify *v)
{
	return !v->may_shrink && v->found.extra >= MANY_STRANGERS && v->found.extra > v->found.rows_there * NEARLY_ALL;
}

void
dbsync_repair_judge_differences(DbsyncVerify *v)
{
	if (v->repairs && !v->may_differ && are_strangers(v))
	{
		v->obstacle = psprintf(v->order.scan ?
							   "the source lacks " INT64_FORMAT " of the target's " INT64_FORMAT " rows, and nothing was sent or deleted: is it the right "
							   "table? If it is, have them copied anew with dbsync.copy_table()"
							   : "not repaired: the source lacks " INT64_FORMAT " of the target's " INT64_FORMAT " rows: is it the right table? To do it all the "
							   "same, name the table", v->found.extra, v->found.rows_there);
		v->repairs = false;
		dbsync_outcome_forget_repair(v);
		return;
	}
	if (v->found.all_differ && !v->may_differ && v->repairs)
	{
		v->obstacle = v->order.scan ?
			"nearly all rows differ, and nothing was sent: look at how both ends write them, as dbsync.table_status shows one. "
			"Where the target's are simply others, have them copied anew with dbsync.copy_table()"
			: "not repaired: nearly all rows differ; look at how both ends write them, in dbsync.difference, and name the table";
		v->repairs = false;
		dbsync_outcome_forget_repair(v);
	}
}

/* Rows whose keys are parked are none of repair's: the target has refused them. */
static bool
rows_differ(const DbsyncVerify *v)
{
	return v->found.missing + v->found.extra + v->found.different > 0;
}

/* What there is to be said of the table in any case. */
static const char *
say_more(const DbsyncVerify *v)
{
	if (v->obstacle != NULL)
		return v->obstacle;
	if (v->found.all_differ)
		return "nearly all rows differ: look at how both ends write them, in dbsync.difference";
	if (v->behind == NULL && v->found.parked > 0)
		return rows_differ(v) ? "some rows that differ are parked: dbsync.quarantine says why, and dbsync.retry() sends them anew"
			: "all rows that differ are parked: dbsync.quarantine says why, and dbsync.retry() sends them anew";
	return v->behind;
}

/*
 * Of a source that is not to take the target along: how many rows that has, about, if a part of them was compared.  The rows are looked
 * up later, and it may have been emptied by then.
 */
static int64
rows_to_guard(const DbsyncVerify *v)
{
	if (v->may_shrink || v->keeps)
		return 0;
	return (int64) ((double) v->found.rows_there * v->buckets / Max(v->below, 1));
}

/* Ask the worker for it until it is done; false: *note says why not. */
static bool
have_done(DbsyncVerify *v, DbsyncMeetingWish wish, const char **note)
{
	DbsyncMeeting meeting;

	for (int i = 0; i < MANY_ATTEMPTS; i++)
	{
		if (i > 0)
			(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, PAUSE_MS, PG_WAIT_EXTENSION);
		dbsync_meeting_ask(wish, v->table->captured_id, rows_to_guard(v));
		if (!dbsync_stand_wait(v, &meeting))
		{
			*note = "not repaired: the deadline came first";
			return false;
		}
		v->found.repaired += meeting.repaired;
		v->found.absent += meeting.absent;
		if (meeting.state == DBSYNC_MEETING_REPAIRED)
			return true;
		if (meeting.state == DBSYNC_MEETING_REFUSED)
		{
			*note = psprintf("not repaired: %s", meeting.reason);
			return false;
		}
	}
	*note = "not repaired: somebody else has locked it";
	return false;
}

/* Nobody is to send them later: what differs by then is another question. */
static void
forget_keys(DbsyncVerify *v)
{
	dbsync_query_begin(false, "forgetting keys that were not repaired");
	dbsync_outcome_forget_repair(v);
	dbsync_query_commit();
	MemoryContextSwitchTo(v->context);
}

bool
dbsync_repair_run(DbsyncVerify *v, const char **note)
{
	*note = say_more(v);
	if (!v->repairs || (v->behind == NULL && !rows_differ(v)))
		return false;
	strlcpy(v->progress.phase, "repairing", sizeof(v->progress.phase));
	dbsync_meeting_tell(&v->progress);
	/* the worker keeps them ahead; what it knows of them it has to ask anew */
	if (v->behind != NULL && !have_done(v, DBSYNC_WISH_SEQUENCES, note))
		return false;
	if (!rows_differ(v))
		return true;
	if (v->table->shape->nkeys == 0)
	{
		dbsync_outcome_copy_anew(v);
		*note = "the table has no key: it is copied anew";
		return true;
	}
	if (!have_done(v, DBSYNC_WISH_REPAIR, note))
	{
		forget_keys(v);
		return false;
	}
	if (v->found.foreign == 0)
		return true;
	*note = psprintf("not repaired: " INT64_FORMAT " of the target's rows have keys that the source's columns cannot have; delete them there",
					 v->found.foreign);
	return false;
}
