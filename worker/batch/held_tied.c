/*-------------------------------------------------------------------------
 *
 * worker/batch/held_tied.c
 *	  Tables that stand still because of others, to which foreign keys of the target tie them.
 *
 * Where keys are checked, rows of one table need those of another, or are in their way: a child that
 * stands still keeps its parent's rows from going, a parent its children's from coming.  So a table
 * that is held takes along all that it is tied to, at the same position, and they catch up together.
 * So does one that is suspended, which has rows at the target that nobody sees to.
 *
 * Of a table that is copied anew nothing flows until it is there.  What references it cannot flow either,
 * and cannot catch up: it would meet the parent as it was later.  So it is to be copied anew, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/batch/batch.h"
#include "worker/batch/held.h"
#include "worker/batch/held_tied.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/ties.h"
#include "worker/work.h"

/* what keeps a group of tables back */
typedef struct Obstacle
{
	DbsyncTable *table;			/* it is held, suspended, or copied anew; NULL: nothing does */
	DbsyncTable *child;			/* copied anew: one that has rows which reference it */
} Obstacle;

/* It has rows at the target of which changes come. */
static bool
is_there(const DbsyncTable *table)
{
	return dbsync_table_flows(table) && table->dropped == 0;
}

static DbsyncTable *
find_child_there(const DbsyncTable *table)
{
	ListCell   *lc;

	foreach(lc, table->ties.children)
	{
		DbsyncTable *child = lfirst(lc);

		if (is_there(child) && child->ties.rank != table->ties.rank)
			return child;
	}
	return NULL;
}

/* Does it keep others back?  Worse is what does not end by itself. */
static void
look_at(DbsyncTable *table, Obstacle *obstacle)
{
	DbsyncTable *child;

	if (table->dropped != 0 || (obstacle->table != NULL && !dbsync_table_is_held(obstacle->table)))
		return;
	if (table->state == DBSYNC_TABLE_SUSPENDED)
		obstacle->table = table;
	else if (table->copy_data && table->part.nkeys == 0 && !table->part.live &&
			 (child = find_child_there(table)) != NULL)
	{
		obstacle->table = table;
		obstacle->child = child;
	}
	else if (dbsync_table_is_held(table) && obstacle->table == NULL)
		obstacle->table = table;
}

static void
give_reason(const DbsyncWork *work, DbsyncTable *table, const Obstacle *obstacle)
{
	const DbsyncTable *other = obstacle->table;
	const char *subscription = quote_literal_cstr(work->subscription->name);

	if (dbsync_table_is_held(other))
		dbsync_held_say(table, psprintf("foreign keys of the target tie it to table %s, which is held", other->qualified),
						psprintf("It goes on with table %s.", other->qualified));
	else if (obstacle->child == NULL)
		dbsync_held_say(table, psprintf("foreign keys of the target tie it to table %s, which is suspended", other->qualified),
						psprintf("SELECT dbsync.copy_table(%s, %s, ...), or drop the foreign keys on the target, and then"
								 " SELECT dbsync.resume_table(%s, %s).", subscription, quote_literal_cstr(other->qualified),
								 subscription, quote_literal_cstr(table->qualified)));
	else
		dbsync_held_say(table, psprintf("table %s is to be copied anew, and foreign keys lead to it from rows of table %s at the target",
										other->qualified, obstacle->child->qualified),
						psprintf("Copy that anew as well: SELECT dbsync.copy_table(%s, %s, existing_rows => 'truncate').",
								 subscription, quote_literal_cstr(obstacle->child->qualified)));
}

static Obstacle *
find_obstacles(DbsyncWork *work)
{
	Obstacle   *obstacles = palloc0(sizeof(Obstacle) * (work->subscription->ngroups + 1));
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->ties.checked)
			look_at(table, &obstacles[table->ties.group]);
	}
	return obstacles;
}

/* True: its part is to be written. */
static bool
take_along(DbsyncWork *work, DbsyncTable *table, const Obstacle *obstacle)
{
	bool		held = dbsync_table_is_held(table);

	table->ties.blocked = obstacle->table != NULL && !dbsync_table_is_held(obstacle->table);
	if (obstacle->table == NULL || table->dropped != 0 || !dbsync_table_flows(table) || (held && !table->ties.blocked))
		return false;
	give_reason(work, table, obstacle);
	if (held)
		return false;
	dbsync_held_set_position(work, table, &work->position);
	table->hold.failures = 0;
	return true;
}

/* What was written is true now. */
static void
note_taken(DbsyncWork *work, List *taken)
{
	ListCell   *lc;

	foreach(lc, taken)
	{
		DbsyncTable *table = lfirst(lc);

		table->part_dirty = false;
		table->hold.note_due = true;
		dbsync_held_try_later(table);
		ereport(WARNING,
				(errmsg("table %s of subscription \"%s\" is held: %s", table->qualified,
						work->subscription->name, table->hold.reason),
				 errhint("%s", table->hold.action)));
	}
}

void
dbsync_held_take_along(DbsyncWork *work)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync ties", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Obstacle   *obstacles = find_obstacles(work);
	List	   *taken = NIL;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->ties.checked && take_along(work, table, &obstacles[table->ties.group]))
			taken = lappend(taken, table);
	}
	if (taken != NIL)
	{
		/* a window that has been begun is put together with them */
		if (work->window != NULL)
			dbsync_window_end(work->window);
		work->window = NULL;
		dbsync_batch_write_position(work);
		note_taken(work, taken);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
