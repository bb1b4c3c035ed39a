/*-------------------------------------------------------------------------
 *
 * worker/receive/replay.c
 *	  Playing a batch to the target: all of its bundles in one transaction there.
 *
 * What was recorded are the calls of the contract of drivers, so they are made again: begin, with the position and a note of which
 * bundle was the last; steps; parts; commit.  So merging, staging, the fence and the ledger are those of live subscriptions.
 *
 * Who plays has no source to ask.  Rows that clash are sent once more with care (DBSYNC_BATCH_CAREFUL); one that lacks
 * columns, and is not there, stops the receiver, with its key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/route.h"
#include "worker/batch/ledger_check.h"
#include "worker/identity.h"
#include "worker/query.h"
#include "worker/receive/replay.h"
#include "worker/receive/tape.h"
#include "worker/report.h"
#include "worker/target.h"

/* --- the ledger --- */

/* How the position says which bundle was the last. */
static char *
note_of(int64 chain, int64 number, const char *sums)
{
	return psprintf("chain " INT64_FORMAT " number " INT64_FORMAT " sha256 %s", chain, number, sums[0] ? sums : "-");
}

/* The row that the batch leaves there; "batch" before it: that of its beginning. */
static DbsyncLedger
ledger_of(DbsyncReceiving *receiving, const DbsyncBundleHead *head, int64 batch, const char *note)
{
	DbsyncLedger ledger = *head->position;

	ledger.subscription = head->subscription;
	ledger.subscription_name = head->subscription_name;
	ledger.system_identifier = head->system_identifier;
	ledger.database_oid = head->database_oid;
	ledger.batch = batch;
	ledger.identities = receiving->work->ledger.identities;
	ledger.chain = head->chain;
	ledger.note = note;
	ledger.checksum = dbsync_ledger_checksum(&ledger);
	return ledger;
}

/*
 * Before a chain's first batch: the ledger's row is one of this chain, with the batch before it.  A first row, or in the place of
 * one of a lower chain, whose parts mean nothing any more.
 */
static void
begin_chain(DbsyncTape *tape)
{
	DbsyncReceiving *receiving = tape->receiving;
	DbsyncTarget *target = receiving->work->target;
	const DbsyncBundleHead *head = tape->last->head;
	DbsyncLedger ledger;

	if (target->driver->ledger_restart == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" takes nothing from bundles", receiving->receiver->target),
				 errdetail("Its driver, \"%s\", keeps no ledger of them.", target->driver->name)));
	ledger = ledger_of(receiving, head, head->batch - 1, note_of(head->chain, 0, ""));
	if (receiving->place.chain == 0)
		dbsync_target_ledger_create(target, &ledger);
	else if (!target->driver->ledger_restart(target, &ledger))
		dbsync_target_raise(target, "beginning another chain of bundles");
	receiving->damage = NULL;
	receiving->place.chain = head->chain;
	receiving->place.number = 0;
	receiving->place.batch = ledger.batch;
	receiving->place.sums[0] = '\0';
}

/* --- before the batch --- */

static void
refuse_rows(const DbsyncTape *tape, const DbsyncTapeStep *step)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("target table \"%s.%s\" has rows already", step->table->schema, step->table->table),
			 errdetail("A first copy of table %s would mix with them.", step->table->source),
			 errhint("Say what to do with them: SELECT dbsync.alter_receiver(%s, options => '{\"existing_rows\": \"truncate\"}'), or \"keep\".",
					 quote_literal_cstr(tape->receiving->receiver->name))));
}

/* First copies into tables that have rows. */
static void
look_at_first_copies(DbsyncTape *tape)
{
	const char *existing = tape->receiving->receiver->existing_rows;
	ListCell   *lc;

	foreach(lc, tape->steps)
	{
		DbsyncTapeStep *step = lfirst(lc);
		const DbsyncTapePiece *piece = linitial(step->pieces);

		if (step->what != DBSYNC_BUNDLE_APPEND || !piece->step->first || step->handle == NULL ||
			(existing != NULL && strcmp(existing, "keep") == 0) ||
			!dbsync_target_table_has_rows(tape->receiving->work->target, step->handle))
			continue;
		if (existing == NULL)
			refuse_rows(tape, step);
		step->empties = true;
	}
}

/* Labels of enums and attributes of composite types come before the batch, in transactions of their own. */
static void
follow_types(DbsyncTape *tape)
{
	DbsyncTarget *target = tape->receiving->work->target;
	ListCell   *lc;

	foreach(lc, tape->steps)
	{
		const DbsyncTapeStep *step = lfirst(lc);
		const DbsyncTapePiece *piece = linitial(step->pieces);

		if (step->what != DBSYNC_BUNDLE_TYPES || !dbsync_target_follows_changes(target))
			continue;
		if (!dbsync_target_try_types_follow(target, piece->step->enums, piece->step->row_types, tape->receiving->receiver->applies_ddl))
			dbsync_target_raise(target, "changing types at the target");
	}
}

/* --- steps --- */

static void
play_truncate(DbsyncTape *tape, const DbsyncTapeStep *step)
{
	List	   *tables = dbsync_tape_emptied(tape, step);
	DbsyncTargetTable **handles = palloc(sizeof(DbsyncTargetTable *) * Max(list_length(tables), 1));
	ListCell   *lc;

	foreach(lc, tables)
		handles[foreach_current_index(lc)] = lfirst(lc);
	dbsync_target_truncate(tape->receiving->work->target, handles, list_length(tables), "emptying tables, as a bundle says");
}

static void
play_delete_where(DbsyncTape *tape, const DbsyncTapeStep *step)
{
	DbsyncTarget *target = tape->receiving->work->target;
	const DbsyncTapePiece *piece = linitial(step->pieces);
	DbsyncTableSpec spec = dbsync_tape_spec(step->table);

	if (!dbsync_target_deletes_where(target))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" cannot delete the rows of a partition", tape->receiving->receiver->target)));
	if (!dbsync_target_try_delete_where(target, step->handle, &spec, piece->step->condition))
		dbsync_target_raise(target, dbsync_tape_doing(step));
}

/* All keys first, then all rows that stay: the step is read twice. */
static void
play_twice(DbsyncTape *tape, const DbsyncTapeStep *step)
{
	dbsync_tape_rows(tape, step, DBSYNC_ROWS_DELETE);
	dbsync_tape_rows(tape, step, DBSYNC_ROWS_APPEND);
}

static void
play_rows(DbsyncTape *tape, const DbsyncTapeStep *step)
{
	DbsyncTarget *target = tape->receiving->work->target;
	bool		can_care = (target->driver->features & DBSYNC_FEATURE_CAREFUL) != 0 && !tape->replaces;

	switch (step->what)
	{
		case DBSYNC_BUNDLE_APPEND:
			if (!tape->careful || step->table->nkeys == 0)
				dbsync_tape_rows(tape, step, DBSYNC_ROWS_APPEND);
			else if (can_care)
				dbsync_tape_rows(tape, step, DBSYNC_ROWS_MERGE);
			else
				play_twice(tape, step);
			break;
		case DBSYNC_BUNDLE_MERGE:
			if (tape->careful ? !can_care : dbsync_target_table_wants_replace(target, step->handle, step->rows))
				play_twice(tape, step);
			else
				dbsync_tape_rows(tape, step, DBSYNC_ROWS_MERGE);
			break;
		case DBSYNC_BUNDLE_PATCH:
			if (!tape->careful && !dbsync_target_table_takes_unchanged(target, step->handle))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("target table \"%s.%s\" does not take rows without all of their values",
								step->table->schema, step->table->table),
						 errhint("At the source, let the target of the bundles have the option whole_rows.")));
			dbsync_tape_rows(tape, step, DBSYNC_ROWS_PATCH);
			break;
		case DBSYNC_BUNDLE_DELETE:
			dbsync_tape_rows(tape, step, DBSYNC_ROWS_DELETE);
			break;
		case DBSYNC_BUNDLE_COUNT:
			dbsync_tape_rows(tape, step, DBSYNC_ROWS_COUNT);
			break;
		default:
			break;
	}
}

static void
play_clear(DbsyncTape *tape, const DbsyncTapeStep *step)
{
	DbsyncTarget *target = tape->receiving->work->target;
	/* the source knows them when all rows have been sent */
	const DbsyncTapePiece *piece = llast(step->pieces);

	/*
	 * It is for rows that clash, and they are tried as they are before that.  Where keys are checked a row that goes
	 * could take along more, and nothing is cleared.
	 */
	if (!tape->careful || tape->together || !dbsync_target_clears(target))
		return;
	dbsync_tape_rows(tape, step, DBSYNC_ROWS_CLEAR);
	dbsync_target_rows_clear(target, step->handle, piece->step->sets, NULL);
}

static void
play_step(DbsyncTape *tape, DbsyncTapeStep *step)
{
	if (step->what == DBSYNC_BUNDLE_CHANGE)
		step->handle = dbsync_tape_change(tape, step);
	else if (step->handle == NULL && step->table != NULL)
		step->handle = dbsync_tape_table(tape, step->table);
	if (step->empties)
		dbsync_target_truncate(tape->receiving->work->target, &step->handle, 1, dbsync_tape_doing(step));
	switch (step->what)
	{
		case DBSYNC_BUNDLE_TRUNCATE:
			play_truncate(tape, step);
			break;
		case DBSYNC_BUNDLE_DELETE_WHERE:
			play_delete_where(tape, step);
			break;
		case DBSYNC_BUNDLE_CLEAR:
			play_clear(tape, step);
			break;
		case DBSYNC_BUNDLE_CHANGE:
		case DBSYNC_BUNDLE_TYPES:
		case DBSYNC_BUNDLE_SEQUENCES:
			break;
		default:
			play_rows(tape, step);
	}
}

/* Can its rows wait for those of other tables? */
static bool
goes_together(const DbsyncTape *tape, const DbsyncTapeStep *step)
{
	return tape->together && step->table != NULL && step->table->nkeys > 0 && !step->empties &&
		(step->what == DBSYNC_BUNDLE_APPEND || step->what == DBSYNC_BUNDLE_MERGE ||
		 step->what == DBSYNC_BUNDLE_PATCH || step->what == DBSYNC_BUNDLE_DELETE);
}

static bool
has_handle(const List *handles, const DbsyncTargetTable *handle)
{
	return list_member_ptr(handles, handle);
}

/*
 * Where foreign keys are checked, rows of all tables go together, as far as each table comes once: no order of steps would
 * do for all keys, and the source did not know of them.
 */
static void
play_steps(DbsyncTape *tape)
{
	DbsyncTarget *target = tape->receiving->work->target;
	const char *doing = "writing the rows of a bundle together";
	List	   *waiting = NIL;	/* handles */
	ListCell   *lc;

	foreach(lc, tape->steps)
	{
		DbsyncTapeStep *step = lfirst(lc);
		bool		together = goes_together(tape, step);

		/* a step before this one has given the table its shape */
		if (together && step->handle == NULL)
			step->handle = dbsync_tape_table(tape, step->table);
		if (waiting != NIL && (!together || has_handle(waiting, step->handle)))
		{
			dbsync_target_rows_together(target, tape->careful, doing);
			waiting = NIL;
		}
		if (!together)
		{
			play_step(tape, step);
			continue;
		}
		dbsync_tape_rows(tape, step, DBSYNC_ROWS_TOGETHER);
		waiting = lappend(waiting, step->handle);
	}
	if (waiting != NIL)
		dbsync_target_rows_together(target, tape->careful, doing);
}

/* --- the end of the batch --- */

static void
advance_sequences(DbsyncTape *tape)
{
	List	   *goals = NIL;
	ListCell   *lc;

	foreach(lc, tape->steps)
	{
		const DbsyncTapeStep *step = lfirst(lc);
		const DbsyncTapePiece *piece = linitial(step->pieces);

		if (step->what == DBSYNC_BUNDLE_SEQUENCES)
			goals = list_concat(goals, piece->step->sequences);
	}
	if (goals != NIL && dbsync_target_has_sequences(tape->receiving->work->target))
		dbsync_target_sequences_advance(tape->receiving->work->target, goals);
}

static void
write_parts(DbsyncTape *tape)
{
	List	   *parts = tape->last->contents->parts;
	ListCell   *lc;

	if (parts == NIL)
		return;
	foreach(lc, parts)
	{
		DbsyncLedgerPart *part = lfirst(lc);

		part->checksum = dbsync_ledger_part_checksum(part);
	}
	dbsync_target_ledger_write_parts(tape->receiving->work->target, &tape->last->head->subscription, parts);
}

/* Has the target, under one of its names, had these changes already? */
static bool
has_been_there(const DbsyncTape *tape)
{
	const char *route = tape->last->contents->route;

	return route != NULL && dbsync_route_has_any(route, tape->receiving->work->target_identities);
}

static void
play(DbsyncTape *tape)
{
	DbsyncReceiving *receiving = tape->receiving;
	DbsyncTarget *target = receiving->work->target;
	const DbsyncBundleHead *head = tape->last->head;
	DbsyncCached end = dbsync_bundles_describe(tape->last->reader, 0);
	bool		passes = has_been_there(tape);
	DbsyncLedger ledger;
	int			flags;

	if (!passes)
	{
		follow_types(tape);
		dbsync_tape_open_tables(tape);
		receiving->refused_copies = tape->copies && tape->together;
		look_at_first_copies(tape);
	}
	if (receiving->place.chain != head->chain)
		begin_chain(tape);
	ledger = ledger_of(receiving, head, head->batch, note_of(end.chain, end.number, end.sums));
	flags = (tape->copies ? DBSYNC_BATCH_CHUNK : 0) | (tape->changes && !passes ? DBSYNC_BATCH_CHANGES : 0) |
		(tape->careful && (target->driver->features & DBSYNC_FEATURE_CAREFUL) != 0 ? DBSYNC_BATCH_CAREFUL : 0);
	dbsync_target_begin(target, &ledger, tape->last->contents->route, passes ? 0 : tape->rows, flags);
	tape->begun = true;
	if (!passes)
		play_steps(tape);
	write_parts(tape);
	if (!passes)
		advance_sequences(tape);
	dbsync_target_commit(target);

	dbsync_bundles_are_called(receiving, head->subscription_name);
	receiving->place.number = end.number;
	receiving->place.batch = end.batch;
	strlcpy(receiving->place.sums, end.sums, sizeof(receiving->place.sums));
	receiving->played_time = end.time;
	receiving->played_at = GetCurrentTimestamp();
	receiving->progress_due = true;
}

void
dbsync_replay(DbsyncReceiving *receiving, const DbsyncNext *next)
{
	DbsyncWork *work = receiving->work;
	TimestampTz begun = GetCurrentTimestamp();
	MemoryContext context;
	DbsyncTape *tape;

	dbsync_query_begin(false, "playing a batch");
	context = AllocSetContextCreate(CurrentMemoryContext, "dbsync tape", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	tape = dbsync_tape_open(receiving, next);
	tape->careful = receiving->careful_batch == tape->last->head->batch && receiving->careful_chain == next->chain;
	tape->replaces = tape->careful && receiving->careful_replaces;
	play(tape);
	receiving->careful_batch = 0;
	work->rows++;
	dbsync_report_batch(tape->rows, (GetCurrentTimestamp() - begun) / 1000000.0, false);
	dbsync_tape_close(tape);
	dbsync_query_commit();
	dbsync_tape_close_surplus(receiving);
}

void
dbsync_replay_forget_tables(void)
{
	dbsync_tape_forget_tables();
}
