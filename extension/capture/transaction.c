/*-------------------------------------------------------------------------
 *
 * extension/capture/transaction.c
 *	  What the current transaction has captured, and what happens as it ends.
 *
 * At PRE_COMMIT (PRE_PREPARE), after deferred triggers: no statement may be
 * open any more; keys in doubt are settled (truth.c); the header is written.
 * At COMMIT, when the transaction is visible: the workers are woken.  The state
 * is forgotten at COMMIT, ABORT and PREPARE alike; a prepared transaction has
 * its header already and is found by the workers' slow poll.
 *
 * Subtransactions: a stack of copies, each taken before the first change that a
 * subtransaction makes to an object.  Abort puts the copies of its level back.
 * Commit hands them to the level above, unless that has one of its own (older,
 * hence right) or is the top level, which needs none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "extension/log/carried.h"
#include "extension/catalog.h"
#include "extension/log/header.h"
#include "extension/settings.h"
#include "extension/shmem.h"
#include "extension/capture/transaction.h"
#include "extension/capture/recheck.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "extension/compat.h"

/* an object as it was before a subtransaction changed it */
typedef struct Kept
{
	int		   *object;			/* points to its first field, the level */
	Size		size;
	int			level;			/* nesting level whose abort restores it */
	void	   *copy;
} Kept;

DbsyncTransaction dbsync_transaction;

/* committed, and the workers have not been woken yet */
static bool wake_due = false;

static Kept *kept;
static int	nkept;
static int	maxkept;

/* Captured without its origin, a change would go back to where it came from. */
static void
refuse_without_origin(void)
{
	char	   *role = GetUserNameFromId(GetUserId(), false);

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("role \"%s\" may not set dbsync.origin", role),
			 errdetail("It applies changes to a table that dbsync captures here: without their origin they would be sent back."),
			 errhint("GRANT SET ON PARAMETER dbsync.origin TO %s;", quote_identifier(role))));
}

void
dbsync_transaction_begin(void)
{
	if (dbsync_transaction.begun)
		return;
	if (dbsync_applying && dbsync_origin[0] == '\0')
		refuse_without_origin();
	dbsync_transaction.begun = true;
	dbsync_transaction.serial++;
	dbsync_transaction.next_no = 1;
	dbsync_transaction.wake = false;
	dbsync_transaction.header_written = false;
	dbsync_transaction.header_lock.level = 1;
	dbsync_transaction.header_lock.held = false;
	dbsync_carried_begin();
	dbsync_transaction.generation = dbsync_catalog_generation();
}

static void
forget(void)
{
	dbsync_transaction.begun = false;
	dbsync_transaction.closed = false;
	dbsync_transaction.touched = NULL;
	kept = NULL;
	nkept = maxkept = 0;
}

DbsyncTouched *
dbsync_transaction_touch(Oid relid)
{
	DbsyncTouched *touched;

	touched = MemoryContextAllocZero(TopTransactionContext, sizeof(DbsyncTouched));
	touched->relid = relid;
	/* an empty state is what the abort of any subtransaction restores */
	touched->periods.level = 1;
	touched->next = dbsync_transaction.touched;
	dbsync_transaction.touched = touched;
	return touched;
}

DbsyncWritten *
dbsync_transaction_written(DbsyncTouched *touched, int captured_id,
						   int segment_id, Oid segment)
{
	DbsyncWritten *written;

	for (written = touched->written; written != NULL; written = written->next)
	{
		if (written->part.segment_id == segment_id && written->segment == segment)
			return written;
	}
	written = MemoryContextAllocZero(TopTransactionContext, sizeof(DbsyncWritten));
	written->level = 1;
	written->part.captured_id = captured_id;
	written->part.segment_id = segment_id;
	written->segment = segment;
	written->next = touched->written;
	touched->written = written;
	return written;
}

void
dbsync_transaction_wake_at_commit(void)
{
	dbsync_transaction_begin();
	dbsync_transaction.wake = true;
}

void
dbsync_transaction_keep(int *level, Size size)
{
	Kept	   *top;

	if (nkept == maxkept)
	{
		int			room = Max(16, maxkept * 2);

		if (kept == NULL)
			kept = MemoryContextAlloc(TopTransactionContext, room * sizeof(Kept));
		else
			kept = repalloc(kept, room * sizeof(Kept));
		maxkept = room;
	}
	top = &kept[nkept];
	top->object = level;
	top->size = size;
	top->level = GetCurrentTransactionNestLevel();
	top->copy = MemoryContextAlloc(TopTransactionContext, size);
	memcpy(top->copy, level, size);
	*level = top->level;
	nkept++;
}

static void
restore_kept(int level)
{
	while (nkept > 0 && kept[nkept - 1].level >= level)
	{
		Kept	   *top = &kept[--nkept];

		memcpy(top->object, top->copy, top->size);
		pfree(top->copy);
	}
}

static void
hand_up_kept(int level)
{
	int			above = level - 1;
	int			first = nkept;
	int			n;

	while (first > 0 && kept[first - 1].level >= level)
		first--;
	n = first;
	for (int i = first; i < nkept; i++)
	{
		Kept	   *it = &kept[i];
		int			older = *(int *) it->copy;

		*it->object = above;
		if (older >= above)
			pfree(it->copy);
		else
		{
			it->level = above;
			kept[n++] = *it;
		}
	}
	nkept = n;
}

static int64
rows_of(const DbsyncPart *part)
{
	return part->inserts + part->updates + part->deletes +
		part->truncates + part->resolved;
}

int64
dbsync_transaction_rows(const DbsyncTouched *touched)
{
	int64		rows = 0;

	for (const DbsyncWritten *w = touched->written; w != NULL; w = w->next)
		rows += rows_of(&w->part);
	return rows;
}

/* Does anything captured survive?  Counts are exact after ROLLBACK TO. */
static bool
has_rows(void)
{
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
	{
		if (dbsync_transaction_rows(t) > 0)
			return true;
	}
	return false;
}

/*
 * A statement whose BEFORE trigger fired and whose AFTER trigger never did has
 * written rows that nobody saw.
 */
static void
check_statements_ended(void)
{
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
	{
		if (t->periods.open != 0 || t->periods.truncating != 0)
		{
			char	   *name = get_rel_name(t->relid);

			if (name == NULL)
				continue;		/* dropped since; nothing to capture any more */
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("changes to table \"%s\" were not captured", name),
					 errdetail("A statement on it began and its AFTER STATEMENT trigger did not fire."),
					 errhint("Use dbsync.suspend_table() to write to the table without capturing.")));
		}
	}
}

/*
 * Collect what was written into the header's parts.  A segment that this very
 * transaction dropped again has taken its rows with it, and its row of
 * dbsync.segment too: then the configuration has changed since.
 */
static void
gather_parts(DbsyncHeader *header)
{
	bool		dropped = (dbsync_transaction.generation != dbsync_catalog_generation());
	int			room = 0;

	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
	{
		for (DbsyncWritten *w = t->written; w != NULL; w = w->next)
			room++;
	}
	header->parts = palloc(room * sizeof(DbsyncPart));
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
	{
		for (DbsyncWritten *w = t->written; w != NULL; w = w->next)
		{
			int64		rows = rows_of(&w->part);

			if (rows == 0)
				continue;
			if (dropped && !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(w->segment)))
				continue;
			header->parts[header->nparts++] = w->part;
			header->rows += rows;
			header->bytes += w->bytes;
		}
	}
}

static void
write_header(void)
{
	DbsyncHeader header = {0};

	gather_parts(&header);
	if (header.nparts == 0)
		return;
	header.carried = dbsync_carried_read();
	header.xid = U64FromFullTransactionId(GetTopFullTransactionId());
	dbsync_header_write(&header);
	dbsync_transaction.wake = true;
	pfree(header.parts);
}

static void
settle_doubts(void)
{
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
	{
		if (t->periods.nintervals == 0 && t->periods.truncated_from == 0)
			continue;
		/* none is active here, and values stored out of line want one */
		PushActiveSnapshot(GetLatestSnapshot());
		dbsync_truth_settle(t);
		PopActiveSnapshot();
	}
}

/* PRE_COMMIT and PRE_PREPARE: the last moment at which an error undoes all. */
static void
finish(void)
{
	check_statements_ended();
	/* waking workers after the commit must not fail any more */
	dbsync_shmem_attach();
	if (!has_rows())
		return;
	settle_doubts();
	if (dbsync_insert_wants_snapshot_compat)
		PushActiveSnapshot(GetLatestSnapshot());
	write_header();
	if (dbsync_insert_wants_snapshot_compat)
		PopActiveSnapshot();
	dbsync_transaction.header_written = true;
}

/*
 * Another module's callback wrote to a captured table after ours had run, in
 * the very transaction that loaded this module: all that is left is to say so.
 */
static void
warn_without_header(void)
{
	if (!has_rows())
		return;
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("changes to relation with OID %u were captured too late to be sent", t->relid),
				 errhint("Copy the table again with dbsync.copy_table().")));
}

/*
 * Workers are woken last: when all that we have to tell of, changes of the
 * configuration too, has been sent, and our locks are free.
 */
static void
release(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	if (!wake_due || phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level)
		return;
	wake_due = false;
	dbsync_shmem_wake_workers();
}

static void
end_of_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			if (dbsync_transaction.begun)
				finish();
			dbsync_transaction.closed = true;
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			if (dbsync_transaction.begun && !dbsync_transaction.header_written)
				warn_without_header();
			if (dbsync_transaction.begun && dbsync_transaction.wake &&
				event == XACT_EVENT_COMMIT)
				wake_due = true;
			forget();
			break;
		case XACT_EVENT_ABORT:
			forget();
			break;
		default:
			break;				/* parallel workers capture nothing */
	}
}

static void
end_of_subtransaction(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (!dbsync_transaction.begun || nkept == 0)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		restore_kept(GetCurrentTransactionNestLevel());
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		hand_up_kept(GetCurrentTransactionNestLevel());
}

void
dbsync_transaction_init(void)
{
	dbsync_carried_init();
	RegisterXactCallback(end_of_transaction, NULL);
	RegisterSubXactCallback(end_of_subtransaction, NULL);
	RegisterResourceReleaseCallback(release, NULL);
}
