/*-------------------------------------------------------------------------
 *
 * worker/copy/schedule.c
 *	  Which table is copied next, which one again later, and how far copies have come.
 *
 * States of a table, and who sets them:
 *
 *	new -> copying -> live		the worker, behind the target's ledger
 *	any -> suspended			suspend_table(), or capture was found off
 *	suspended -> new			copy_table(), with a new attachment uuid
 *
 * The truth is the attachment's row in the target's ledger: the key of the last
 * row copied, written in the transaction that copied it.  A worker that starts
 * again goes on behind it.  The state in the source's catalog follows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "worker/copy/schedule.h"
#include "worker/driver/driver.h"
#include "worker/query.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

/* so many tables are copied together with another, each of so many blocks at most */
#define MAX_BESIDE		100
#define SMALL_BLOCKS	128

/* first pause after a failed copy, in ms */
#define COPY_RETRY_MIN 1000

DbsyncTable *
dbsync_schedule_next_table(DbsyncWork *work)
{
	DbsyncTable *next = NULL;
	DbsyncTable *failed = NULL;
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return NULL;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->state == DBSYNC_TABLE_SUSPENDED || !table->captured || table->dropped != 0 || !table->copy_data ||
			table->part.live || dbsync_table_is_held(table) || table->copy_after > now)
			continue;
		if (table->copy_failures > 0)
		{
			if (failed == NULL || table->copy_after < failed->copy_after)
				failed = table;
		}
		/* one that is half copied comes first */
		else if (next == NULL || (table->part.nkeys > 0 && next->part.nkeys == 0))
			next = table;
	}

	/* one futile attempt after the other would leave the others no batch */
	return failed && !work->copy_failed ? failed : next;
}

/* not partitioned, nor half copied; nor one that has failed, which would take the others along */
static bool
may_be_small(const DbsyncTable *table)
{
	return table->state != DBSYNC_TABLE_SUSPENDED && table->captured && table->dropped == 0 && table->copy_data &&
		!table->part.live && table->part.nkeys == 0 && !dbsync_table_is_held(table) &&
		table->copy_failures == 0;
}

List *
dbsync_schedule_more_tables(DbsyncWork *work, const DbsyncTable *first)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *more = NIL;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table == first || !may_be_small(table) || table->copy_after > now)
			continue;
		if (list_length(more) == MAX_BESIDE)
			break;
		more = lappend(more, table);
	}
	return more;
}

bool
dbsync_schedule_is_small(const DbsyncTable *table)
{
	Relation	rel;
	bool		small;

	if (!may_be_small(table) || get_rel_relkind(table->relid) != RELKIND_RELATION)
		return false;
	rel = table_open(table->relid, NoLock);
	small = RelationGetNumberOfBlocks(rel) <= SMALL_BLOCKS;
	table_close(rel, NoLock);
	return small;
}

static void
note_progress(void *arg)
{
	DbsyncWork *work = arg;
	ListCell   *lc;

	dbsync_query_begin(false, "noting progress");
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->note_due && table->state != DBSYNC_TABLE_SUSPENDED)
			dbsync_subscription_write_table(work->subscription, table,
											table->part.live ? DBSYNC_TABLE_LIVE : DBSYNC_TABLE_COPYING);
	}
	dbsync_query_commit();
	foreach(lc, work->subscription->tables)
		((DbsyncTable *) lfirst(lc))->note_due = false;
}

bool
dbsync_schedule_note_is_due(const DbsyncWork *work)
{
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return false;
	foreach(lc, work->subscription->tables)
	{
		if (((DbsyncTable *) lfirst(lc))->note_due)
			return true;
	}
	return false;
}

void
dbsync_schedule_note_progress(DbsyncWork *work)
{
	if (dbsync_schedule_note_is_due(work))
		(void) dbsync_query_attempt(note_progress, work);
}

/* Not the table's fault: what goes for the whole connection, or for our own session. */
static bool
concerns_table(const DbsyncTarget *target, const ErrorData *edata)
{
	int			class = ERRCODE_TO_CATEGORY(edata->sqlerrcode);

	if (dbsync_target_has_fault(target))
		return !dbsync_target_fault_is(target, DBSYNC_FAULT_LOST) &&
			!dbsync_target_fault_is(target, DBSYNC_FAULT_UNAVAILABLE);
	/* or for a further connection, whose fault is its own */
	return class != ERRCODE_CONNECTION_EXCEPTION && class != ERRCODE_OPERATOR_INTERVENTION &&
		class != ERRCODE_INSUFFICIENT_RESOURCES;
}

bool
dbsync_schedule_put_off(DbsyncWork *work, const ErrorData *edata)
{
	DbsyncTable *table = work->blamed ? dbsync_subscription_table(work->subscription, work->blamed) : NULL;

	work->blamed = 0;
	/* without a copy, the others must not go on past its start position */
	if (table == NULL || !table->copy_data || table->part.live || !concerns_table(work->target, edata))
		return false;
	work->copy_failed = true;
	table->copy_failures++;
	table->copy_after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													dbsync_query_pause(COPY_RETRY_MIN,
																	   table->copy_failures));
	return true;
}

bool
dbsync_schedule_is_pending(const DbsyncWork *work)
{
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return false;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		if (table->state != DBSYNC_TABLE_SUSPENDED && table->dropped == 0 && !dbsync_table_is_held(table) &&
			!table->part.live)
			return true;
	}
	return false;
}

bool
dbsync_schedule_is_put_off(DbsyncWork *work)
{
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return false;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->copy_failures > 0 && table->dropped == 0 && !table->part.live && !dbsync_table_is_held(table) &&
			table->state != DBSYNC_TABLE_SUSPENDED)
			return true;
	}
	return false;
}
