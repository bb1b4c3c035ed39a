/*-------------------------------------------------------------------------
 *
 * worker/copy/schedule.c
 *	  Which table is copied next, which one again later, and how far copies have come.
 *
 * States of a table, and who sets them:
 *
 *	new -> copying -> live		the worker, behind the target's ledger
 *	copying -> indexing -> live	likewise, of a table that it has made at the target
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
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "worker/copy/schedule.h"
#include "worker/driver/driver.h"
#include "worker/query.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/ties.h"

/* so many tables are copied together with another, each of so many blocks at most */
#define MAX_BESIDE		100
#define SMALL_BLOCKS	128

/* first pause after a failed copy, in ms */
#define COPY_RETRY_MIN 1000

/* Is there a copy to be made of it, and is nothing in the way but time? */
static bool
is_wanted(const DbsyncTable *table)
{
	return table->state != DBSYNC_TABLE_SUSPENDED && table->captured && table->dropped == 0 && table->copy_data &&
		!table->part.live && !dbsync_table_is_held(table);
}

/* Does it wait for a table that will be there by itself, or is shown to stand still? */
static bool
waits_for_another(const DbsyncTable *table)
{
	const DbsyncTable *parent = dbsync_ties_waits_for(table);

	return parent != NULL && parent->state != DBSYNC_TABLE_SUSPENDED;
}

/* Does it wait for one that is held, and not just about to catch up, over any number of others? */
static bool
waits_for_held(const DbsyncTable *table)
{
	const DbsyncTable *parent = dbsync_ties_waits_for(table);

	if (parent == NULL || parent->state == DBSYNC_TABLE_SUSPENDED)
		return false;
	if (dbsync_table_is_held(parent))
		return parent->ties.blocked || parent->hold.retry_at > GetCurrentTimestamp();
	return waits_for_held(parent);
}

/* Can it be copied now, with all that must be copied in the same batch? */
static bool
is_due(DbsyncWork *work, DbsyncTable *table)
{
	TimestampTz now;
	ListCell   *lc;

	if (!is_wanted(table))
		return false;
	now = GetCurrentTimestamp();
	if (table->copy_after > now || waits_for_another(table))
		return false;
	if (table->ties.circle)
		foreach(lc, dbsync_ties_circle(work, table))
		{
			DbsyncTable *member = lfirst(lc);

			if (!member->part.live && member->state != DBSYNC_TABLE_SUSPENDED && member->dropped == 0 &&
				(!is_wanted(member) || member->copy_after > now || waits_for_another(member)))
				return false;
		}
	return true;
}

List *
dbsync_schedule_with(DbsyncWork *work, DbsyncTable *table)
{
	List	   *tables = list_make1(table);
	ListCell   *lc;

	if (table->ties.circle)
		foreach(lc, dbsync_ties_circle(work, table))
		{
			DbsyncTable *member = lfirst(lc);

			if (member != table && is_wanted(member))
				tables = lappend(tables, member);
		}
	return tables;
}

void
dbsync_schedule_refuse_emptying(const DbsyncWork *work, const DbsyncTable *table, const DbsyncTable *child)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("target table \"%s.%s\" cannot be emptied, as rows of table %s reference it there",
					table->target_schema, table->target_table, child->qualified),
			 errdetail("The target checks its foreign keys, and table %s is not emptied and copied anew itself.", child->qualified),
			 errhint("Copy both anew: SELECT dbsync.copy_table(%s, %s, existing_rows => 'truncate').",
					 quote_literal_cstr(work->subscription->name), quote_literal_cstr(child->qualified))));
}

List *
dbsync_schedule_emptied_with(DbsyncWork *work, DbsyncTable *table)
{
	List	   *found = list_make1(table);
	ListCell   *lc;

	/* the list grows as it is gone through */
	for (int i = 0; i < list_length(found); i++)
	{
		foreach(lc, ((DbsyncTable *) list_nth(found, i))->ties.children)
		{
			DbsyncTable *child = lfirst(lc);

			if (list_member_ptr(found, child) || child->dropped != 0)
				continue;
			/* no first copy will bring what it has at the target */
			if (child->part.live || child->state == DBSYNC_TABLE_SUSPENDED || child->part.nkeys > 0)
				dbsync_schedule_refuse_emptying(work, table, child);
			if (is_wanted(child) && dbsync_table_empties(child))
				found = lappend(found, child);
		}
	}
	return found;
}

List *
dbsync_schedule_to_empty(DbsyncWork *work, const List *but)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *tables = NIL;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);
		const DbsyncTable *parent;

		if (!table->ties.checked || table->ties.emptied || table->part.nkeys > 0 || !is_wanted(table) ||
			!dbsync_table_empties(table) || table->copy_after > now || list_member_ptr(but, table))
			continue;
		/* one that cannot be copied keeps its rows */
		parent = dbsync_ties_waits_for(table);
		if (parent == NULL || parent->state == DBSYNC_TABLE_SUSPENDED)
			continue;
		work->blamed = table->captured_id;
		tables = list_concat_unique_ptr(tables, dbsync_schedule_emptied_with(work, table));
	}
	work->blamed = 0;
	return tables;
}

/* Rows that reference it there cannot flow before it is there again, nor be left behind. */
static void
check_children(const DbsyncWork *work, const DbsyncTable *table)
{
	ListCell   *lc;

	foreach(lc, table->ties.children)
	{
		const DbsyncTable *child = lfirst(lc);

		if (child->ties.rank == table->ties.rank || child->dropped != 0 || !dbsync_table_flows(child))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s cannot be copied while table %s is not copied anew, too", table->qualified,
						child->qualified),
				 errdetail("A foreign key leads from the other to the one at the target, which checks it."),
				 errhint("SELECT dbsync.copy_table(%s, %s, existing_rows => 'truncate').",
						 quote_literal_cstr(work->subscription->name), quote_literal_cstr(child->qualified))));
	}
}

void
dbsync_schedule_check_ties(const DbsyncWork *work, const DbsyncTable *table)
{
	const DbsyncTable *parent = dbsync_ties_waits_for(table);

	if (parent != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s cannot be copied before table %s, which is suspended", table->qualified,
						parent->qualified),
				 errdetail("A foreign key leads from the one to the other at the target, which checks it."),
				 errhint("SELECT dbsync.copy_table(%s, %s, ...), or drop the foreign key on the target.",
						 quote_literal_cstr(work->subscription->name), quote_literal_cstr(parent->qualified))));
	if (table->part.nkeys == 0)
		check_children(work, table);
}

DbsyncTable *
dbsync_schedule_next_table(DbsyncWork *work)
{
	DbsyncTable *next = NULL;
	DbsyncTable *failed = NULL;
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return NULL;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (!is_due(work, table))
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

/*
 * Not partitioned, nor half copied, nor tied to others, which have an order of their own; nor one
 * that has failed, which would take the others along, or is scanned, for which S must be of a kind.
 */
static bool
may_be_small(const DbsyncTable *table)
{
	return is_wanted(table) && table->part.nkeys == 0 && table->copy_failures == 0 && table->scan == NULL && table->snapshot == NULL &&
		!table->ties.checked;
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
		/* it may have to be made first */
		if (work->subscription->create_missing && !table->is_there)
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
											!table->part.live ? DBSYNC_TABLE_COPYING :
											table->indexing.due ? DBSYNC_TABLE_INDEXING : DBSYNC_TABLE_LIVE);
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

static void
put_off_look(DbsyncTableClock *clock)
{
	dbsync_table_clock_put_off(clock, dbsync_query_pause(COPY_RETRY_MIN, clock->failures + 1));
}

/* Was it a table's comparison, with its shadow or with the target, that has failed?  All else goes on. */
static bool
put_off_comparison(DbsyncWork *work, const ErrorData *edata)
{
	DbsyncTable *table = work->comparing ? dbsync_subscription_table(work->subscription, work->comparing) : NULL;

	work->comparing = 0;
	if (table == NULL || (table->shadow == NULL && (table->snapshot == NULL || !concerns_table(work->target, edata))))
		return false;
	put_off_look(table->shadow != NULL ? table->shadow : &table->snapshot->clock);
	return true;
}

bool
dbsync_schedule_put_off(DbsyncWork *work, const ErrorData *edata)
{
	DbsyncTable *table = work->blamed ? dbsync_subscription_table(work->subscription, work->blamed) : NULL;

	if (put_off_comparison(work, edata))
		return true;
	work->blamed = 0;
	work->scan_failed = table != NULL && table->scan != NULL;
	if (table != NULL && table->scan != NULL && table->part.live && concerns_table(work->target, edata))
	{
		put_off_look(&table->scan->clock);
		return true;
	}
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
			!table->part.live && !waits_for_held(table))
			return true;
	}
	return false;
}

bool
dbsync_schedule_is_put_off(DbsyncWork *work)
{
	ListCell   *lc;

	if (work->chain_failures > 0)
		return true;
	if (dbsync_subscription_is_settled(work->subscription))
		return false;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->scan != NULL && table->scan->clock.failures > 0 && table->state != DBSYNC_TABLE_SUSPENDED)
			return true;
		if (table->snapshot != NULL && table->snapshot->clock.failures > 0 && table->state != DBSYNC_TABLE_SUSPENDED)
			return true;
		if (table->shadow != NULL && table->shadow->failures > 0 && table->state != DBSYNC_TABLE_SUSPENDED)
			return true;
		if (table->copy_failures > 0 && table->dropped == 0 && !table->part.live && !dbsync_table_is_held(table) &&
			table->state != DBSYNC_TABLE_SUSPENDED)
			return true;
	}
	return false;
}
