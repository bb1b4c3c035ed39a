/*-------------------------------------------------------------------------
 *
 * extension/capture/trigger.c
 *	  The trigger function: from a statement to rows of the active segment.
 *
 * On a captured table it is called
 *
 *	BEFORE I/U/D STATEMENT	a statement opens (dbsync_statement_open())
 *	BEFORE TRUNCATE			a TRUNCATE opens
 *	AFTER I/U/D STATEMENT	its rows are captured from the transition tables and
 *							it closes
 *	AFTER TRUNCATE			one row T, and it closes
 *	AFTER I/U/D ROW			in replica role only: logical replication fires no
 *							statement triggers; else it leaves the row to them
 *
 * On one that has inheritance children or parents AFTER I/U/D ROW captures, in all sessions,
 * and nothing else but TRUNCATE is; what it captures is doubted, as it is in replica role.
 *
 * Most statements do without: DbsyncDirect takes our triggers out of their plans and
 * captures the rows as they are written.
 *
 * What becomes of a statement:
 *
 *	INSERT, COPY			I with the row
 *	UPDATE, key unchanged	U with the new row; large values that it did not
 *							touch are marked instead (dbsync_unchanged_find())
 *	UPDATE of the key		D with the old key, I with the new row
 *	DELETE					D with the key
 *	upsert, MERGE			U and I, or D, U and I, as they fire
 *
 * of a table without a key:
 *
 *	UPDATE					D with the old row, I with the new one; nothing where
 *							they are the same
 *	DELETE					D with the row
 *
 * of a table of which keys alone are captured (DBSYNC_BY_KEYS):
 *
 *	INSERT, COPY			K with the key
 *	UPDATE					K with the key; if it has changed, D with the old one first
 *	DELETE					D with the key
 *
 * Whether a key has changed is decided bytewise: 1.0 and 1.00 are one key to the
 * index, but the target must see the change.  In the segment a key's rows are in
 * the order in which they were captured; where that may differ from the order
 * of truth, a row R (or D) follows at commit that says how it ended (dbsync_recheck_doubts()).
 *
 * No correct statement of a user's may fail because of capture, except for want
 * of room; any error here is the statement's, so nothing is lost in silence.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "extension/capture/append.h"
#include "extension/capture/cache.h"
#include "extension/capture/commit.h"
#include "extension/capture/emptied.h"
#include "extension/capture/follow.h"
#include "extension/capture/hooks.h"
#include "extension/capture/running.h"
#include "extension/capture/statement.h"
#include "extension/capture/transaction.h"
#include "extension/capture/trigger.h"
#include "extension/catalog.h"
#include "extension/log/segment.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "extension/compat.h"
#include "extension/node.h"

PG_FUNCTION_INFO_V1(dbsync_capture);
PG_FUNCTION_INFO_V1(dbsync_config_changed);

void
dbsync_capture_init(void)
{
	dbsync_commit_init();
	dbsync_hooks_init();
}

/*
 * A slot for the rows of a transition table, positioned before its first.  Kept
 * with the entry: which is 0, or 1 for a second table at the same time.
 */
static TupleTableSlot *
begin_rows(Tuplestorestate *rows, DbsyncEntry *entry, int which)
{
	TupleTableSlot *slot = entry->rows[which];

	/* read pointer 0 is the one every reader may move and rewinds first */
	tuplestore_select_read_pointer(rows, 0);
	tuplestore_rescan(rows);
	if (slot == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(entry->shape.context);

		slot = dbsync_make_slot_compat(entry->shape.desc, &TTSOpsMinimalTuple);
		entry->rows[which] = slot;
		MemoryContextSwitchTo(old);
	}
	else if (!TTS_EMPTY(slot))
	{
		/* left by an error: what it points to is gone */
		slot->tts_flags &= ~TTS_FLAG_SHOULDFREE;
		ExecClearTuple(slot);
	}
	return slot;
}

static bool
next_row(Tuplestorestate *rows, TupleTableSlot *slot)
{
	return tuplestore_gettupleslot(rows, true, false, slot);
}

static void
put_all(DbsyncAppend *append, char op, Tuplestorestate *rows)
{
	TupleTableSlot *slot = begin_rows(rows, append->active.entry, 0);

	while (next_row(rows, slot))
		dbsync_append_put(append, op, slot);
	ExecClearTuple(slot);
}

static void
put_updates(DbsyncAppend *append, Tuplestorestate *olds, Tuplestorestate *news)
{
	TupleTableSlot *old = begin_rows(olds, append->active.entry, 0);
	TupleTableSlot *new = begin_rows(news, append->active.entry, 1);

	while (next_row(olds, old) && next_row(news, new))
		dbsync_append_put_update(append, old, new);
	ExecClearTuple(old);
	ExecClearTuple(new);
}

static void
put_statement(DbsyncAppend *append, const TriggerData *trigdata)
{
	Tuplestorestate *olds = trigdata->tg_oldtable;
	Tuplestorestate *news = trigdata->tg_newtable;

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		put_all(append, DBSYNC_OP_INSERT, news);
	else if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		put_all(append, DBSYNC_OP_DELETE, olds);
	else if (tuplestore_tuple_count(olds) == tuplestore_tuple_count(news))
		put_updates(append, olds, news);
	else
	{
		/* rows that moved to another partition were dropped there: no pairs */
		put_all(append, DBSYNC_OP_DELETE, olds);
		put_all(append, DBSYNC_OP_INSERT, news);
	}
}

/* The plan was started with our hooks and run without them (dbsync_eligibility_hide_tables()). */
static void
check_tables(const TriggerData *trigdata)
{
	const Trigger *trigger = trigdata->tg_trigger;

	if ((trigger->tgoldtable != NULL && trigdata->tg_oldtable == NULL) ||
		(trigger->tgnewtable != NULL && trigdata->tg_newtable == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("changes to table \"%s\" were not captured",
						RelationGetRelationName(trigdata->tg_relation)),
				 errdetail("Another module ran the statement without calling dbsync."),
				 errhint("Set dbsync.direct_capture to off.")));
}

static int64
count_rows(const TriggerData *trigdata)
{
	int64		n = 0;

	if (trigdata->tg_oldtable)
		n = tuplestore_tuple_count(trigdata->tg_oldtable);
	if (trigdata->tg_newtable)
		n = Max(n, tuplestore_tuple_count(trigdata->tg_newtable));
	return n;
}

/*
 * Note once per backend and table that a copy of the database lets writes pass.
 * A note that was rolled back is made again.
 */
static void
note_skipped(DbsyncEntry *entry)
{
	if (TransactionIdIsValid(entry->skip_noted) &&
		(TransactionIdIsCurrentTransactionId(entry->skip_noted) ||
		 TransactionIdDidCommit(entry->skip_noted)))
		return;
	dbsync_node_note_skipped(entry->captured.id);
	entry->skip_noted = GetCurrentTransactionId();
}

static void
capture_truncate(const TriggerData *trigdata, DbsyncEntry *entry)
{
	DbsyncTouched *touched = dbsync_cache_touched(entry);
	DbsyncAppend append;

	if (entry->mode == DBSYNC_MODE_CAPTURE && entry->captured.relid != entry->relid)
	{
		dbsync_emptied_after(entry, trigdata->tg_relation);
		return;
	}
	if (touched != NULL)
		dbsync_statement_close_truncate(touched);
	if (entry->mode != DBSYNC_MODE_CAPTURE || !dbsync_append_begin(&append, trigdata->tg_relation, 1))
		return;
	dbsync_append_put(&append, DBSYNC_OP_TRUNCATE, NULL);
	dbsync_append_end(&append);
}

static void
open_truncate(const TriggerData *trigdata, DbsyncEntry *entry)
{
	dbsync_statement_open_truncate(dbsync_cache_touch(entry));
	if (entry->tree)
		dbsync_emptied_before(entry, trigdata->tg_relation);
}

static void
capture_statement(const TriggerData *trigdata, DbsyncEntry *entry)
{
	DbsyncTouched *touched;
	DbsyncAppend append;
	int64		expected = count_rows(trigdata);
	int64		rows = 0;

	check_tables(trigdata);
	if (entry->mode == DBSYNC_MODE_CAPTURE && expected > 0 &&
		dbsync_append_begin(&append, trigdata->tg_relation, expected))
	{
		if (dbsync_running_disturbed(trigdata))
			append.active.written->part.statements++;	/* may hold a row twice */
		put_statement(&append, trigdata);
		dbsync_append_end(&append);
		rows = append.nrows;
	}
	touched = dbsync_cache_touched(entry);
	if (touched != NULL)
		dbsync_statement_close(touched, trigdata, rows);
}

static void
capture_row(const TriggerData *trigdata, DbsyncEntry *entry)
{
	DbsyncTouched *touched = dbsync_cache_touched(entry);
	DbsyncAppend append;

	if (!entry->by_row && touched != NULL && touched->periods.open > 0)
		return;					/* the statement's own trigger sees the row */
	if (!dbsync_append_begin(&append, trigdata->tg_relation, 1))
		return;
	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		dbsync_append_put(&append, DBSYNC_OP_INSERT, trigdata->tg_trigslot);
	else if (TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		dbsync_append_put(&append, DBSYNC_OP_DELETE, trigdata->tg_trigslot);
	else
		dbsync_append_put_update(&append, trigdata->tg_trigslot, trigdata->tg_newslot);
	dbsync_append_end(&append);
	/* rows without a key are summed up, in whatever order */
	if (entry->shape.nkeys > 0)
		dbsync_statement_note_row(dbsync_cache_touch(entry));
}

static void
check_called_as_trigger(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as a trigger", name)));
}

/*
 * Was the trigger made for another captured table?  A partition that has gone from one to
 * another while event triggers were off has those of both.
 */
static bool
is_anothers(const Trigger *trigger, const DbsyncEntry *entry)
{
	int			id;

	return entry->mode == DBSYNC_MODE_CAPTURE && entry->captured.relid != entry->relid &&
		sscanf(trigger->tgname, "dbsync_%d_", &id) == 1 && id != entry->captured.id;
}

Datum
dbsync_capture(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	DbsyncEntry *entry;

	check_called_as_trigger(fcinfo, "capture");
	if (TRIGGER_FIRED_BEFORE(trigdata->tg_event))
		dbsync_follow_before(trigdata->tg_relation);
	entry = dbsync_cache_find(trigdata->tg_relation);
	if (is_anothers(trigdata->tg_trigger, entry))
		return PointerGetDatum(NULL);

	if (entry->mode == DBSYNC_MODE_DORMANT)
		note_skipped(entry);
	else if (entry->mode == DBSYNC_MODE_CAPTURE && entry->by_row &&
			 !TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) &&
			 !TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		return PointerGetDatum(NULL);
	/* a statement that was opened is closed, whatever happened meanwhile */
	if (TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event) &&
			 TRIGGER_FIRED_AFTER(trigdata->tg_event) &&
			 !TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		capture_statement(trigdata, entry);
	else if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event) && TRIGGER_FIRED_AFTER(trigdata->tg_event))
		capture_truncate(trigdata, entry);
	else if (entry->mode != DBSYNC_MODE_CAPTURE)
		 /* not captured, or not now */ ;
	else if (TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		open_truncate(trigdata, entry);
	else if (TRIGGER_FIRED_FOR_ROW(trigdata->tg_event))
		capture_row(trigdata, entry);
	else
		dbsync_statement_open(dbsync_cache_touch(entry), trigdata);
	return PointerGetDatum(NULL);
}

Datum
dbsync_config_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	check_called_as_trigger(fcinfo, "config_changed");
	dbsync_catalog_tell(trigdata->tg_relation);
	dbsync_transaction_wake_at_commit();
	return PointerGetDatum(NULL);
}
