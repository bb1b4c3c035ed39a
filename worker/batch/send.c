/*-------------------------------------------------------------------------
 *
 * worker/batch/send.c
 *	  Which rows of a batch go to the target, and in which mode.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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

void
dbsync_send_chunk(DbsyncBatch *batch)
{
	bool		together = list_length(batch->copies) > 1;
	ListCell   *lc;

	batch->work->blamed = batch->copying->captured_id;
	dbsync_copy_empty(batch->work, batch->copies);
	foreach(lc, batch->copies)
	{
		DbsyncTable *table = lfirst(lc);

		batch->current = table;
		batch->work->blamed = batch->work->sending = table->captured_id;
		batch->rows += dbsync_copy_send_chunk(batch->work, table, goes_alone(batch), together);
	}
	batch->work->blamed = batch->copying->captured_id;
	if (batch->copying->ties.checked)
		dbsync_target_rows_together(batch->target, batch->work->send_as == DBSYNC_SEND_REPLACE_ALL, "copying rows");
	batch->work->sending = 0;
	batch->current = NULL;
}
