/*-------------------------------------------------------------------------
 *
 * worker/batch/sequences.c
 *	  Sequences of the target that are kept ahead of the source's.
 *
 * A sequence of the source is read after S.  All its values that are in rows of the batch had been
 * given before that, so if the target's is beyond what was read as the batch commits, it is ahead
 * of all that its rows have.  It is set some way ahead (dbsync.sequence_headroom), and again
 * when half of that is used: one small statement for many batches.
 *
 * setval() is not undone by a rollback, which does no harm: a target's sequence is only ever
 * moved ahead.
 *
 * Databases that feed each other would drive their sequences up.  So the sequences of a table that is
 * fed by the target, too, are left alone: both ends write, each with values of its own.  And a database
 * to which anybody writes gives no headroom: then no sequence gets beyond the furthest value that
 * one of them has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/batch/choose.h"
#include "worker/batch/sequences.h"
#include "worker/copy/reverse.h"
#include "worker/query.h"
#include "worker/sequence.h"
#include "worker/sequence_value.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

#include "extension/compat.h"

/* before one that could not be set is tried again, in ms */
#define SEQUENCE_RETRY_MIN 1000

/* between two notes of values, in ms; whatever is not as it should be is noted at once */
#define NOTE_PAUSE 1000

/* headroom that is given at the moment */
typedef struct Headroom
{
	bool		asked;
	bool		none;			/* others write to this database */
} Headroom;

static bool
has_any(const DbsyncWork *work)
{
	return work->sequences != NULL && work->sequences->all != NIL;
}

bool
dbsync_sequences_flow(const DbsyncWork *work, const DbsyncSequence *sequence)
{
	const DbsyncTable *table;

	if (sequence->left_out)
		return false;
	if (sequence->captured_id == 0)
		return true;
	table = dbsync_subscription_table(work->subscription, sequence->captured_id);
	return table != NULL && dbsync_table_flows(table) && !dbsync_table_is_held(table);
}

/* --- what a batch has rows of --- */

/* Those that columns of these tables take values from, by captured ids. */
static void
want_users(DbsyncWork *work, const Bitmapset *captured_ids)
{
	ListCell   *lc;
	ListCell   *lu;

	foreach(lc, work->sequences->all)
	{
		DbsyncSequence *sequence = lfirst(lc);

		if (!sequence->left_out)
			foreach(lu, sequence->users)
				sequence->wanted |= bms_is_member(lfirst_int(lu), captured_ids);
	}
}

static Bitmapset *
copied_ids(const DbsyncBatch *batch)
{
	Bitmapset  *ids = NULL;
	ListCell   *lc;

	foreach(lc, dbsync_choose_copied(batch))
		ids = bms_add_member(ids, ((const DbsyncTable *) lfirst(lc))->captured_id);
	return ids;
}

void
dbsync_sequences_begin(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	ListCell   *lc;

	dbsync_sequences_read(work);
	work->sequences->sent = NIL;
	/* nobody can say whose rows have values of one that was added by name */
	foreach(lc, work->sequences->all)
	{
		DbsyncSequence *sequence = lfirst(lc);

		sequence->wanted = sequence->captured_id == 0 && !sequence->left_out &&
			(batch->cut != NULL || batch->with_chunk);
	}
	if (batch->with_chunk)
		want_users(work, copied_ids(batch));
}

/*
 * The target's column is called as in the rows that it gets last in the cut, whatever it is called
 * by now.  Where the target's table changes with them, its sequence may be another one, too.
 */
static void
name_column(DbsyncWork *work, DbsyncSequence *sequence, const DbsyncCut *cut)
{
	const DbsyncTable *table = dbsync_subscription_table(work->subscription, sequence->captured_id);
	const DbsyncTableShape *shape = NULL;
	ListCell   *lc;
	int			place;

	foreach(lc, cut->tables)
	{
		const DbsyncCutTable *cut_table = lfirst(lc);

		if (cut_table->captured_id == sequence->captured_id)
			shape = dbsync_read_shape(work->subscription, table, cut_table);
	}
	if (cut->turns > 0)
	{
		sequence->known = false;
		sequence->retry_at = 0;
	}
	/* columns that were chosen have names of their own there */
	if (dbsync_table_has_chosen_columns(table))
		return;
	place = dbsync_shape_find_column(shape, (AttrNumber) sequence->attnum);
	if (place < 0 || strcmp(shape->columns[place], sequence->goal.column) == 0)
		return;
	sequence->goal.column = MemoryContextStrdup(work->sequences->context, shape->columns[place]);
	sequence->known = false;
	sequence->retry_at = 0;
}

void
dbsync_sequences_note_cut(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	Bitmapset  *captured_ids = NULL;
	ListCell   *lc;

	if (!has_any(work))
		return;
	foreach(lc, batch->cut->tables)
		captured_ids = bms_add_member(captured_ids, ((DbsyncCutTable *) lfirst(lc))->captured_id);
	want_users(work, captured_ids);
	foreach(lc, work->sequences->all)
	{
		DbsyncSequence *sequence = lfirst(lc);

		if (sequence->captured_id != 0 && bms_is_member(sequence->captured_id, captured_ids))
			name_column(work, sequence, batch->cut);
	}
}

/* --- which of them are due --- */

static int64
given(Headroom *headroom)
{
	if (dbsync_sequence_headroom == 0)
		return 0;
	if (!headroom->asked)
		headroom->none = dbsync_reverse_is_target();
	headroom->asked = true;
	return headroom->none ? 0 : dbsync_sequence_headroom;
}

/*
 * Is the target's to be set, for what was read?  Fills in where to.  What is known of it is asked
 * anew now and then: somebody may have set it back there.
 */
static bool
is_due(DbsyncSequence *sequence, Headroom *headroom)
{
	const DbsyncSequenceValue *value = &sequence->value;
	TimestampTz now = GetCurrentTimestamp();
	int64		left;

	if (!value->used || sequence->retry_at > now)
		return false;
	if (sequence->known && !TimestampDifferenceExceeds(sequence->known_at, now, dbsync_retry_max))
	{
		left = dbsync_sequence_left(value, sequence->covered);
		if (left > dbsync_sequence_headroom / 2)
			return false;
		if (left >= 0 && (given(headroom) == 0 || left > given(headroom) / 2))
			return false;
		dbsync_sequence_set_goal(value, given(headroom), &sequence->goal);
		/* as far as its range goes, it is there */
		return left < 0 || dbsync_sequence_left(value, sequence->goal.goal) > left;
	}
	dbsync_sequence_set_goal(value, given(headroom), &sequence->goal);
	return true;
}

/* It is not to be asked for again at once. */
static void
put_off(DbsyncSequence *sequence, const char *note)
{
	sequence->failures++;
	sequence->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 dbsync_query_pause(SEQUENCE_RETRY_MIN, sequence->failures));
	sequence->known = false;
	dbsync_sequence_set_note(sequence, note);
}

/* Both ends write to a table that is fed both ways, each with values of its own sequence. */
static bool
is_fed(DbsyncWork *work, DbsyncSequence *sequence)
{
	const DbsyncTable *table;

	if (sequence->captured_id == 0)
		return false;
	table = dbsync_subscription_table(work->subscription, sequence->captured_id);
	if (table == NULL || !dbsync_reverse_feeds(work, table))
		return false;
	put_off(sequence, "the target feeds the table, too: each end keeps a sequence of its own");
	return true;
}

/* Read one, and have it sent if it is due.  False: somebody has locked it. */
static bool
look_at(DbsyncWork *work, DbsyncSequence *sequence, Headroom *headroom)
{
	DbsyncSequenceRead read = dbsync_sequence_read(sequence->relid, &sequence->value);
	MemoryContext old;

	if (read != DBSYNC_SEQUENCE_READ)
		return read != DBSYNC_SEQUENCE_LOCKED;
	if (!is_due(sequence, headroom) || is_fed(work, sequence))
		return true;
	sequence->goal.found = DBSYNC_SEQUENCE_ASKED;
	old = MemoryContextSwitchTo(work->sequences->context);
	work->sequences->sent = lappend(work->sequences->sent, sequence);
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * What rows of the batch have of its values was given before it was locked, and nobody can read
 * how far that goes.
 */
pg_noreturn static void
refuse_locked(const DbsyncSequence *sequence)
{
	char	   *name = get_rel_name(sequence->relid);
	char	   *schema = name ? get_namespace_name(get_rel_namespace(sequence->relid)) : NULL;

	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("could not obtain lock on sequence %s",
					schema ? quote_qualified_identifier(schema, name) : psprintf("%u", sequence->relid)),
			 errdetail("Rows that wait may have its values, and the target's must be ahead of them."),
			 errhint("End the transaction that has locked it; then it goes on by itself.")));
}

/* --- sending --- */

void
dbsync_sequences_send(DbsyncWork *work)
{
	List	   *goals = NIL;
	ListCell   *lc;

	if (!has_any(work) || work->sequences->sent == NIL)
		return;
	foreach(lc, work->sequences->sent)
		goals = lappend(goals, &((DbsyncSequence *) lfirst(lc))->goal);
	dbsync_target_sequences_advance(work->target, goals);
}

void
dbsync_sequences_advance(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	Headroom	headroom = {0};
	ListCell   *lc;

	if (!has_any(work) || !dbsync_target_has_sequences(batch->target))
		return;
	foreach(lc, work->sequences->all)
	{
		DbsyncSequence *sequence = lfirst(lc);

		if (sequence->wanted && !look_at(work, sequence, &headroom))
			refuse_locked(sequence);
	}
	dbsync_sequences_send(work);
}

static char *
why_missing(const DbsyncSequenceGoal *goal)
{
	if (goal->column == NULL)
		return psprintf("the target has no sequence %s",
						quote_qualified_identifier(goal->schema, goal->relation));
	return psprintf("the target has no sequence that belongs to column %s of %s",
					quote_identifier(goal->column),
					quote_qualified_identifier(goal->schema, goal->relation));
}

static void
take_answer(DbsyncWork *work, DbsyncSequence *sequence)
{
	const DbsyncSequenceGoal *goal = &sequence->goal;
	MemoryContext old = MemoryContextSwitchTo(work->sequences->context);
	const char *user = work->target->identity.user;
	char	   *name = goal->found == DBSYNC_SEQUENCE_MISSING ? NULL
		: quote_qualified_identifier(NameStr(goal->found_schema), NameStr(goal->found_name));

	/* who reads the notes is told where it stands now and then */
	sequence->note_due = true;
	if (sequence->name != NULL)
		pfree(sequence->name);
	sequence->name = name;
	MemoryContextSwitchTo(old);

	sequence->known = goal->found == DBSYNC_SEQUENCE_AHEAD;
	sequence->known_at = GetCurrentTimestamp();
	sequence->has_value = sequence->known || goal->found == DBSYNC_SEQUENCE_EXHAUSTED;
	sequence->there = goal->there;
	sequence->covered = goal->covered;
	switch (goal->found)
	{
		case DBSYNC_SEQUENCE_AHEAD:
			sequence->failures = 0;
			dbsync_sequence_set_note(sequence, NULL);
			break;
		case DBSYNC_SEQUENCE_ASKED:
		case DBSYNC_SEQUENCE_MISSING:
			put_off(sequence, why_missing(goal));
			break;
		case DBSYNC_SEQUENCE_FORBIDDEN:
			put_off(sequence, psprintf("the target's role may not set it; there, its owner can GRANT SELECT, UPDATE ON SEQUENCE %s TO %s",
									   name, user ? quote_identifier(user) : "it"));
			break;
		case DBSYNC_SEQUENCE_OTHER_WAY:
			put_off(sequence, psprintf("the target's counts %s, and this one %s",
									   goal->descending ? "up" : "down", goal->descending ? "down" : "up"));
			break;
		case DBSYNC_SEQUENCE_EXHAUSTED:
			put_off(sequence, psprintf("the target's has reached its %s, and gives no more values",
									   goal->descending ? "MINVALUE" : "MAXVALUE"));
			break;
	}
}

void
dbsync_sequences_answered(DbsyncWork *work)
{
	MemoryContext old;
	MemoryContext scratch;
	ListCell   *lc;

	if (!has_any(work) || work->sequences->sent == NIL)
		return;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync sequences answered", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(scratch);
	foreach(lc, work->sequences->sent)
		take_answer(work, lfirst(lc));
	list_free(work->sequences->sent);
	work->sequences->sent = NIL;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

void
dbsync_sequences_note(DbsyncWork *work)
{
	if (work->sequences != NULL &&
		TimestampDifferenceExceeds(work->sequences->noted_at, GetCurrentTimestamp(), NOTE_PAUSE))
		dbsync_sequences_write_notes(work);
}

/* --- all of them --- */

void
dbsync_sequences_choose(DbsyncWork *work)
{
	Headroom	headroom = {0};
	ListCell   *lc;

	dbsync_sequences_read(work);
	work->sequences->sent = NIL;
	foreach(lc, work->sequences->all)
	{
		DbsyncSequence *sequence = lfirst(lc);

		if (!dbsync_sequences_flow(work, sequence))
			continue;
		if (dbsync_target_has_sequences(work->target))
			(void) look_at(work, sequence, &headroom);
		else
			dbsync_sequence_set_note(sequence, "the driver of the target does not set sequences");
	}
}
