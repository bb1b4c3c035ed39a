/*-------------------------------------------------------------------------
 *
 * worker/batch/ledger.c
 *	  Attaching to a target: whose ledger is it, and may we go on from there?
 *
 * The target's word counts.  Before a worker goes on it compares, and refuses what is not its own past
 * (ledger_past.c), and a ledger that cannot be, contradicts itself, or was edited (ledger_check.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "worker/batch/confirm.h"
#include "worker/batch/held.h"
#include "worker/batch/held_note.h"
#include "worker/batch/ledger.h"
#include "worker/batch/ledger_check.h"
#include "worker/batch/ledger_past.h"
#include "worker/batch/quarantine.h"
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
			table->parked = NULL;
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
	work->target_identities = work->stale_parts = work->parked_read = work->parked_news = work->parked_done = NIL;
	work->parked_read_due = false;
	/* the target may be another by then, or back where it was */
	work->answer_due = 0;
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
		dbsync_query_speak_utf8();
}

/* Chains go up, whatever the clock has done. */
static int64
new_chain(const DbsyncWork *work)
{
	if (!dbsync_target_is_folder(work->target))
		return 0;
	return Max((int64) timestamptz_to_time_t(GetCurrentTimestamp()), work->subscription->chain);
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
		dbsync_ledger_refuse_lost(work);
	if (!found)
		create_ledger(work);
	dbsync_ledger_check_chain(work);
	dbsync_ledger_check_row(work, &position);
	dbsync_ledger_check_past(work);
	dbsync_ledger_check_ids(work, &position);
	if (subscription->begins_anew)
		reread_discarded(work);
	dbsync_ledger_check_knows_last(work);
	dbsync_ledger_check_untouched(work);
	/* may add to the row, so only behind its checksum */
	dbsync_identity_note(work);
	if (subscription->begins_anew)
		dbsync_renew_position(work, &position);
	read_parts(work);
	dbsync_quarantine_attach(work);
	hold_segments(work);
	dbsync_ledger_check_not_behind(work, position.after);
	dbsync_ledger_set_position(work, &position);
	/* who has brought it so far may have ended before it was on its disk */
	dbsync_confirm_note(work);
}
