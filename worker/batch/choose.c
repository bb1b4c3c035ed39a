/*-------------------------------------------------------------------------
 *
 * worker/batch/choose.c
 *	  What the next batch is to carry: the next cut with rows for us, and
 *	  perhaps the next chunk of a first copy.
 *
 * Windows that hold nothing for this subscription are passed without a word to
 * the target: the ledger's position stays behind and is true all the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "extension/catalog.h"
#include "worker/batch/choose.h"
#include "worker/batch/confirm.h"
#include "worker/batch/held.h"
#include "worker/batch/ledger.h"
#include "worker/batch/retry.h"
#include "worker/copy/clocks.h"
#include "worker/copy/schedule.h"
#include "worker/position.h"
#include "worker/query.h"
#include "worker/report.h"
#include "worker/snapshot.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

/* rows of a cut for whose time it is not worth telling how many there are */
#define FEW_ROWS		1000

static bool
segment_exists(int segment_id)
{
	const char *id = psprintf("%d", segment_id);
	bool		exists;

	SPI_connect();
	exists = dbsync_query("SELECT 1 FROM dbsync.segment WHERE id = $1::pg_catalog.int4",
						  1, &id) > 0;
	SPI_finish();
	return exists;
}

/*
 * A segment that we do not know was made a moment ago, or is gone for good.  With the rows
 * of a table that has yet to be copied that is no loss; one that flows would lack them.
 */
static void
miss_segment(DbsyncBatch *batch, const DbsyncTable *table, int segment_id)
{
	if (segment_exists(segment_id))
		batch->stale = true;
	else if (dbsync_table_flows(table))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("captured changes of table %s are not to be had any more", table->qualified),
				 errdetail("A transaction's header names segment %d, which does not exist.", segment_id),
				 errhint("Copy the table anew with dbsync.copy_table().")));
}

/*
 * Is the target's table to follow the change of one that is to be copied anew?  Where it is
 * ours to alter, it has to be what is copied then.  Of one that is new the ledger says nothing
 * yet: changes from before it was added are none of its target's.
 */
static bool
is_prepared(const DbsyncBatch *batch, const DbsyncTable *table, const DbsyncPart *part)
{
	return part->turns > 0 && table->part_found && table->dropped == 0 && table->state != DBSYNC_TABLE_SUSPENDED &&
		batch->work->subscription->ddl == DBSYNC_DDL_APPLY;
}

/* Its segment is to be looked at when segments are. */
static void
note_grown(DbsyncWork *work, int captured_id)
{
	MemoryContext old = MemoryContextSwitchTo(work->context);

	work->grown = bms_add_member(work->grown, captured_id);
	MemoryContextSwitchTo(old);
}

/* Which shape rows of a part have, if we want them; 0: we do not. */
static int
shape_of(const DbsyncPart *part, void *arg)
{
	DbsyncBatch *batch = arg;
	const DbsyncSegmentInfo *segment;
	DbsyncTable *table = dbsync_subscription_table(batch->work->subscription, part->captured_id);

	if (table != NULL)
		note_grown(batch->work, part->captured_id);

	/* a held one's rows are for batches of its own, and those for it alone */
	if (table == NULL || table->scan != NULL || table->snapshot != NULL || !(dbsync_table_flows(table) || is_prepared(batch, table, part)) ||
		(batch->held ? !list_member_ptr(batch->held_with, table) : dbsync_table_is_held(table)))
		return 0;
	segment = dbsync_subscription_segment(batch->work->subscription, part->segment_id);
	if (segment != NULL)
		return segment->shape->id;
	miss_segment(batch, table, part->segment_id);
	return 0;
}

/*
 * Of a table that does not flow only changes of its shape are wanted; a partition that was
 * emptied is none.
 */
static void
leave_out_unwanted(const DbsyncBatch *batch, DbsyncCut *cut)
{
	ListCell   *lc;
	ListCell   *lo;

	foreach(lc, cut->tables)
	{
		DbsyncCutTable *cut_table = lfirst(lc);
		bool		changes = false;

		if (dbsync_table_flows(dbsync_subscription_table(batch->work->subscription, cut_table->captured_id)))
			continue;
		foreach(lo, cut->tables)
		{
			const DbsyncCutTable *other = lfirst(lo);

			changes |= other->captured_id == cut_table->captured_id && other->turns > 0;
		}
		if (changes)
			continue;
		cut->rows -= dbsync_cut_table_rows(cut_table) + cut_table->truncates;
		cut->tables = foreach_delete_current(cut->tables, lc);
	}
}

DbsyncCut *
dbsync_choose_next_cut(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncCutRequest request;
	DbsyncCut  *cut;

	request.shape_of = shape_of;
	request.arg = batch;
	request.target_identities = work->target_identities;
	request.local_only = work->subscription->local_only;
	request.max_rows = batch->slice;
	request.ledger_lsn = work->ledger.lsn;
	request.ledger_start = work->ledger.server_start;
	cut = dbsync_window_next(batch->held ? work->held_window : work->window, &request);
	if (cut != NULL && cut->turns > 0)
	{
		dbsync_turns_find_gone(cut);
		leave_out_unwanted(batch, cut);
	}
	return cut;
}

bool
dbsync_choose_carries(const DbsyncCut *cut)
{
	return cut != NULL && (cut->rows > 0 || cut->turns > 0);
}

DbsyncPosition
dbsync_choose_position_behind(DbsyncWork *work, const DbsyncCut *cut)
{
	return dbsync_choose_behind(&work->position, work->window, cut);
}

DbsyncPosition
dbsync_choose_behind(const DbsyncPosition *before, const DbsyncWindow *window, const DbsyncCut *cut)
{
	DbsyncPosition position = *before;
	DbsyncSnapshot *upto = unconstify(DbsyncSnapshot *, dbsync_window_upto(window));

	if (cut != NULL)
	{
		position.closing = cut->closing;
		position.closing_xid = cut->closing_xid;
	}
	if (cut == NULL || cut->exhausts)
	{
		position.after = upto;
		position.upto = NULL;
	}
	else
		position.upto = upto;
	return position;
}

bool
dbsync_choose_all_live(DbsyncWork *work)
{
	ListCell   *lc;

	if (dbsync_retry_is_pending(work))
		return false;
	if (dbsync_subscription_is_settled(work->subscription))
		return true;
	if (dbsync_clocks_answered(work, DBSYNC_CLOCKS_SCAN | DBSYNC_CLOCKS_SNAPSHOT) < work->asked)
		return false;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (dbsync_held_is_under_way(table) || table->awaits_copy)
			return false;
		/* what it had is there; it has yet to leave */
		if (table->dropped != 0 && !dbsync_table_is_held(table))
			return false;
		if (table->state != DBSYNC_TABLE_SUSPENDED && !dbsync_table_is_held(table) &&
			(!table->part.live || table->part_dirty))
			return false;
	}
	return true;
}

/* The window is used up: the position is its end, and waiters are to be answered. */
void
dbsync_choose_finish_window(DbsyncWork *work)
{
	DbsyncLag none = {0};

	dbsync_window_end(work->window);
	work->window = NULL;
	dbsync_report_lag(&none, work->position.after);
	if (dbsync_choose_all_live(work))
		dbsync_confirm_answer_later(work, work->asked);
}

/* What is waiting.  A few rows that go well are gone before anybody can look. */
static void
report_lag(const DbsyncBatch *batch)
{
	DbsyncLag lag = dbsync_window_lag(batch->work->window);

	if (!batch->cut->exhausts || batch->cut->rows > FEW_ROWS || dbsync_report_failures() > 0)
		dbsync_report_lag(&lag, batch->work->position.after);
}

/*
 * Find the next cut that has rows for us.  Others are passed without a word to
 * the target: the ledger's position stays behind and is true all the same.
 * Returns with batch->cut set, or with none and the position at S.
 */
static void
choose_cut(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;

	for (;;)
	{
		DbsyncPosition position;

		if (work->window == NULL)
		{
			work->window = dbsync_window_begin(work->context, &work->position, batch->now,
											   dbsync_catalog_header_segments(GetActiveSnapshot()));
			/* one that is resumed from the ledger ends before S */
			batch->fresh = (work->position.upto == NULL);
			work->asked = batch->fresh ? Min(batch->asked, dbsync_clocks_answered(work, DBSYNC_CLOCKS_SHADOW)) : 0;
			work->retention_needed |= !dbsync_window_is_empty(work->window);
		}

		batch->cut = dbsync_choose_next_cut(batch);
		if (batch->stale)
			return;
		batch->position = dbsync_choose_position_behind(work, batch->cut);
		if (dbsync_choose_carries(batch->cut))
		{
			batch->caught_up = batch->fresh && batch->cut->exhausts;
			report_lag(batch);
			return;
		}

		/* nothing of ours in it */
		position = batch->position;
		dbsync_ledger_set_position(work, &position);
		if (batch->cut != NULL && !batch->cut->exhausts)
		{
			dbsync_window_pass(work->window, batch->cut);
			continue;
		}
		dbsync_choose_finish_window(work);
		batch->cut = NULL;
		if (batch->fresh)
		{
			batch->caught_up = true;
			batch->position = work->position;
			return;
		}
	}
}

static bool
any_part_dirty(DbsyncWork *work)
{
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return false;
	foreach(lc, work->subscription->tables)
		if (((DbsyncTable *) lfirst(lc))->part_dirty)
			return true;
	return false;
}

bool
dbsync_choose_lock_segments(const DbsyncBatch *batch, const DbsyncCut *cut)
{
	ListCell   *lc;
	ListCell   *ls;

	if (cut == NULL)
		return true;
	foreach(lc, cut->tables)
		foreach(ls, ((DbsyncCutTable *) lfirst(lc))->segments)
	{
		DbsyncCutSegment *segment = lfirst(ls);
		DbsyncSegmentInfo *info =
			dbsync_subscription_segment(batch->work->subscription, segment->segment_id);

		LockRelationOid(info->relid, AccessShareLock);
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(info->relid)))
			return false;
	}
	return true;
}

/* Is there anything to tell the target? */
bool
dbsync_choose_work(DbsyncBatch *batch)
{
	bool		reads_tables;

	batch->cut = NULL;
	batch->caught_up = batch->with_chunk = batch->with_scans = batch->with_repair = batch->with_retries = false;
	batch->rows = 0;
	batch->sliced = batch->passed = false;
	choose_cut(batch);
	batch->taken = batch->cut ? batch->cut->rows : 0;
	if (!batch->stale)
		batch->stale = !dbsync_choose_lock_segments(batch, batch->cut);
	if (batch->stale)
		return false;

	/* a chunk is of S, and of this database's own making */
	reads_tables = batch->caught_up &&
		(batch->cut == NULL || (batch->cut->route == NULL && batch->cut->turns == 0));
	batch->with_chunk = batch->copying != NULL && reads_tables;
	batch->with_scans = batch->scans != NIL && reads_tables;
	batch->with_repair = batch->repairing != NULL && !batch->repair_over && reads_tables;
	batch->with_retries = batch->retries != NIL && reads_tables;
	return batch->cut != NULL || batch->with_chunk || batch->with_scans || batch->with_repair || batch->with_retries ||
		any_part_dirty(batch->work) ||
		batch->work->stale_parts != NIL;
}
