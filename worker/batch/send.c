/*-------------------------------------------------------------------------
 *
 * worker/batch/send.c
 *	  Which rows of a batch go to the target, and in which mode.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "extension/settings.h"
#include "worker/batch/changes.h"
#include "worker/batch/emptied.h"
#include "worker/batch/ordered.h"
#include "worker/batch/send.h"
#include "worker/batch/send_table.h"
#include "worker/copy/copy.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/work.h"

/*
 * Shape by shape: tables take theirs, then come the rows that were captured so.  As shapes
 * are numbered across tables, this is the order in which all of it happened, but for rows of
 * tables that do not change.
 */
static void
send_with_changes(DbsyncBatch *batch)
{
	ListCell   *lc;

	foreach(lc, batch->cut->tables)
	{
		DbsyncCutTable *cut_table = lfirst(lc);
		int64		place = 0;

		if (!dbsync_changes_follow(batch, cut_table))
			continue;
		dbsync_emptied_truncate(batch, list_make1(cut_table), &place);
		place = dbsync_emptied_send_parts(batch, cut_table, place);
		if (dbsync_cut_table_rows(cut_table) > 0)
			dbsync_send_table(batch, cut_table, place, 0);
	}
}

void
dbsync_send_cut(DbsyncBatch *batch)
{
	int64	   *places = palloc0(sizeof(int64) * list_length(batch->cut->tables));
	ListCell   *lc;

	if (batch->work->subscription->tied)
		dbsync_send_ordered(batch);
	else if (batch->cut->turns > 0)
		send_with_changes(batch);
	else
	{
		dbsync_emptied_truncate(batch, batch->cut->tables, places);
		foreach(lc, batch->cut->tables)
			dbsync_send_table(batch, lfirst(lc), places[foreach_current_index(lc)], 0);
	}
	dbsync_cut_free(batch->cut);
}

/*
 * Other connections could not get at a table that has been emptied in this very
 * transaction.
 */
static bool
goes_alone(const DbsyncBatch *batch)
{
	ListCell   *lc;

	if (batch->cut)
		foreach(lc, batch->cut->tables)
		{
			if (((DbsyncCutTable *) lfirst(lc))->truncates > 0)
				return true;
		}
	return false;
}

/* The table and those that must come with it, then, as far as a chunk has room, small ones. */
void
dbsync_send_chunk(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	bool		together = list_length(batch->copies) > 1;
	bool		alone = batch->beside != NIL || goes_alone(batch);
	int64		rows = 0;
	ListCell   *lc;

	work->blamed = batch->copying->captured_id;
	dbsync_copy_empty(work, batch->copies);
	foreach(lc, dbsync_choose_copied(batch))
	{
		DbsyncTable *table = lfirst(lc);
		bool		beside = foreach_current_index(lc) >= list_length(batch->copies);

		/* the others' turn comes; until then they keep what they have */
		if (rows >= dbsync_copy_chunk_rows && beside)
			break;
		batch->current = table;
		work->blamed = work->sending = table->captured_id;
		if (beside)
			dbsync_copy_empty(work, list_make1(table));
		rows += dbsync_copy_send_chunk(work, table, alone, together);
	}
	batch->rows += rows;
	work->blamed = batch->copying->captured_id;
	if (batch->copying->ties.checked)
		dbsync_target_rows_together(batch->target, work->send_as == DBSYNC_SEND_REPLACE_ALL, "copying rows");
	/* what is refused from here on may be of any of them */
	if (batch->beside != NIL)
	{
		work->unsure = true;
		work->blamed = 0;
	}
	work->sending = 0;
	batch->current = NULL;
}
