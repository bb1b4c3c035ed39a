/*-------------------------------------------------------------------------
 *
 * worker/copy/indexing.c
 *	  Tables that were made at the target get the source's other indexes.
 *
 * Rows are copied faster where there is only the key's index, so the others follow: one after the
 * other, each in a transaction of its own at the target, and a batch in between, so that
 * changes of all tables wait for one index at most.  The table is live meanwhile.  What has been
 * done is known in this process only: whoever comes after it begins anew, and finds at
 * the target what is there already.
 *
 * An index that the target refuses is no reason to keep the table waiting; the note says which.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "worker/copy/indexing.h"
#include "worker/creation.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

/* first pause before an index is tried again, in ms */
#define RETRY_MIN		1000

/* a column that the target lacks may be on its way, for so many attempts */
#define MAX_ATTEMPTS	8

static bool
is_due(const DbsyncTable *table)
{
	return table->indexing.due && table->part.live && !table->part_dirty && !dbsync_table_is_held(table) &&
		table->state != DBSYNC_TABLE_SUSPENDED && table->dropped == 0;
}

static DbsyncTable *
find_table(const DbsyncWork *work)
{
	DbsyncTable *next = NULL;
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (is_due(table) && table->indexing.after <= now && (next == NULL || table->indexing.after < next->indexing.after))
			next = table;
	}
	return next;
}

long
dbsync_indexing_pause(const DbsyncWork *work)
{
	long		pause = LONG_MAX;
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return LONG_MAX;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		if (is_due(table))
			pause = Min(pause, TimestampDifferenceMilliseconds(now, table->indexing.after));
	}
	return pause;
}

static bool
is_seen(const DbsyncTableIndexing *indexing, const DbsyncIndex *index)
{
	ListCell   *lc;

	foreach(lc, indexing->seen)
	{
		if (strcmp(lfirst(lc), index->name) == 0)
			return true;
	}
	return false;
}

/* It is there, or was refused for these reasons. */
static void
pass(DbsyncTable *table, const DbsyncIndex *index, const char *refusal)
{
	DbsyncTableIndexing *indexing = &table->indexing;
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(table));

	indexing->seen = lappend(indexing->seen, pstrdup(index->name));
	if (refusal != NULL)
		indexing->note = psprintf("%s%sindex %s was not made at the target: %s", indexing->note ? indexing->note : "",
								  indexing->note ? "; " : "", quote_identifier(index->name), refusal);
	indexing->failures = 0;
	MemoryContextSwitchTo(old);
}

/* Something is in the way; the others go on meanwhile. */
static void
put_off(DbsyncWork *work, DbsyncTable *table, const DbsyncIndex *index, const char *words)
{
	DbsyncTableIndexing *indexing = &table->indexing;

	/* who has called run_once() would wait for us */
	if (work->run != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index %s of target table \"%s.%s\" could not be made yet: %s", quote_identifier(index->name),
						table->target_schema, table->target_table, words),
				 errhint("The table is live; the next run makes the indexes that are missing.")));
	indexing->failures++;
	indexing->after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												  dbsync_query_pause(RETRY_MIN, indexing->failures));
	ereport(LOG,
			(errmsg("index %s of target table \"%s.%s\" could not be made, and is tried again: %s", quote_identifier(index->name),
					table->target_schema, table->target_table, words)));
}

static void
make(DbsyncWork *work, DbsyncTable *table, const DbsyncCreation *creation, const DbsyncIndex *index)
{
	DbsyncIndexOutcome outcome;
	const char *words;

	dbsync_target_index_create(work->target, &creation->spec, index, &outcome, &words);
	if (outcome == DBSYNC_INDEX_LATER ||
		(outcome == DBSYNC_INDEX_EARLY && table->indexing.failures + 1 < MAX_ATTEMPTS))
		put_off(work, table, index, words);
	else
		pass(table, index, outcome == DBSYNC_INDEX_MADE ? NULL : words);
}

/* All are there, or never will be. */
static void
finish(DbsyncWork *work, DbsyncTable *table, const DbsyncCreation *creation)
{
	const char *args[2];

	dbsync_target_table_complete(work->target, &creation->spec, dbsync_creation_maker(&work->subscription->uid));
	args[0] = table->indexing.note;
	args[1] = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
	dbsync_query_begin(false, "noting progress");
	dbsync_query_run("UPDATE dbsync.subscription_table SET indexes_due = false, state = 'live', note = coalesce($1, note)"
					 " WHERE uid = $2::pg_catalog.uuid AND state <> 'suspended'", 2, args);
	dbsync_query_commit();
	table->indexing.due = false;
	table->state = DBSYNC_TABLE_LIVE;
	list_free_deep(table->indexing.seen);
	table->indexing.seen = NIL;
	table->indexing.note = NULL;
}

bool
dbsync_indexing_run(DbsyncWork *work)
{
	DbsyncTable *table;
	DbsyncCreation *creation;
	ListCell   *lc;
	MemoryContext old;

	if (dbsync_subscription_is_settled(work->subscription) || !dbsync_target_creates_tables(work->target))
		return false;
	table = find_table(work);
	if (table == NULL)
		return false;
	old = MemoryContextSwitchTo(work->batch_context);
	MemoryContextReset(work->batch_context);
	dbsync_query_begin(false, "reading indexes");
	MemoryContextSwitchTo(work->batch_context);
	creation = dbsync_creation_read(work->subscription_id, table->captured_id);
	dbsync_query_commit();
	MemoryContextSwitchTo(work->batch_context);
	foreach(lc, creation->indexes)
	{
		const DbsyncIndex *index = lfirst(lc);

		if (is_seen(&table->indexing, index))
			continue;
		if (index->problem == NULL)
		{
			make(work, table, creation, index);
			break;
		}
		pass(table, index, index->problem);
	}
	if (lc == NULL)
		finish(work, table, creation);
	MemoryContextSwitchTo(old);
	return true;
}
