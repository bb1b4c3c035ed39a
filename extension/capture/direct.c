/*-------------------------------------------------------------------------
 *
 * extension/capture/direct.c
 *	  Capturing rows as the executor makes them, without our triggers.
 *
 * A trigger with transition tables has every row, old and new, copied into a
 * tuplestore, which goes to temporary files when it is large, and read from there
 * when the statement ends.  For the plain statements that nearly all are, we are
 * called by the executor itself, row by row: RETURNING is worked out for each row
 * that was really written, after everything that could change or reject it, and
 * the place where the executor finds what to work out is ours to fill in.  If the
 * statement has RETURNING of its own, that follows.  Our triggers and their
 * transition tables are taken out of the plan for that run.
 *
 * What is captured is the same.  The order is better: a row is captured when it is
 * written, not at the end of its statement, so what functions and triggers do to
 * the same table in between comes in the order of truth.  Where a statement of the
 * other kind is open on the table meanwhile, it is told (dbsync_statement_note_direct()).
 *
 * Which statements can do without our triggers dbsync_eligibility_is_plain() decides.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "extension/capture/cache.h"
#include "extension/capture/direct.h"
#include "extension/capture/eligibility.h"
#include "extension/capture/follow.h"
#include "extension/capture/statement.h"
#include "extension/capture/transaction.h"
#include "extension/log/segment.h"
#include "nodes/plannodes.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "extension/compat.h"

static bool
has_trigger(const TriggerDesc *triggers, int16 level, int16 timing, int16 event)
{
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgenabled != TRIGGER_DISABLED &&
			TRIGGER_TYPE_MATCHES(trigger->tgtype, level, timing, event))
			return true;
	}
	return false;
}

#define HAS(level, timing, event) \
	has_trigger(triggers, TRIGGER_TYPE_##level, TRIGGER_TYPE_##timing, TRIGGER_TYPE_##event)

/* Say anew what there is, now that some triggers are disabled. */
static void
set_flags(TriggerDesc *triggers)
{
	triggers->trig_insert_before_row = HAS(ROW, BEFORE, INSERT);
	triggers->trig_insert_after_row = HAS(ROW, AFTER, INSERT);
	triggers->trig_insert_before_statement = HAS(STATEMENT, BEFORE, INSERT);
	triggers->trig_insert_after_statement = HAS(STATEMENT, AFTER, INSERT);
	triggers->trig_update_before_row = HAS(ROW, BEFORE, UPDATE);
	triggers->trig_update_after_row = HAS(ROW, AFTER, UPDATE);
	triggers->trig_update_before_statement = HAS(STATEMENT, BEFORE, UPDATE);
	triggers->trig_update_after_statement = HAS(STATEMENT, AFTER, UPDATE);
	triggers->trig_delete_before_row = HAS(ROW, BEFORE, DELETE);
	triggers->trig_delete_after_row = HAS(ROW, AFTER, DELETE);
	triggers->trig_delete_before_statement = HAS(STATEMENT, BEFORE, DELETE);
	triggers->trig_delete_after_statement = HAS(STATEMENT, AFTER, DELETE);
}

/* The triggers without ours; NULL if there are no others. */
static TriggerDesc *
without_ours(const TriggerDesc *all, Oid function, MemoryContext context)
{
	for (int i = 0; i < all->numtriggers; i++)
	{
		if (all->triggers[i].tgfoid != function)
		{
			TriggerDesc *others = dbsync_eligibility_split_triggers(all, function, false, context);

			set_flags(others);
			return others;
		}
	}
	return NULL;
}

/* The row before an UPDATE, as the executor has it at hand. */
static TupleTableSlot *
old_row(const DbsyncDirect *direct)
{
	const TriggerDesc *triggers = direct->target->ri_TrigDesc;

	/* for a BEFORE ROW trigger it was locked, so it may be a newer one */
	if (triggers != NULL && triggers->trig_update_before_row)
		return direct->target->ri_TrigOldSlot;
	return direct->target->ri_oldTupleSlot;
}

static void
put_row(DbsyncDirect *direct, TupleTableSlot *row)
{
	DbsyncConflictCompat *conflict = direct->target->ri_onConflict;

	switch (direct->state->operation)
	{
		case CMD_UPDATE:
			dbsync_append_put_update(&direct->append, old_row(direct), row);
			break;
		case CMD_DELETE:
			dbsync_append_put(&direct->append, DBSYNC_OP_DELETE, row);
			break;
		default:
			if (conflict != NULL && row == conflict->oc_ProjSlot)
				dbsync_append_put_update(&direct->append, conflict->oc_Existing, row);
			else
				dbsync_append_put(&direct->append, DBSYNC_OP_INSERT, row);
			break;
	}
}

/* The columns that an UPDATE (or upsert) assigns; NIL: unknown, a trigger may too. */
static const List *
assigned_columns(const DbsyncDirect *direct)
{
	const ModifyTable *plan = (ModifyTable *) direct->state->ps.plan;
	const TriggerDesc *others = direct->target->ri_TrigDesc;

	if (others != NULL && others->trig_update_before_row)
		return NIL;
	if (direct->state->operation == CMD_UPDATE)
		return linitial(plan->updateColnosLists);
	return plan->onConflictCols;
}

/*
 * WHEN of AFTER ROW triggers and WITH CHECK OPTION are worked out when the row is
 * written already and not yet captured.
 */
static bool
can_be_interrupted(const DbsyncDirect *direct)
{
	const TriggerDesc *others = direct->target->ri_TrigDesc;

	if (direct->target->ri_WithCheckOptions != NIL)
		return true;
	for (int i = 0; others != NULL && i < others->numtriggers; i++)
	{
		const Trigger *trigger = &others->triggers[i];

		if (trigger->tgqual != NULL && TRIGGER_FOR_ROW(trigger->tgtype) &&
			TRIGGER_FOR_AFTER(trigger->tgtype))
			return true;
	}
	return false;
}

static int64
next_no(void)
{
	return dbsync_transaction.begun ? dbsync_transaction.next_no : 1;
}

/* Doubt what was captured since our last row, if that may be newer than this row. */
static void
check_order(DbsyncDirect *direct, int64 no)
{
	if (direct->interrupts && no != direct->next_no)
		dbsync_statement_doubt(dbsync_cache_touch(direct->append.active.entry),
							   direct->next_no, next_no() - 1);
	direct->next_no = next_no();
}

static bool
begin_append(DbsyncDirect *direct)
{
	if (!dbsync_append_begin(&direct->append, direct->target->ri_RelationDesc, 0))
	{
		direct->ignored = true;
		return false;
	}
	direct->begun = true;
	direct->append.assigned = assigned_columns(direct);
	dbsync_statement_note_direct(dbsync_cache_touch(direct->append.active.entry));
	return true;
}

/* Called by the executor where it would work out RETURNING. */
static Datum
capture_row(ExprState *expression, ExprContext *econtext, bool *isnull)
{
	DbsyncDirect *direct = (DbsyncDirect *)
		((char *) expression - offsetof(DbsyncDirect, projection.pi_state));
	int64		no = next_no();
	ExprState  *returning;
	MemoryContext old;

	/* ours is emptied after each row */
	old = MemoryContextSwitchTo(direct->state->ps.state->es_query_cxt);
	if (direct->begun || (!direct->ignored && begin_append(direct)))
	{
		put_row(direct, econtext->ecxt_scantuple);
		check_order(direct, no);
	}
	MemoryContextSwitchTo(old);
	if (direct->returning == NULL)
		return (Datum) 0;
	returning = &direct->returning->pi_state;
	dbsync_hand_on_returning_flags_compat(returning, expression);
	return returning->evalfunc(returning, econtext, isnull);
}

/* What a row becomes where nothing is returned: one without columns. */
static TupleTableSlot *
no_columns(void)
{
	static TupleTableSlot *slot = NULL;

	if (slot == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc	none = CreateTemplateTupleDesc(0);

		dbsync_finish_desc_compat(none);
		slot = MakeSingleTupleTableSlot(none, &TTSOpsVirtual);
		MemoryContextSwitchTo(old);
	}
	return slot;
}

static void
set_projection(DbsyncDirect *direct, EState *estate)
{
	ProjectionInfo *mine = &direct->projection;

	if (direct->returning != NULL)
		*mine = *direct->returning;
	else
	{
		memset(mine, 0, sizeof(ProjectionInfo));
		mine->type = T_ProjectionInfo;
		mine->pi_state.type = T_ExprState;
		mine->pi_state.resultslot = no_columns();
		memset(&direct->context, 0, sizeof(ExprContext));
		direct->context.type = T_ExprContext;
		direct->context.ecxt_per_tuple_memory = estate->es_query_cxt;
		mine->pi_exprContext = &direct->context;
	}
	mine->pi_state.evalfunc = capture_row;
	direct->target->ri_projectReturning = mine;
}

bool
dbsync_direct_begin(DbsyncDirect *direct, QueryDesc *query, Oid function)
{
	ModifyTableState *state = (ModifyTableState *) query->planstate;
	ResultRelInfo *target = state->rootResultRelInfo;

	dbsync_follow_before(target->ri_RelationDesc);
	if (!dbsync_eligibility_is_plain(query, function))
		return false;
	direct->begun = direct->ignored = false;
	direct->state = state;
	direct->target = target;
	direct->triggers = target->ri_TrigDesc;
	direct->rows = state->mt_transition_capture;
	direct->upserted = state->mt_oc_transition_capture;
	direct->returning = target->ri_projectReturning;
	target->ri_TrigDesc = without_ours(direct->triggers, function,
									   query->estate->es_query_cxt);
	state->mt_transition_capture = state->mt_oc_transition_capture = NULL;
	direct->interrupts = can_be_interrupted(direct);
	direct->next_no = next_no();
	set_projection(direct, query->estate);
	return true;
}

void
dbsync_direct_flush(DbsyncDirect *direct)
{
	if (direct->state != NULL && direct->begun)
		dbsync_append_end(&direct->append);
}

void
dbsync_direct_end(DbsyncDirect *direct)
{
	if (direct->state == NULL)
		return;
	direct->target->ri_TrigDesc = direct->triggers;
	direct->target->ri_projectReturning = direct->returning;
	direct->state->mt_transition_capture = direct->rows;
	direct->state->mt_oc_transition_capture = direct->upserted;
}
