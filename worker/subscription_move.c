/*-------------------------------------------------------------------------
 *
 * worker/subscription_move.c
 *	  What was found out about tables goes over as the configuration is read again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/by_id.h"
#include "worker/subscription.h"
#include "worker/subscription_move.h"
#include "worker/table.h"
#include "worker/text.h"

static bool
same_uuid(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a, b, sizeof(pg_uuid_t)) == 0;
}

/* Whoever has called resume_table() since wants another attempt. */
static void
move_hold(DbsyncTable *table, const DbsyncTable *old)
{
	DbsyncTableHold *hold = &table->hold;
	MemoryContext context = table->context;

	if (old->hold.note_due)
	{
		hold->reason = old->hold.reason ? MemoryContextStrdup(context, old->hold.reason) : NULL;
		hold->action = old->hold.action ? MemoryContextStrdup(context, old->hold.action) : NULL;
		hold->note_due = true;
	}
	if (!dbsync_text_is_same(hold->asked, old->hold.asked))
		return;
	hold->retry_at = old->hold.retry_at;
	hold->failures = old->hold.failures;
}

static void
move_indexing(DbsyncTable *table, const DbsyncTable *old)
{
	MemoryContext before = MemoryContextSwitchTo(GetMemoryChunkContext(table));
	ListCell   *lc;

	foreach(lc, old->indexing.seen)
		table->indexing.seen = lappend(table->indexing.seen, pstrdup(lfirst(lc)));
	table->indexing.note = old->indexing.note ? pstrdup(old->indexing.note) : NULL;
	table->indexing.after = old->indexing.after;
	table->indexing.failures = old->indexing.failures;
	MemoryContextSwitchTo(before);
}

/* what the ledger said, and what has been tried */
static void
move_part(DbsyncTable *table, const DbsyncTable *old, bool same_policy)
{
	move_hold(table, old);
	move_indexing(table, old);
	dbsync_table_set_part(table, &old->part);
	table->part_found = old->part_found;
	table->part_dirty = old->part_dirty;
	table->install_after = old->install_after;
	table->install_failures = old->install_failures;
	table->copy_after = old->copy_after;
	table->copy_failures = old->copy_failures;
	table->is_there = old->is_there;
	table->parked = old->parked;
	table->oversized = old->oversized;
	table->note_due = old->note_due;
	table->copied = old->copied;
	table->copied_next = old->copied_next;
	if (table->scan != NULL && old->scan != NULL)
		dbsync_table_scan_move(table->scan, old->scan);
	if (table->snapshot != NULL && old->snapshot != NULL)
		dbsync_table_clock_move(&table->snapshot->clock, &old->snapshot->clock);
	if (table->shadow != NULL && old->shadow != NULL)
		dbsync_table_clock_move(table->shadow, old->shadow);
	if (old->copied_for != NULL && !old->copied_for_noted)
	{
		table->copied_for = MemoryContextStrdup(table->context, old->copied_for);
		table->copied_for_noted = false;
	}
	/* columns that the policy of before left out may not be by now */
	if (!same_policy && old->sent != NULL)
		return;
	/* the handle belongs to the connection and knows the target's table */
	table->handle = old->handle;
	table->handle_shape = old->handle_shape;
	table->nsent = old->nsent;
	table->sent = old->sent;
	table->expressions = old->expressions;
}

void
dbsync_subscription_move_work(DbsyncSubscription *subscription, DbsyncSubscription *old)
{
	bool		other_types = strcmp(subscription->labels, old->labels) != 0 ||
		strcmp(subscription->row_types, old->row_types) != 0;
	bool		same_policy = subscription->ddl == old->ddl;
	int			next = 0;
	ListCell   *lc;

	foreach(lc, subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);
		DbsyncTable *before = dbsync_by_id_next(old->tables, &next, table->captured_id);

		if (before == table)
		{
			MemoryContextSetParent(table->context, subscription->context);
			/* columns that the policy of before left out may not be by now */
			if (!same_policy && table->sent != NULL)
			{
				table->handle = NULL;
				table->sent = NULL;
			}
		}
		/* taken out and added again is another one */
		else if (before != NULL && same_uuid(&table->uid, &before->uid))
			move_part(table, before, same_policy);
		/* what it lacks may be made now */
		if (subscription->create_missing != old->create_missing)
			table->copy_after = 0;
		/* the target's types are looked at as a table is looked up */
		if (other_types)
			table->handle = NULL;
	}
}
