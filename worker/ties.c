/*-------------------------------------------------------------------------
 *
 * worker/ties.c
 *	  Tables that foreign keys of the target tie to one another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/report.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/ties.h"
#include "worker/work.h"

/* while ranks are given */
typedef struct Walk
{
	int			numbers;
	int			ranks;
	List	   *waiting;		/* tables seen whose circle is not complete yet */
} Walk;

static void
forget(DbsyncTableTies *ties)
{
	list_free(ties->parents);
	list_free(ties->children);
	memset(ties, 0, sizeof(DbsyncTableTies));
}

void
dbsync_ties_forget(DbsyncSubscription *subscription)
{
	ListCell   *lc;

	if (subscription->tied)
		foreach(lc, subscription->tables)
			forget(&((DbsyncTable *) lfirst(lc))->ties);
	subscription->tied = subscription->ties_known = false;
	subscription->ngroups = 0;
}

void
dbsync_ties_take_over(DbsyncSubscription *subscription, DbsyncSubscription *old)
{
	if (subscription->tables_changed)
		dbsync_ties_forget(old);
	subscription->tied = old->tied;
	subscription->ties_known = old->ties_known;
	subscription->ngroups = old->ngroups;
}

static void
tie(DbsyncSubscription *subscription, const DbsyncForeignKey *key)
{
	DbsyncTable *child = key->child < 0 ? NULL : list_nth(subscription->tables, key->child);
	DbsyncTable *parent = key->parent < 0 ? NULL : list_nth(subscription->tables, key->parent);
	MemoryContext old = CurrentMemoryContext;

	subscription->tied = true;
	if (child != NULL)
		child->ties.checked = true;
	if (parent != NULL)
		parent->ties.checked = true;
	if (child != NULL && child == parent)
		child->ties.circle = true;
	else if (child != NULL && parent != NULL)
	{
		/* with each table, which may outlive what else was read of the configuration */
		MemoryContextSwitchTo(child->context);
		child->ties.parents = list_append_unique_ptr(child->ties.parents, parent);
		MemoryContextSwitchTo(parent->context);
		parent->ties.children = list_append_unique_ptr(parent->ties.children, child);
	}
	MemoryContextSwitchTo(old);
}

/* All tables seen since this one, itself included, are in one circle; or it is by itself. */
static void
close_circle(Walk *walk, DbsyncTable *table)
{
	DbsyncTable *member;
	bool		several = llast(walk->waiting) != table;

	walk->ranks++;
	do
	{
		member = llast(walk->waiting);
		walk->waiting = list_delete_last(walk->waiting);
		member->ties.rank = walk->ranks;
		member->ties.circle |= several;
	}
	while (member != table);
}

/*
 * Give ranks to a table's ancestors, then to itself: strongly connected components as Tarjan
 * finds them, which end in the order of ranks.
 */
static void
walk_up(Walk *walk, DbsyncTable *table)
{
	DbsyncTableTies *ties = &table->ties;
	ListCell   *lc;

	check_stack_depth();
	ties->seen = true;
	ties->number = ties->low = ++walk->numbers;
	walk->waiting = lappend(walk->waiting, table);
	foreach(lc, ties->parents)
	{
		DbsyncTable *parent = lfirst(lc);

		if (!parent->ties.seen)
		{
			walk_up(walk, parent);
			ties->low = Min(ties->low, parent->ties.low);
		}
		else if (parent->ties.rank == 0)
			ties->low = Min(ties->low, parent->ties.number);
	}
	if (ties->low == ties->number)
		close_circle(walk, table);
}

/* It and all that it is tied to are one group. */
static void
give_group(DbsyncTable *table, int group)
{
	ListCell   *lc;

	check_stack_depth();
	if (table->ties.group != 0)
		return;
	table->ties.group = group;
	foreach(lc, table->ties.parents)
		give_group(lfirst(lc), group);
	foreach(lc, table->ties.children)
		give_group(lfirst(lc), group);
}

static void
give_ranks(DbsyncSubscription *subscription)
{
	Walk		walk = {0};
	ListCell   *lc;

	foreach(lc, subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->ties.checked && !table->ties.seen)
			walk_up(&walk, table);
		if (table->ties.checked && table->ties.group == 0)
			give_group(table, ++subscription->ngroups);
	}
}

static List *
ask(DbsyncWork *work)
{
	List	   *tables = work->subscription->tables;
	const char **schemas = palloc(sizeof(char *) * Max(list_length(tables), 1));
	const char **names = palloc(sizeof(char *) * Max(list_length(tables), 1));
	bool		checked;
	List	   *keys;
	ListCell   *lc;

	foreach(lc, tables)
	{
		const DbsyncTable *table = lfirst(lc);

		schemas[foreach_current_index(lc)] = table->target_schema;
		names[foreach_current_index(lc)] = table->target_table;
	}
	dbsync_target_foreign_keys(work->target, list_length(tables), schemas, names, &checked, &keys);
	dbsync_report_foreign_keys(checked ? DBSYNC_KEYS_ORDERED : DBSYNC_KEYS_REPLICA);
	return keys;
}

void
dbsync_ties_look(DbsyncWork *work)
{
	DbsyncSubscription *subscription = work->subscription;
	MemoryContext old;
	ListCell   *lc;

	if (subscription->ties_known)
		return;
	subscription->ties_known = true;
	if (!dbsync_target_has_foreign_keys(work->target))
		return;
	MemoryContextReset(work->batch_context);
	old = MemoryContextSwitchTo(work->batch_context);
	foreach(lc, ask(work))
		tie(subscription, lfirst(lc));
	if (subscription->tied)
		give_ranks(subscription);
	MemoryContextSwitchTo(old);
}

List *
dbsync_ties_circle(DbsyncWork *work, DbsyncTable *table)
{
	List	   *found = list_make1(table);
	ListCell   *lc;

	if (table->ties.circle)
		foreach(lc, work->subscription->tables)
		{
			DbsyncTable *other = lfirst(lc);

			if (other != table && other->ties.rank == table->ties.rank)
				found = lappend(found, other);
		}
	return found;
}

const DbsyncTable *
dbsync_ties_waits_for(const DbsyncTable *table)
{
	ListCell   *lc;

	foreach(lc, table->ties.parents)
	{
		const DbsyncTable *parent = lfirst(lc);

		if (parent->ties.rank == table->ties.rank || parent->dropped != 0)
			continue;
		if (!parent->part.live || parent->state == DBSYNC_TABLE_SUSPENDED || dbsync_table_is_held(parent))
			return parent;
	}
	return NULL;
}
