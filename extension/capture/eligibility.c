/*-------------------------------------------------------------------------
 *
 * extension/capture/eligibility.c
 *	  Which plans are captured without triggers, and their transition tables.
 *
 * A plain plan writes to one captured table, or to partitions of one, in a way that our triggers would see
 * from beginning to end: DbsyncDirect can stand in for them.  Left to the triggers are
 * COPY and logical replication (no plan), MERGE, INSERTs that do on conflict what is
 * not known here, plans with modifying CTEs, tables in plain inheritance, tables with other
 * triggers that have transition tables, foreign-key actions
 * (their triggers belong to another statement), plans whose rows EXPLAIN ANALYZE or
 * auto_explain count, and plans that were begun without us: where the library is not
 * preloaded, the first one of each session.
 *
 * Of statements that name a partitioned table these are left to the triggers, too: INSERTs with
 * RETURNING or ON CONFLICT DO UPDATE, or in replica role, in which the partitions' row triggers fire;
 * and UPDATEs that may move rows to other partitions, since assignments or BEFORE ROW triggers
 * change what these go by: such a row is deleted where nobody works out RETURNING.
 *
 * Transition tables are made as a plan is started, whether or not they will be used,
 * and cost as much as the capture of a row.  So while a plain plan is started its
 * table says that none are wanted.  If it is then run by the triggers after all, they
 * are made late; and should it run past our hooks, the triggers are still there, find
 * that their tables are missing and fail the statement.
 *
 * Where all triggers are ours they are hidden for that moment, too.  The plan would copy
 * them one by one, with all their names, which costs as much again; it is handed a copy
 * that is kept (DbsyncEntry).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "extension/capture/cache.h"
#include "extension/capture/eligibility.h"
#include "extension/settings.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "extension/compat.h"

TriggerDesc *
dbsync_eligibility_split_triggers(const TriggerDesc *all, Oid function, bool ours, MemoryContext context)
{
	TriggerDesc *part = MemoryContextAlloc(context, sizeof(TriggerDesc));

	*part = *all;
	part->triggers = MemoryContextAlloc(context, all->numtriggers * sizeof(Trigger));
	memcpy(part->triggers, all->triggers, all->numtriggers * sizeof(Trigger));
	for (int i = 0; i < part->numtriggers; i++)
	{
		if ((part->triggers[i].tgfoid == function) != ours)
			part->triggers[i].tgenabled = TRIGGER_DISABLED;
	}
	return part;
}

/*
 * The kinds of change that an INSERT makes.  Whatever a newer PostgreSQL does on conflict
 * is left to the triggers until it is known here: DO SELECT of PostgreSQL 19 works out
 * RETURNING for a row that it finds and does not write, which is no row to be captured.
 */
static int16
changes_of_insert(const ModifyTable *plan)
{
	switch (plan->onConflictAction)
	{
		case ONCONFLICT_NONE:
		case ONCONFLICT_NOTHING:
			return TRIGGER_TYPE_INSERT;
		case ONCONFLICT_UPDATE:
			return TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE;
		default:
			return 0;
	}
}

/* The kinds of change that a plan makes; 0 for MERGE, and what is not known. */
static int16
changes_of(const ModifyTable *plan)
{
	switch (plan->operation)
	{
		case CMD_INSERT:
			return changes_of_insert(plan);
		case CMD_UPDATE:
			return TRIGGER_TYPE_UPDATE;
		case CMD_DELETE:
			return TRIGGER_TYPE_DELETE;
		default:
			return 0;
	}
}

/*
 * The kinds of change that our AFTER STATEMENT triggers would capture.  Others must not
 * want transition tables: foreign-key actions of this statement on the same table would
 * find its rows in them.
 */
static int16
captured_changes(const TriggerDesc *triggers, Oid function)
{
	int16		captured = 0;

	if (triggers == NULL)
		return 0;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgfoid != function)
		{
			if (trigger->tgoldtable != NULL || trigger->tgnewtable != NULL)
				return 0;
		}
		else if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS &&
				 TRIGGER_FOR_AFTER(trigger->tgtype) && !TRIGGER_FOR_ROW(trigger->tgtype))
			captured |= trigger->tgtype;
	}
	return captured;
}

/* What the table's triggers come to; kept until one of them changes. */
static void
learn_triggers(DbsyncEntry *entry, Oid function)
{
	if (entry->triggers_known)
		return;
	entry->plain = captured_changes(entry->triggers, function);
	entry->only_ours = entry->triggers != NULL;
	for (int i = 0; entry->only_ours && i < entry->triggers->numtriggers; i++)
		entry->only_ours = entry->triggers->triggers[i].tgfoid == function;
	entry->triggers_known = true;
}

/* The relation that the statement names. */
static Index
named_relation(const ModifyTable *plan)
{
	return plan->rootRelation != 0 ? plan->rootRelation : linitial_int(plan->resultRelations);
}

/* Is it a plan of the plain kind?  As far as that is known before it is begun. */
static bool
is_plain(const QueryDesc *query, int eflags)
{
	const PlannedStmt *stmt = query->plannedstmt;
	const ModifyTable *plan = (ModifyTable *) stmt->planTree;

	return dbsync_direct_capture && IsA(plan, ModifyTable) &&
		(plan->rootRelation != 0 || list_length(plan->resultRelations) == 1) &&
		query->instrument_options == 0 &&
		!(eflags & (EXEC_FLAG_SKIP_TRIGGERS | EXEC_FLAG_EXPLAIN_ONLY)) &&
		!stmt->hasModifyingCTE;
}

/* Of a statement that names a partitioned table. */
static bool
is_plain_partitioned(const ModifyTable *plan)
{
	switch (plan->operation)
	{
		case CMD_INSERT:
			return plan->returningLists == NIL && plan->onConflictAction != ONCONFLICT_UPDATE &&
				SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA;
		case CMD_UPDATE:
			return plan->rootRelation != 0 && !dbsync_may_move_rows_compat(plan);
		default:
			return plan->rootRelation != 0;
	}
}

/* And still to begin, of one table, or of partitions that we see all rows of? */
static bool
is_simple(const ModifyTableState *state)
{
	if (!state->fireBSTriggers)
		return false;
	if (((ModifyTable *) state->ps.plan)->rootRelation == 0)
		return state->mt_nrels == 1 && state->rootResultRelInfo == state->resultRelInfo;
	for (int i = 0; i < state->mt_nrels; i++)
	{
		const ResultRelInfo *target = &state->resultRelInfo[i];

		if (target->ri_FdwRoutine != NULL ||
			(state->operation == CMD_UPDATE && target->ri_TrigDesc != NULL &&
			 target->ri_TrigDesc->trig_update_before_row))
			return false;
	}
	return true;
}

/* Most tables that are written to are none of ours: do not look them up. */
static bool
has_ours(const TriggerDesc *triggers, Oid function)
{
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		if (triggers->triggers[i].tgfoid == function)
			return true;
	}
	return false;
}

/* What is known of the table, if our triggers would capture all that the plan does; or NULL. */
static DbsyncEntry *
captured_by_ours(Relation rel, Oid function, const ModifyTable *plan)
{
	int16		changes = changes_of(plan);
	DbsyncEntry *entry;

	if (changes == 0 || !has_ours(rel->trigdesc, function))
		return NULL;
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ? !is_plain_partitioned(plan)
		: (rel->rd_rel->relkind != RELKIND_RELATION || plan->rootRelation != 0))
		return NULL;
	entry = dbsync_cache_find(rel);
	if (entry->mode != DBSYNC_MODE_CAPTURE || entry->by_row)
		return NULL;
	learn_triggers(entry, function);
	return (entry->plain & changes) == changes ? entry : NULL;
}

bool
dbsync_eligibility_is_plain(const QueryDesc *query, Oid function)
{
	const ModifyTableState *state = (ModifyTableState *) query->planstate;

	return is_plain(query, query->estate->es_top_eflags) && is_simple(state) &&
		query->estate->es_instrument == 0 &&
		captured_by_ours(state->rootResultRelInfo->ri_RelationDesc, function,
						 (ModifyTable *) state->ps.plan) != NULL;
}

static void
want_no_tables(TriggerDesc *triggers)
{
	triggers->trig_insert_new_table = false;
	triggers->trig_update_old_table = false;
	triggers->trig_update_new_table = false;
	triggers->trig_delete_old_table = false;
}

void
dbsync_eligibility_hide_tables(DbsyncHidden *hidden, const QueryDesc *query, int eflags,
							   Oid function)
{
	ModifyTable *plan = (ModifyTable *) query->plannedstmt->planTree;
	DbsyncEntry *entry;
	TriggerDesc *triggers;
	Relation	rel;

	hidden->rel = NULL;
	hidden->copied = NULL;
	if (!is_plain(query, eflags))
		return;
	rel = RelationIdGetRelation(rt_fetch(named_relation(plan), query->plannedstmt->rtable)->relid);
	if (rel == NULL)
		return;
	entry = captured_by_ours(rel, function, plan);
	if (entry == NULL)
	{
		RelationClose(rel);
		return;
	}
	triggers = rel->trigdesc;
	hidden->rel = rel;
	hidden->triggers = triggers;
	hidden->before = *triggers;
	want_no_tables(triggers);
	if (entry->only_ours && entry->triggers->numtriggers == triggers->numtriggers)
	{
		triggers->numtriggers = 0;
		hidden->copied = entry->triggers->triggers;
	}
}

void
dbsync_eligibility_show_tables(DbsyncHidden *hidden)
{
	Relation	rel = hidden->rel;

	if (rel == NULL)
		return;
	/* made anew meanwhile it is as it should be, wherever it lies */
	if (rel->trigdesc == hidden->triggers)
	{
		rel->trigdesc->trig_insert_new_table = hidden->before.trig_insert_new_table;
		rel->trigdesc->trig_update_old_table = hidden->before.trig_update_old_table;
		rel->trigdesc->trig_update_new_table = hidden->before.trig_update_new_table;
		rel->trigdesc->trig_delete_old_table = hidden->before.trig_delete_old_table;
		rel->trigdesc->numtriggers = hidden->before.numtriggers;
	}
	hidden->rel = NULL;
	RelationClose(rel);
}

/*
 * What InitResultRelInfo() would have made of the triggers, but for the triggers
 * themselves: the copy that is kept lives until the end of the transaction, and so
 * longer than the plan.
 */
void
dbsync_eligibility_hand_over(const DbsyncHidden *hidden, QueryDesc *query)
{
	ResultRelInfo *target;
	int			n = hidden->before.numtriggers;

	if (hidden->copied == NULL)
		return;
	target = ((ModifyTableState *) query->planstate)->rootResultRelInfo;
	/* made anew meanwhile, they were copied */
	if (target->ri_TrigDesc != NULL)
		return;
	target->ri_TrigDesc = MemoryContextAlloc(query->estate->es_query_cxt, sizeof(TriggerDesc));
	*target->ri_TrigDesc = hidden->before;
	target->ri_TrigDesc->triggers = hidden->copied;
	want_no_tables(target->ri_TrigDesc);
	target->ri_TrigFunctions = MemoryContextAllocZero(query->estate->es_query_cxt,
													  n * sizeof(FmgrInfo));
	target->ri_TrigWhenExprs = MemoryContextAllocZero(query->estate->es_query_cxt,
													  n * sizeof(ExprState *));
}

void
dbsync_eligibility_make_tables(QueryDesc *query)
{
	ModifyTableState *state = (ModifyTableState *) query->planstate;
	ResultRelInfo *target = state->rootResultRelInfo;
	TriggerDesc *triggers = target->ri_TrigDesc;
	Oid			relid = RelationGetRelid(target->ri_RelationDesc);
	MemoryContext old;

	if (!state->fireBSTriggers || state->mt_transition_capture != NULL)
		return;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		bool		old_table = trigger->tgoldtable != NULL;
		bool		new_table = trigger->tgnewtable != NULL;

		triggers->trig_insert_new_table |= new_table && TRIGGER_FOR_INSERT(trigger->tgtype);
		triggers->trig_update_new_table |= new_table && TRIGGER_FOR_UPDATE(trigger->tgtype);
		triggers->trig_update_old_table |= old_table && TRIGGER_FOR_UPDATE(trigger->tgtype);
		triggers->trig_delete_old_table |= old_table && TRIGGER_FOR_DELETE(trigger->tgtype);
	}
	old = MemoryContextSwitchTo(query->estate->es_query_cxt);
	state->mt_transition_capture =
		MakeTransitionCaptureState(triggers, relid, state->operation);
	if (((ModifyTable *) state->ps.plan)->onConflictAction == ONCONFLICT_UPDATE)
		state->mt_oc_transition_capture =
			MakeTransitionCaptureState(triggers, relid, CMD_UPDATE);
	MemoryContextSwitchTo(old);
}
