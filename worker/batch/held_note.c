/*-------------------------------------------------------------------------
 *
 * worker/batch/held_note.c
 *	  Held tables in the source's catalog: what is kept for them, and what people are told.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "worker/batch/held.h"
#include "worker/batch/held_note.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/snapshot.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

/* In the current transaction.  What somebody has said to be done was said of the mark before. */
static void
write_note(const DbsyncTable *table)
{
	bool		held = dbsync_table_is_held(table);
	const char *args[5];

	args[0] = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
	args[1] = held ? table->part.after : NULL;
	args[2] = held ? psprintf(INT64_FORMAT, table->part.checksum) : NULL;
	args[3] = held ? table->hold.reason : NULL;
	args[4] = held ? table->hold.action : NULL;
	dbsync_query_run("UPDATE dbsync.subscription_table SET held = $2::pg_catalog.pg_snapshot,"
					 " held_since = CASE WHEN $2 IS NOT NULL"
					 "  THEN coalesce(held_since, pg_catalog.clock_timestamp()) END,"
					 " held_done = held_done AND held_mark IS NOT DISTINCT FROM $3::pg_catalog.int8,"
					 " held_mark = $3::pg_catalog.int8, held_for = $4, held_action = $5"
					 " WHERE uid = $1::pg_catalog.uuid", 5, args);
}

/* It is committed. */
static void
remember(DbsyncTable *table)
{
	DbsyncTableHold *hold = &table->hold;

	if (hold->noted != NULL)
		pfree(hold->noted);
	hold->noted = NULL;
	hold->note_due = false;
	if (!dbsync_table_is_held(table))
	{
		hold->reason = hold->action = NULL;
		hold->done = false;
		return;
	}
	hold->noted = MemoryContextStrdup(GetMemoryChunkContext(table), table->part.after);
	hold->done &= hold->mark == table->part.checksum;
	hold->mark = table->part.checksum;
}

static void
note_all(void *arg)
{
	DbsyncWork *work = arg;
	ListCell   *lc;

	dbsync_query_begin(false, "noting which tables are held");
	foreach(lc, work->subscription->tables)
	{
		if (dbsync_held_lacks_note(lfirst(lc)))
			write_note(lfirst(lc));
	}
	dbsync_query_commit();
	foreach(lc, work->subscription->tables)
	{
		if (dbsync_held_lacks_note(lfirst(lc)))
			remember(lfirst(lc));
	}
}

/* Would the note let go of something that is on the target, but maybe not on its disk? */
static bool
lets_go(const DbsyncTable *table)
{
	return table->hold.noted != NULL &&
		(!dbsync_table_is_held(table) || table->hold.mark != table->part.checksum);
}

bool
dbsync_held_note(DbsyncWork *work)
{
	bool		due = false;
	bool		confirm = false;
	int			held = 0;
	ListCell   *lc;

	if (!dbsync_subscription_is_settled(work->subscription))
		foreach(lc, work->subscription->tables)
		{
			const DbsyncTable *table = lfirst(lc);

			held += dbsync_table_is_held(table);
			due |= dbsync_held_lacks_note(table);
			confirm |= dbsync_held_lacks_note(table) && lets_go(table);
		}
	dbsync_report_held(held);
	if (!due)
		return true;
	if (confirm)
		dbsync_target_confirm(work->target, &work->subscription->uid);
	return dbsync_query_attempt(note_all, work);
}

static bool
is_put_back(const DbsyncTable *table)
{
	return dbsync_table_is_held(table) &&
		(table->hold.noted == NULL ||
		 !dbsync_snapshot_covers(dbsync_snapshot_parse(table->part.after),
								 dbsync_snapshot_parse(table->hold.noted)));
}

bool
dbsync_held_is_put_back(const DbsyncWork *work)
{
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		if (is_put_back(lfirst(lc)))
			return true;
	}
	return false;
}

/* The transaction may yet fail: what is known here is put right by dbsync_held_note(). */
void
dbsync_held_note_put_back(DbsyncWork *work)
{
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (!is_put_back(table))
			continue;
		write_note(table);
		table->hold.note_due = true;
	}
}

bool
dbsync_held_has_all(const DbsyncWork *work, const DbsyncTable **which)
{
	const char *headers = work->subscription->headers_discarded;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);
		DbsyncSnapshot *after;

		if (!dbsync_table_is_held(table))
			continue;
		*which = table;
		after = dbsync_snapshot_parse(table->part.after);
		if ((headers != NULL && !dbsync_snapshot_covers(after, dbsync_snapshot_parse(headers))) ||
			(table->discarded != NULL &&
			 !dbsync_snapshot_covers(after, dbsync_snapshot_parse(table->discarded))))
			return false;
	}
	return true;
}
