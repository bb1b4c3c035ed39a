/*-------------------------------------------------------------------------
 *
 * extension/capture/commit.c
 *	  What capture does as a transaction ends.
 *
 * At PRE_COMMIT (PRE_PREPARE), after deferred triggers: no statement may be
 * open any more; keys in doubt are settled (dbsync_recheck_doubts()); the header is
 * written.  At COMMIT, when the transaction is visible: the workers are woken.  The state
 * is forgotten at COMMIT, ABORT and PREPARE alike; a prepared transaction has
 * its header already and is found by the workers' slow poll.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "extension/capture/commit.h"
#include "extension/capture/recheck.h"
#include "extension/capture/transaction.h"
#include "extension/catalog.h"
#include "extension/compat.h"
#include "extension/log/header.h"
#include "extension/shmem.h"
#include "extension/wake.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* committed, and the workers have not been told yet */
static bool wake_due = false;

/* what they are to be told of: of the last header */
static int64 header_rows = 0;
static int64 header_bytes = 0;

/* Does anything captured survive, rows or turns?  Counts are exact after ROLLBACK TO. */
static bool
has_captured(void)
{
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
	{
		for (DbsyncWritten *w = t->written; w != NULL; w = w->next)
		{
			if (dbsync_transaction_part_rows(&w->part) > 0 || w->part.turns > 0)
				return true;
		}
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
			int64		rows = dbsync_transaction_part_rows(&w->part);

			if (rows == 0 && w->part.turns == 0)
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
	header.carried = dbsync_transaction_carried();
	header.xid = U64FromFullTransactionId(GetTopFullTransactionId());
	dbsync_header_write(&header);
	dbsync_transaction.wake = true;
	/* a change of a table alone is something, too */
	header_rows = Max(header.rows, 1);
	header_bytes = header.bytes;
	pfree(header.parts);
}

/* PRE_COMMIT and PRE_PREPARE: the last moment at which an error undoes all. */
static void
finish(void)
{
	check_statements_ended();
	/* waking workers after the commit must not fail any more */
	dbsync_shmem_attach();
	if (!has_captured())
		return;
	dbsync_recheck_doubts();
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
	if (!has_captured())
		return;
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
		ereport(WARNING,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("changes to relation with OID %u were captured too late to be sent", t->relid),
				 errhint("Copy the table again with dbsync.copy_table().")));
}

/*
 * Workers are woken last: when all that we have to tell of, changes of the
 * configuration too, has been sent, and our locks are free.  What is counted for them
 * (extension/wake.h) is visible by then, as it must be.
 */
static void
release(ResourceReleasePhase phase, bool is_commit, bool is_top_level, void *arg)
{
	if (!wake_due || phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level)
		return;
	wake_due = false;
	dbsync_wake_workers(header_rows, header_bytes);
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
			dbsync_transaction_forget();
			break;
		case XACT_EVENT_ABORT:
			dbsync_transaction_forget();
			break;
		default:
			break;				/* parallel workers capture nothing */
	}
}

void
dbsync_commit_init(void)
{
	dbsync_transaction_init();
	RegisterXactCallback(end_of_transaction, NULL);
	RegisterResourceReleaseCallback(release, NULL);
}
