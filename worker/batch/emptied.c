/*-------------------------------------------------------------------------
 *
 * worker/batch/emptied.c
 *	  Tables and partitions that a cut has emptied.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/batch/choose.h"
#include "worker/batch/emptied.h"
#include "worker/batch/held.h"
#include "worker/batch/send_table.h"
#include "worker/driver/driver.h"
#include "worker/shape.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/target_table.h"
#include "worker/work.h"

void
dbsync_emptied_truncate(DbsyncBatch *batch, List *cut_tables, int64 *places)
{
	DbsyncTargetTable **handles = palloc(sizeof(void *) * list_length(cut_tables));
	int			n = 0;
	ListCell   *lc;

	foreach(lc, cut_tables)
	{
		DbsyncCutTable *cut_table = lfirst(lc);
		DbsyncTable *table = dbsync_subscription_table(batch->work->subscription,
													   cut_table->captured_id);

		if (cut_table->truncates > 0 && (table->operations & DBSYNC_SENDS_TRUNCATE) &&
			dbsync_read_last_truncate(batch->work->subscription, table, batch->cut, cut_table,
									  &places[foreach_current_index(lc)]))
			handles[n++] = table->handle;
	}
	if (n > 0)
		dbsync_target_truncate(batch->target, handles, n, "truncating tables");
}

/* A partition was emptied, or has left and is to leave the target's table, too. */
static void
delete_gone(DbsyncBatch *batch, DbsyncTable *table, const DbsyncTableShape *shape, const DbsyncGone *gone)
{
	DbsyncWork *work = batch->work;
	DbsyncTableSpec spec = dbsync_target_table_spec(table, shape);

	batch->current = table;
	dbsync_held_ask(work, table);
	if (!dbsync_target_deletes_where(batch->target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" cannot delete the rows of a partition", work->subscription->target),
				 errhint("Copy the table anew with dbsync.copy_table().")));
	if (table->selection != NULL && dbsync_selection_is_renamed(table->selection, shape))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("rows of a partition of table %s cannot be found at the target by the partition's bound", table->qualified),
				 errdetail("The bound goes by the names that columns have here, and columns that were chosen have had others since."),
				 errhint("Choose them anew, by the names that they have now, which copies the table anew: SELECT dbsync.alter_table(..., %s, columns => ...).",
						 quote_literal_cstr(table->qualified))));
	if (!dbsync_target_try_delete_where(batch->target, table->handle, &spec, gone->bound))
		dbsync_target_raise(batch->target, "deleting the rows of a partition");
	dbsync_held_answered(work);
	batch->current = NULL;
}

int64
dbsync_emptied_send_parts(DbsyncBatch *batch, DbsyncCutTable *cut_table, int64 place)
{
	DbsyncTable *table = dbsync_subscription_table(batch->work->subscription, cut_table->captured_id);
	bool		has_rows = dbsync_cut_table_rows(cut_table) > 0;
	ListCell   *lc;

	foreach(lc, cut_table->gone)
	{
		const DbsyncGone *gone = lfirst(lc);

		if (gone->place <= place || gone->bound == NULL ||
			(gone->left ? !batch->work->subscription->deletes_left : !(table->operations & DBSYNC_SENDS_TRUNCATE)))
			continue;
		if (has_rows)
			dbsync_send_table(batch, cut_table, place, gone->place);
		delete_gone(batch, table, dbsync_read_shape(batch->work->subscription, table, cut_table), gone);
		place = gone->place;
	}
	return place;
}
