/*-------------------------------------------------------------------------
 *
 * worker/batch/ledger_past.c
 *	  Does a ledger lie in our own past, and do we still hold what comes behind it?
 *
 * The target's word counts.  Before a worker goes on this compares, and refuses:
 *
 *	- a ledger of another source or database (system identifier, database oid);
 *	- a ledger that is ahead: written on a timeline that is not in our history,
 *	  or beyond the point where we left that timeline, or beyond our own end.
 *	  Ids and positions are handed out again after promotion or restore, so
 *	  comparing positions alone would pass: the transaction that the target had
 *	  last must be known here, and what a later start of a rolled back server has
 *	  captured is checked header by header in dbsync_window_next();
 *	- a ledger that is behind what our segments still hold;
 *	- no ledger where there has been one.
 *
 * The target never gets ahead by itself, because the source's WAL is flushed
 * before the target commits (dbsync_wal_flush()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/timeline.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/pg_control.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "extension/catalog.h"
#include "worker/batch/held_note.h"
#include "worker/batch/ledger_past.h"
#include "worker/query.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

#include "extension/compat.h"

/* the position itself is of no use any more; or only what a table lacks of it */
#define RECREATE_HINT "Drop the subscription, create it again, and have its tables copied anew."
#define RECOPY_HINT "Copy the table anew with dbsync.copy_table()."

/* What is to be done where the position is of no use any more. */
static const char *
how_to_recreate(const DbsyncWork *work)
{
	if (!dbsync_target_is_folder(work->target))
		return RECREATE_HINT;
	return psprintf("Begin another chain, by which all is copied anew: SELECT dbsync.restart_chain(%s).",
					quote_literal_cstr(work->subscription->name));
}

pg_noreturn static void
refuse(DbsyncWork *work, const char *message, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s", message),
			 errdetail("%s", detail),
			 errhint("%s", hint)));
}

void
dbsync_ledger_refuse_lost(DbsyncWork *work)
{
	const DbsyncSubscription *subscription = work->subscription;

	refuse(work, psprintf("target \"%s\" has lost its ledger for subscription \"%s\"",
						  subscription->target, subscription->name),
		   "The subscription has run before, but the ledger there has no row for it.",
		   dbsync_target_is_folder(work->target) ? how_to_recreate(work) :
		   "Is the target's address right? If the target was replaced, drop the subscription with force => true and create it again.");
}

/* Somebody has begun another chain there who knows more than we do: this database is a copy, or was put back. */
void
dbsync_ledger_check_chain(DbsyncWork *work)
{
	const DbsyncSubscription *subscription = work->subscription;

	if (!dbsync_target_is_folder(work->target) || subscription->chain == 0 || work->ledger.chain <= subscription->chain)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("target \"%s\" has a newer chain of bundles than this database knows of", subscription->target),
			 errdetail("There it is chain " INT64_FORMAT ", here " INT64_FORMAT ": this database was put back to an older state.",
					   work->ledger.chain, subscription->chain),
			 errhint("Begin another chain, by which all is copied anew: SELECT dbsync.restart_chain(%s, " INT64_FORMAT ").",
					 quote_literal_cstr(subscription->name), work->ledger.chain + 1)));
}

static void
check_same_source(DbsyncWork *work)
{
	const DbsyncLedger *ledger = &work->ledger;

	if (ledger->system_identifier != GetSystemIdentifier() ||
		ledger->database_oid != MyDatabaseId)
		refuse(work, psprintf("the ledger on target \"%s\" belongs to another source",
							  work->subscription->target),
			   psprintf("It was written by database %u of system " UINT64_FORMAT ", this is database %u of system " UINT64_FORMAT ".",
						ledger->database_oid, ledger->system_identifier,
						MyDatabaseId, GetSystemIdentifier()),
			   "If this database has taken the other's place, run dbsync.adopt().");
}

/* hazard 35: the ledger must lie in our own past */
static void
check_not_ahead(DbsyncWork *work)
{
	const DbsyncLedger *ledger = &work->ledger;
	TimeLineID	tli = dbsync_timeline_compat();
	XLogRecPtr	limit = GetXLogInsertRecPtr();

	if (ledger->timeline != tli)
	{
		List	   *history = readTimeLineHistory(tli);
		ListCell   *lc;
		bool		known = false;

		foreach(lc, history)
		{
			TimeLineHistoryEntry *entry = lfirst(lc);

			if (entry->tli == ledger->timeline)
			{
				known = true;
				limit = entry->end;
			}
		}
		if (!known)
			refuse(work, "the target was fed from a timeline that is not in this server's history",
				   psprintf("The ledger was written on timeline %u, this server is on timeline %u.",
							ledger->timeline, tli), how_to_recreate(work));
	}
	if (Max(ledger->lsn, ledger->closing) > limit)
		refuse(work, "the target is ahead of this server",
			   psprintf("It has changes up to %X/%X of timeline %u, which this server left at %X/%X.",
						LSN_FORMAT_ARGS(Max(ledger->lsn, ledger->closing)), ledger->timeline,
						LSN_FORMAT_ARGS(limit)), how_to_recreate(work));
}

void
dbsync_ledger_check_past(DbsyncWork *work)
{
	check_same_source(work);
	check_not_ahead(work);
}

/*
 * A server that was put back on its own timeline, and has written enough since,
 * passes the comparison of positions, and hands the same ids out to others.  It
 * does not have the transaction that the target had last.
 */
void
dbsync_ledger_check_knows_last(DbsyncWork *work)
{
	const DbsyncLedger *ledger = &work->ledger;
	const char *discarded = work->subscription->headers_discarded;
	bool		known;

	if (ledger->closing == InvalidXLogRecPtr ||
		(discarded != NULL &&
		 dbsync_snapshot_sees(dbsync_snapshot_parse(discarded), ledger->closing_xid)))
		return;
	dbsync_query_begin(false, "looking for the target's last transaction");
	PushActiveSnapshot(GetTransactionSnapshot());
	known = dbsync_headers_know(dbsync_catalog_header_segments(GetActiveSnapshot()),
								ledger->closing_xid, ledger->closing, ledger->server_start);
	PopActiveSnapshot();
	dbsync_query_commit();
	if (!known)
		refuse(work, "the target is ahead of this server",
			   psprintf("Its last transaction, " UINT64_FORMAT " closed at %X/%X, is not known here: this server was put back to an older state.",
						ledger->closing_xid, LSN_FORMAT_ARGS(ledger->closing)),
			   how_to_recreate(work));
}

/* hazard 37: what the target lacks must still be in our segments */
static void
refuse_old_copy(DbsyncWork *work, const DbsyncTable *table)
{
	refuse(work, psprintf("the target's copy of table %s is older than what this server still holds",
						  table->qualified),
		   "The target seems to have been restored or promoted to an earlier state.",
		   RECOPY_HINT);
}

/* Nobody could send that again; it is said, and the others go on. */
static void
tell_of_dropped(const DbsyncWork *work, const DbsyncSnapshot *after)
{
	const DbsyncSubscription *subscription = work->subscription;

	if (subscription->left_at == NULL ||
		dbsync_snapshot_covers(after, dbsync_snapshot_parse(subscription->left_at)))
		return;
	ereport(WARNING,
			(errmsg("target \"%s\" may lack changes of tables that were dropped here", subscription->target),
			 errdetail("It was put back to a state from before they left subscription \"%s\", as its log said then.",
					   subscription->name)));
}

void
dbsync_ledger_check_not_behind(DbsyncWork *work, const DbsyncSnapshot *after)
{
	const char *discarded = work->subscription->headers_discarded;
	const DbsyncTable *held;
	ListCell   *lc;

	if (discarded != NULL &&
		!dbsync_snapshot_covers(after, dbsync_snapshot_parse(discarded)))
		refuse(work, psprintf("target \"%s\" is older than what this server still holds",
							  work->subscription->target),
			   "The target seems to have been restored or promoted to an earlier state.",
			   how_to_recreate(work));
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);
		const DbsyncSnapshot *has = after;

		if (table->discarded == NULL || table->state == DBSYNC_TABLE_SUSPENDED)
			continue;
		if (!table->part_found && table->start != NULL)
			has = dbsync_snapshot_parse(table->start);
		else if (!table->part_found || !dbsync_table_flows(table))
			continue;
		if (!dbsync_snapshot_covers(has, dbsync_snapshot_parse(table->discarded)))
			refuse_old_copy(work, table);
	}
	if (!dbsync_held_has_all(work, &held))
		refuse_old_copy(work, held);
	tell_of_dropped(work, after);
}
