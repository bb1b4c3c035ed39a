/*-------------------------------------------------------------------------
 *
 * worker/batch/ledger.c
 *	  Attaching to a target: whose ledger is it, and may we go on from there?
 *
 * The target's word counts.  Before a worker goes on it compares, and refuses:
 *
 *	- a ledger of another source or database (system identifier, database oid);
 *	- a ledger that is ahead: written on a timeline that is not in our history,
 *	  or beyond the point where we left that timeline, or beyond our own end.
 *	  Ids and positions are handed out again after promotion or restore, so
 *	  comparing positions alone would pass: the transaction that the target had
 *	  last must be known here, and what a later start of a rolled back server has
 *	  captured is checked header by header in dbsync_window_next();
 *	- a ledger that is behind what our segments still hold;
 *	- no ledger where there has been one;
 *	- a ledger that cannot be, contradicts itself, or was edited (dbsync_ledger_check_row()).
 *
 * The target never gets ahead by itself, because the source's WAL is flushed
 * before the target commits (dbsync_wal_flush()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/timeline.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/pg_control.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "worker/batch/held.h"
#include "worker/batch/held_note.h"
#include "worker/batch/ledger.h"
#include "worker/batch/ledger_check.h"
#include "worker/batch/renew.h"
#include "worker/batch/wal.h"
#include "worker/connection.h"
#include "worker/copy/connections.h"
#include "worker/driver/driver.h"
#include "worker/identity.h"
#include "worker/position.h"
#include "worker/query.h"
#include "worker/row_types.h"
#include "worker/sequence.h"
#include "worker/snapshot.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/ties.h"
#include "worker/uncopied.h"
#include "worker/work.h"

#include "extension/compat.h"

/* the position itself is of no use any more; or only what a table lacks of it */
#define RECREATE_HINT "Drop the subscription, create it again, and have its tables copied anew."
#define RECOPY_HINT "Copy the table anew with dbsync.copy_table()."

void
dbsync_ledger_set_position(DbsyncWork *work, const DbsyncPosition *position)
{
	MemoryContext fresh = AllocSetContextCreate(work->context, "dbsync position",
												ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(fresh);
	DbsyncPosition copy = *position;

	copy.after = dbsync_snapshot_copy(position->after);
	copy.upto = position->upto ? dbsync_snapshot_copy(position->upto) : NULL;
	MemoryContextSwitchTo(old);
	if (work->position_context != NULL)
		MemoryContextDelete(work->position_context);
	work->position_context = fresh;
	work->position = copy;
}

void
dbsync_ledger_detach(DbsyncWork *work)
{
	ListCell   *lc;

	if (work->window != NULL)
		dbsync_window_end(work->window);
	work->window = NULL;
	dbsync_held_end_window(work);
	if (work->subscription != NULL)
		foreach(lc, work->subscription->tables)
		{
			DbsyncTable *table = lfirst(lc);
			DbsyncLedgerPart part = table->part;

			/* handles die with the connection; the ledger is read anew */
			table->handle = NULL;
			table->is_there = false;
			part.nkeys = 0;
			dbsync_table_set_part(table, &part);
		}
	if (work->subscription != NULL)
		dbsync_ties_forget(work->subscription);
	work->opened = 0;
	dbsync_sequences_forget(work);
	dbsync_connections_close(work, 0);
	if (work->target != NULL)
		dbsync_target_close(work->target);
	work->target = NULL;
	if (work->target_context != NULL)
		MemoryContextDelete(work->target_context);
	work->target_context = NULL;
	dbsync_row_types_forget(work);
	work->upkeep_due = 0;
	work->target_identities = work->stale_parts = NIL;
}

/* What is to be done where the position is of no use any more. */
static const char *
how_to_recreate(const DbsyncWork *work)
{
	if (!dbsync_target_is_folder(work->target))
		return RECREATE_HINT;
	return psprintf("Begin another chain, by which all is copied anew: SELECT dbsync.restart_chain(%s).",
					quote_literal_cstr(work->subscription->name));
}

/*
 * Bundles are in UTF-8, and names are converted between batches, too: the server does that outside of a transaction only
 * for the encoding that is set.  Rows go there as text, which the driver converts.
 */
static void
speak_utf8(void)
{
	MemoryContext old = CurrentMemoryContext;

	dbsync_query_begin(false, "setting the encoding");
	SetConfigOption("client_encoding", "UTF8", PGC_SUSET, PGC_S_OVERRIDE);
	dbsync_query_commit();
	MemoryContextSwitchTo(old);
}

static void
connect_target(DbsyncWork *work)
{
	DbsyncSubscription *subscription = work->subscription;
	bool		ok;

	work->target_context = AllocSetContextCreate(work->context, "dbsync target",
												 ALLOCSET_DEFAULT_SIZES);
	dbsync_connection_watch();
	work->target = dbsync_connection_open(subscription, "", work->target_context, &ok);
	if (!ok)
		dbsync_target_raise(work->target, psprintf("connecting to target \"%s\"",
												  subscription->target));
	if (dbsync_target_is_folder(work->target))
		speak_utf8();
}

static void
refuse(DbsyncWork *work, const char *message, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s", message),
			 errdetail("%s", detail),
			 errhint("%s", hint)));
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

/*
 * A server that was put back on its own timeline, and has written enough since,
 * passes the comparison of positions, and hands the same ids out to others.  It
 * does not have the transaction that the target had last.
 */
static void
check_knows_last(DbsyncWork *work)
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

static void
check_not_behind(DbsyncWork *work, const DbsyncSnapshot *after)
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

/* Chains go up, whatever the clock has done. */
static int64
new_chain(const DbsyncWork *work)
{
	if (!dbsync_target_is_folder(work->target))
		return 0;
	return Max((int64) timestamptz_to_time_t(GetCurrentTimestamp()), work->subscription->chain);
}

/* Somebody has begun another chain there who knows more than we do: this database is a copy, or was put back. */
static void
check_chain(DbsyncWork *work)
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

/*
 * First contact: take the first position under a lock that keeps retention
 * out, write it to the ledger, then to the source.
 */
static void
create_ledger(DbsyncWork *work)
{
	DbsyncTarget *target = work->target;
	DbsyncLedger *ledger = &work->ledger;
	MemoryContext old = CurrentMemoryContext;
	DbsyncSnapshot *after;

	dbsync_query_begin(false, "taking the first position");
	LockRelationOid(dbsync_catalog_relation("segment"), DBSYNC_SEGMENTS_LOCK);
	PushActiveSnapshot(GetLatestSnapshot());
	MemoryContextSwitchTo(work->target_context);
	after = dbsync_uncopied_earliest(work->subscription_id);
	if (after == NULL)
		after = dbsync_snapshot_from(GetActiveSnapshot());
	memset(ledger, 0, sizeof(*ledger));
	ledger->subscription = work->subscription->uid;
	ledger->subscription_name = pstrdup(work->subscription->name);
	ledger->system_identifier = GetSystemIdentifier();
	ledger->database_oid = MyDatabaseId;
	ledger->timeline = dbsync_timeline_compat();
	ledger->lsn = dbsync_wal_end();
	dbsync_wal_flush(ledger->lsn);
	ledger->server_start = PgStartTime;
	ledger->chain = new_chain(work);
	dbsync_identity_note(work);
	ledger->after = dbsync_snapshot_text(after);
	ledger->checksum = dbsync_ledger_checksum(ledger);
	PopActiveSnapshot();
	dbsync_target_ledger_create(target, ledger);
	MemoryContextSwitchTo(old);
	if (ledger->chain != 0)
		dbsync_subscription_write_chain(work->subscription, ledger->chain);
	dbsync_subscription_write_position(work->subscription, ledger->after);
	dbsync_query_commit();
	work->subscription->position =
		MemoryContextStrdup(work->subscription->context, ledger->after);
}

static void
read_parts(DbsyncWork *work)
{
	DbsyncSubscription *subscription = work->subscription;
	List	   *parts;
	ListCell   *lt;
	bool	   *taken;
	MemoryContext old;

	subscription->settled = false;
	/* a driver may look up types to take answers apart */
	dbsync_query_begin(false, "reading the ledger");
	parts = dbsync_target_ledger_read_parts(work->target, &subscription->uid);
	dbsync_query_commit();
	dbsync_ledger_sort_parts(parts);
	dbsync_ledger_check_parts(work, parts);
	taken = palloc0(sizeof(bool) * Max(list_length(parts), 1));
	foreach(lt, subscription->tables)
	{
		DbsyncTable *table = lfirst(lt);
		int			at = dbsync_ledger_find_part(parts, &table->uid);
		DbsyncLedgerPart *part = at >= 0 ? list_nth(parts, at) : NULL;
		const DbsyncLedgerPart none = {.attachment = table->uid};

		table->part_found = part != NULL && table->state != DBSYNC_TABLE_SUSPENDED;
		table->part_dirty = false;
		dbsync_table_set_part(table, table->part_found ? part : &none);
		/* a worker that ended behind the target's commit has not noted it here: also that it begins anew */
		if (table->part.live ? table->state == DBSYNC_TABLE_NEW || table->state == DBSYNC_TABLE_COPYING
			: table->part_found && (table->state == DBSYNC_TABLE_LIVE || table->state == DBSYNC_TABLE_INDEXING))
			table->note_due = true;
		if (at >= 0)
			taken[at] = true;
	}
	/* of tables that were taken out, or are copied anew */
	old = MemoryContextSwitchTo(work->target_context);
	work->stale_parts = NIL;
	foreach(lt, parts)
	{
		if (!taken[foreach_current_index(lt)])
			work->stale_parts = lappend(work->stale_parts, lfirst(lt));
	}
	MemoryContextSwitchTo(old);
}

/*
 * The target has come back to an older state than the one that was confirmed, or one of
 * its tables has been held without a word here: have the segments kept from there on, before anybody empties what it lacks.  The lock
 * keeps those out who do; what they have discarded meanwhile is read again under it.
 */
static void
hold_segments(DbsyncWork *work)
{
	DbsyncSubscription *subscription = work->subscription;
	const char *reached = work->ledger.after;
	bool		back = subscription->position != NULL &&
		!dbsync_snapshot_covers(dbsync_snapshot_parse(reached),
								dbsync_snapshot_parse(subscription->position));

	if (!back && !dbsync_held_is_put_back(work))
		return;
	dbsync_query_begin(false, "holding segments for a target that was put back");
	LockRelationOid(dbsync_catalog_relation("segment"), DBSYNC_SEGMENTS_LOCK);
	dbsync_subscription_reread_discarded(subscription);
	if (back)
		dbsync_subscription_write_position(subscription, reached);
	dbsync_held_note_put_back(work);
	dbsync_query_commit();
	if (back)
		subscription->position = MemoryContextStrdup(subscription->context, reached);
}

/* Where headers are not kept for us they may have been emptied since the configuration was read. */
static void
reread_discarded(DbsyncWork *work)
{
	dbsync_query_begin(false, "looking at what has been emptied");
	dbsync_subscription_reread_discarded(work->subscription);
	dbsync_query_commit();
}

void
dbsync_ledger_attach(DbsyncWork *work)
{
	DbsyncSubscription *subscription = work->subscription;
	DbsyncPosition position;
	bool		found;

	connect_target(work);
	dbsync_identity_check(work);
	work->ledger.chain = subscription->chain;
	dbsync_target_ledger_read(work->target, &subscription->uid, &work->ledger, &found);

	/* a first contact that broke off before the source knew of it */
	if (found && subscription->position == NULL && work->ledger.batch == 0)
	{
		dbsync_target_ledger_forget(work->target, &subscription->uid, "making the ledger anew");
		found = false;
	}
	if (!found && subscription->position != NULL)
		refuse(work, psprintf("target \"%s\" has lost its ledger for subscription \"%s\"",
							  subscription->target, subscription->name),
			   "The subscription has run before, but the ledger there has no row for it.",
			   dbsync_target_is_folder(work->target) ? how_to_recreate(work) :
			   "Is the target's address right? If the target was replaced, drop the subscription with force => true and create it again.");
	if (!found)
		create_ledger(work);
	check_chain(work);
	dbsync_ledger_check_row(work, &position);
	check_same_source(work);
	check_not_ahead(work);
	dbsync_ledger_check_ids(work, &position);
	if (subscription->begins_anew)
		reread_discarded(work);
	check_knows_last(work);
	dbsync_ledger_check_untouched(work);
	/* may add to the row, so only behind its checksum */
	dbsync_identity_note(work);
	if (subscription->begins_anew)
		dbsync_renew_position(work, &position);
	read_parts(work);
	hold_segments(work);
	check_not_behind(work, position.after);
	tell_of_dropped(work, position.after);
	dbsync_ledger_set_position(work, &position);
}
