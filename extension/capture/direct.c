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
 * A statement that names a partitioned table has its rows in others.  UPDATE and DELETE
 * know them before they begin, and RETURNING is worked out for each of them; for INSERT see
 * DbsyncRouted.  Rows are captured as the named relation would have them.
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
#include "extension/capture/routed.h"
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
old_row(const DbsyncDirectTarget *target)
{
	const TriggerDesc *triggers = target->result->ri_TrigDesc;

	/* for a BEFORE ROW trigger it was locked, so it may be a newer one */
	if (triggers != NULL && triggers->trig_update_before_row)
		return target->result->ri_TrigOldSlot;
	return target->result->ri_oldTupleSlot;
}

static void
put_update(DbsyncDirectTarget *target, TupleTableSlot *old, TupleTableSlot *new)
{
	target->direct->append.assigned = target->assigned;
	dbsync_append_put_update(&target->direct->append,
							 dbsync_layout_row(&target->layout, 0, old),
							 dbsync_layout_row(&target->layout, 1, new));
}

/*
 * A row that an UPDATE moves to another partition is written there as an inserted one.
 * dbsync_eligibility_is_plain() has said that none is.
 */
static void
check_not_moved(const DbsyncDirectTarget *target)
{
	const ModifyTableState *state = target->direct->state;

	if (target->result != state->resultRelInfo + state->mt_lastResultIndex)
		elog(ERROR, "captured row has moved to another partition");
}

static void
put_row(DbsyncDirectTarget *target, TupleTableSlot *row)
{
	DbsyncAppend *append = &target->direct->append;
	DbsyncConflictCompat *conflict = target->result->ri_onConflict;

	switch (target->direct->state->operation)
	{
		case CMD_UPDATE:
			check_not_moved(target);
			put_update(target, old_row(target), row);
			break;
		case CMD_DELETE:
			dbsync_append_put(append, DBSYNC_OP_DELETE, dbsync_layout_row(&target->layout, 0, row));
			break;
		default:
			if (conflict != NULL && row == conflict->oc_ProjSlot)
				put_update(target, conflict->oc_Existing, row);
			else
				dbsync_append_put(append, DBSYNC_OP_INSERT, row);
			break;
	}
}

/* The columns that an UPDATE (or upsert) assigns; NIL: unknown, a trigger may too. */
static const List *
assigned_columns(const DbsyncDirectTarget *target, int which)
{
	const ModifyTableState *state = target->direct->state;
	const TriggerDesc *others = target->result->ri_TrigDesc;

	/* nor are they known by the numbers of another layout */
	if ((others != NULL && others->trig_update_before_row) || !target->layout.same)
		return NIL;
	if (state->operation == CMD_UPDATE)
		return list_nth(dbsync_update_columns_compat(state), which);
	return ((ModifyTable *) state->ps.plan)->onConflictCols;
}

/*
 * WHEN of AFTER ROW triggers and WITH CHECK OPTION are worked out when the row is
 * written already and not yet captured.
 */
static bool
can_be_interrupted(const ResultRelInfo *result)
{
	const TriggerDesc *others = result->ri_TrigDesc;

	if (result->ri_WithCheckOptions != NIL)
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
	if (direct->begun)
		return true;
	if (direct->ignored)
		return false;
	if (!dbsync_append_begin(&direct->append, direct->named->ri_RelationDesc, 0))
	{
		direct->ignored = true;
		return false;
	}
	direct->begun = true;
	dbsync_statement_note_direct(dbsync_cache_touch(direct->append.active.entry));
	return true;
}

/* Called by the executor where it would work out RETURNING. */
static Datum
capture_row(ExprState *expression, ExprContext *econtext, bool *isnull)
{
	DbsyncDirectTarget *target = (DbsyncDirectTarget *)
		((char *) expression - offsetof(DbsyncDirectTarget, projection.pi_state));
	DbsyncDirect *direct = target->direct;
	int64		no = next_no();
	ExprState  *returning;
	MemoryContext old;

	/* ours is emptied after each row */
	old = MemoryContextSwitchTo(direct->state->ps.state->es_query_cxt);
	if (begin_append(direct))
	{
		put_row(target, econtext->ecxt_scantuple);
		check_order(direct, no);
	}
	MemoryContextSwitchTo(old);
	if (target->returning == NULL)
		return (Datum) 0;
	returning = &target->returning->pi_state;
	dbsync_hand_on_returning_flags_compat(returning, expression);
	return returning->evalfunc(returning, econtext, isnull);
}

/*
 * The same for a row that was routed to a partition.  In replica role the partition's own row
 * trigger has it: somebody has changed the role since the statement began.
 */
static void
capture_routed(void *arg, TupleTableSlot *row)
{
	DbsyncDirect *direct = arg;
	int64		no = next_no();
	MemoryContext old;

	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return;
	old = MemoryContextSwitchTo(direct->state->ps.state->es_query_cxt);
	if (begin_append(direct))
	{
		dbsync_append_put(&direct->append, DBSYNC_OP_INSERT, row);
		check_order(direct, no);
	}
	MemoryContextSwitchTo(old);
}

static void
set_projection(DbsyncDirectTarget *target)
{
	ProjectionInfo *mine = &target->projection;

	target->returning = target->result->ri_projectReturning;
	if (target->returning != NULL)
		*mine = *target->returning;
	else
	{
		memset(mine, 0, sizeof(ProjectionInfo));
		mine->type = T_ProjectionInfo;
		mine->pi_state.type = T_ExprState;
		mine->pi_state.resultslot = dbsync_routed_no_columns();
		mine->pi_exprContext = &target->direct->context;
	}
	mine->pi_state.evalfunc = capture_row;
	target->result->ri_projectReturning = mine;
}

static void
begin_target(DbsyncDirect *direct, int which, ResultRelInfo *result, Oid function)
{
	DbsyncDirectTarget *target = &direct->targets[which];

	target->direct = direct;
	target->result = result;
	if (result == direct->named)
	{
		target->triggers = direct->triggers;
		target->layout.same = true;
	}
	else
	{
		target->triggers = result->ri_TrigDesc;
		if (result->ri_TrigDesc != NULL)
			result->ri_TrigDesc = without_ours(result->ri_TrigDesc, function, CurrentMemoryContext);
		dbsync_layout_learn(&target->layout, RelationGetDescr(result->ri_RelationDesc),
							RelationGetDescr(direct->named->ri_RelationDesc));
	}
	target->assigned = assigned_columns(target, which);
	direct->interrupts |= can_be_interrupted(result);
	set_projection(target);
}

static void
begin_targets(DbsyncDirect *direct, Oid function)
{
	ModifyTableState *state = direct->state;
	EState	   *estate = state->ps.state;

	memset(&direct->context, 0, sizeof(ExprContext));
	direct->context.type = T_ExprContext;
	direct->context.ecxt_per_tuple_memory = estate->es_query_cxt;
	direct->ntargets = state->mt_nrels;
	direct->targets = direct->ntargets == 1 ? &direct->only :
		palloc(direct->ntargets * sizeof(DbsyncDirectTarget));
	for (int i = 0; i < direct->ntargets; i++)
		begin_target(direct, i, &state->resultRelInfo[i], function);
}

bool
dbsync_direct_begin(DbsyncDirect *direct, QueryDesc *query, Oid function)
{
	ModifyTableState *state = (ModifyTableState *) query->planstate;
	MemoryContext old;

	dbsync_follow_before(state->rootResultRelInfo->ri_RelationDesc);
	if (!dbsync_eligibility_is_plain(query, function))
		return false;
	old = MemoryContextSwitchTo(query->estate->es_query_cxt);
	direct->begun = direct->ignored = false;
	direct->state = state;
	direct->named = state->rootResultRelInfo;
	direct->triggers = direct->named->ri_TrigDesc;
	direct->rows = state->mt_transition_capture;
	direct->upserted = state->mt_oc_transition_capture;
	direct->named->ri_TrigDesc = without_ours(direct->triggers, function, CurrentMemoryContext);
	state->mt_transition_capture = state->mt_oc_transition_capture = NULL;
	direct->next_no = next_no();
	direct->ntargets = 0;
	direct->routed = NULL;
	/* what other triggers partitions have is not known before they are written to */
	direct->interrupts = dbsync_routed_is(state);
	if (direct->interrupts)
		direct->routed = dbsync_routed_begin(state, capture_routed, direct);
	else
		begin_targets(direct, function);
	MemoryContextSwitchTo(old);
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
	if (direct->routed != NULL)
		dbsync_routed_end(direct->routed);
	for (int i = 0; i < direct->ntargets; i++)
	{
		DbsyncDirectTarget *target = &direct->targets[i];

		target->result->ri_TrigDesc = target->triggers;
		target->result->ri_projectReturning = target->returning;
	}
	direct->named->ri_TrigDesc = direct->triggers;
	direct->state->mt_transition_capture = direct->rows;
	direct->state->mt_oc_transition_capture = direct->upserted;
}
