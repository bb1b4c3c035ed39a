/*-------------------------------------------------------------------------
 *
 * extension/capture/statement.c
 *	  Which statements are open on a captured table, and whether the order in
 *	  which they were captured is to be trusted.
 *
 * A statement's rows are captured when it ends.  What triggers and functions
 * wrote to the same table meanwhile was captured earlier, so a row may be
 * captured in an older state after a newer one.  Foreign-key actions do not even
 * close in the order of a stack.  Hence a count and not a stack: while statements
 * are open on a table it has a busy period, and a period in which rows were
 * captured more than once is flagged, to be read again at commit (dbsync_recheck_doubts()).
 *
 * Not flagged is a period made of one upsert or MERGE alone, which captures by
 * operation but touches no row twice.
 *
 * A statement that is captured row by row (DbsyncDirect) opens no period: its rows are
 * in their right places.  Inside another's period it is one more capture.
 *
 * TRUNCATE empties its tables between the BEFORE and the AFTER triggers of all of them,
 * and triggers of others may write to any of them in between: before ours, whatever
 * they are called, or for another table of the command.  What was captured of a table
 * between our two triggers may thus have been there before or after, which nobody can
 * tell from its number.  So it is captured as coming before, and every key of it is
 * looked up at commit: what is there follows as R.
 *
 * The per-row trigger works where no statement triggers fire (logical
 * replication), or are to be had (inheritance), so there is no period to speak of: then all
 * that the transaction captured of the table is doubted, if it is more than one row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extension/capture/running.h"
#include "extension/capture/statement.h"

/* Doubt the rows numbered from..to; the last interval takes what has no room. */
static void
flag_interval(DbsyncPeriods *periods, int64 from, int64 to)
{
	int			last = periods->nintervals - 1;

	if (last >= 0 && (from <= periods->to[last] + 1 ||
					  periods->nintervals == DBSYNC_MAX_INTERVALS))
	{
		periods->from[last] = Min(periods->from[last], from);
		periods->to[last] = Max(periods->to[last], to);
		return;
	}
	periods->from[last + 1] = from;
	periods->to[last + 1] = to;
	periods->nintervals++;
}

static void
flag_everything(DbsyncPeriods *periods)
{
	periods->nintervals = 0;
	flag_interval(periods, 1, dbsync_transaction.next_no - 1);
}

void
dbsync_statement_open(DbsyncTouched *touched, const TriggerData *trigdata)
{
	DbsyncPeriods *periods = &touched->periods;
	const void *plan = dbsync_running_upsert(trigdata);

	dbsync_transaction_save(periods);
	if (periods->open++ == 0)
	{
		periods->captures = 0;
		periods->plan = plan;
		periods->first = dbsync_transaction.next_no;
	}
	else if (periods->plan != plan)
		periods->plan = NULL;
}

void
dbsync_statement_close(DbsyncTouched *touched, const TriggerData *trigdata, int64 rows)
{
	DbsyncPeriods *periods = &touched->periods;
	int64		next = dbsync_transaction.next_no;

	dbsync_transaction_save(periods);
	if (periods->open == 0)
	{
		/* it began before capture did, so what came in between is unknown */
		if (rows > 0)
			flag_everything(periods);
		return;
	}
	if (rows > 0)
		periods->captures++;
	if (periods->plan != NULL && periods->plan != dbsync_running_upsert(trigdata))
		periods->plan = NULL;
	if (--periods->open == 0 && periods->captures > 1 && periods->plan == NULL)
		flag_interval(periods, periods->first, next - 1);
}

void
dbsync_statement_open_truncate(DbsyncTouched *touched)
{
	DbsyncPeriods *periods = &touched->periods;

	dbsync_transaction_save(periods);
	if (periods->truncating++ > 0)
		return;
	periods->truncate_first = dbsync_transaction.next_no;
	periods->truncate_rows = dbsync_transaction_rows(touched);
}

void
dbsync_statement_close_truncate(DbsyncTouched *touched)
{
	DbsyncPeriods *periods = &touched->periods;

	if (periods->truncating == 0)
		return;
	dbsync_transaction_save(periods);
	periods->truncating--;
	if (dbsync_transaction_rows(touched) == periods->truncate_rows)
		return;
	if (periods->truncated_from == 0)
		periods->truncated_from = periods->truncate_first;
	periods->truncated_to = dbsync_transaction.next_no - 1;
}

void
dbsync_statement_leave_truncate(DbsyncTouched *touched)
{
	DbsyncPeriods *periods = &touched->periods;

	if (periods->truncating == 0)
		return;
	dbsync_transaction_save(periods);
	periods->truncating--;
}

void
dbsync_statement_add_truncated(DbsyncTouched *touched, int64 rows)
{
	dbsync_transaction_save(&touched->periods);
	touched->periods.truncate_rows += rows;
}

void
dbsync_statement_note_row(DbsyncTouched *touched)
{
	DbsyncPeriods *periods = &touched->periods;

	/* a single row is in no wrong order */
	if (dbsync_transaction_rows(touched) < 2)
		return;
	dbsync_transaction_save(periods);
	flag_everything(periods);
}

void
dbsync_statement_note_direct(DbsyncTouched *touched)
{
	DbsyncPeriods *periods = &touched->periods;

	if (periods->open == 0)
		return;
	dbsync_transaction_save(periods);
	periods->captures++;
	periods->plan = NULL;
}

void
dbsync_statement_doubt(DbsyncTouched *touched, int64 from, int64 to)
{
	dbsync_transaction_save(&touched->periods);
	flag_interval(&touched->periods, from, to);
}
