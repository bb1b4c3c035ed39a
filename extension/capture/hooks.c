/*-------------------------------------------------------------------------
 *
 * extension/capture/hooks.c
 *	  The executor's hooks: who captures a plan, and how it is started, run and finished.
 *
 * A plan that can be captured without triggers is started without their transition
 * tables (dbsync_eligibility_hide_tables()) and captured as it runs (dbsync_direct_begin()).
 *
 * SPI with a row limit stops "INSERT ... RETURNING" before its AFTER STATEMENT
 * triggers are queued.  Ours are then queued here, as the plan is finished; the
 * user's own are not, as without us.  So are those that a MERGE leaves out which moves rows
 * to other partitions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "extension/capture/direct.h"
#include "extension/capture/eligibility.h"
#include "extension/capture/hooks.h"
#include "extension/capture/running.h"
#include "extension/catalog.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "extension/compat.h"

/* dbsync_internal.capture(), looked up when the first plan with triggers runs */
static FmgrInfo capture_info;	/* fn_oid 0: not known */
static bool looked_up = false;

static ExecutorStart_hook_type previous_start = NULL;
static ExecutorRun_hook_type previous_run = NULL;
static ExecutorFinish_hook_type previous_finish = NULL;

static void
forget_function(Datum arg, int cacheid, uint32 hash)
{
	capture_info.fn_oid = InvalidOid;
	looked_up = false;
}

/*
 * The function by which our triggers are told from others; InvalidOid where the
 * extension is not installed.  It is looked up anew when a function may have
 * changed.
 */
static Oid
capture_function(void)
{
	static bool registered = false;
	Oid			function;

	if (looked_up)
		return capture_info.fn_oid;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, forget_function, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_function, (Datum) 0);
		registered = true;
	}
	looked_up = true;
	function = dbsync_catalog_function("capture", buildoidvector(NULL, 0));
	if (OidIsValid(function))
		fmgr_info_cxt(function, &capture_info, TopMemoryContext);
	return function;
}

static bool
has_triggers(const QueryDesc *query)
{
	const ModifyTableState *state = (ModifyTableState *) query->planstate;

	return state != NULL && IsA(state, ModifyTableState) &&
		state->rootResultRelInfo->ri_TrigDesc != NULL;
}

/*
 * Each execution of a plan looks its triggers' functions up; save it ours.
 */
static void
fill_functions(QueryDesc *query)
{
	ModifyTableState *state = (ModifyTableState *) query->planstate;
	ResultRelInfo *target = state->rootResultRelInfo;
	TriggerDesc *triggers = target->ri_TrigDesc;

	for (int i = 0; i < triggers->numtriggers; i++)
	{
		FmgrInfo   *info = &target->ri_TrigFunctions[i];

		if (triggers->triggers[i].tgfoid == capture_info.fn_oid && !OidIsValid(info->fn_oid))
		{
			*info = capture_info;
			info->fn_mcxt = query->estate->es_query_cxt;
		}
	}
}

static void
pass_start(QueryDesc *query, int eflags)
{
	if (previous_start)
		previous_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

static void
note_start(QueryDesc *query, int eflags)
{
	DbsyncHidden hidden;

	if (!dbsync_running_writes(query) || !OidIsValid(capture_function()))
	{
		pass_start(query, eflags);
		return;
	}
	dbsync_eligibility_hide_tables(&hidden, query, eflags, capture_info.fn_oid);
	PG_TRY();
	{
		pass_start(query, eflags);
	}
	PG_FINALLY();
	{
		dbsync_eligibility_show_tables(&hidden);
	}
	PG_END_TRY();
	dbsync_eligibility_hand_over(&hidden, query);
}

static void
pass_run(DBSYNC_RUN_PARAMETERS_COMPAT)
{
	if (previous_run)
		previous_run(DBSYNC_RUN_ARGUMENTS_COMPAT);
	else
		standard_ExecutorRun(DBSYNC_RUN_ARGUMENTS_COMPAT);
}

static void
note_run(DBSYNC_RUN_PARAMETERS_COMPAT)
{
	DbsyncRunning mine;
	DbsyncDirect direct;

	if (!dbsync_running_writes(query))
	{
		pass_run(DBSYNC_RUN_ARGUMENTS_COMPAT);
		return;
	}
	dbsync_running_begin(&mine, query);
	direct.state = NULL;
	PG_TRY();
	{
		if (has_triggers(query) && OidIsValid(capture_function()))
		{
			if (!dbsync_direct_begin(&direct, query, capture_info.fn_oid))
			{
				dbsync_eligibility_make_tables(query);
				fill_functions(query);
			}
			else if (!query->plannedstmt->hasReturning)
				count = 0;		/* none are returned, so none are counted */
		}
		pass_run(DBSYNC_RUN_ARGUMENTS_COMPAT);
		dbsync_direct_flush(&direct);
	}
	PG_FINALLY();
	{
		dbsync_direct_end(&direct);
		dbsync_running_end(&mine);
	}
	PG_END_TRY();
}

/* Queue AFTER STATEMENT triggers as the plan itself would have. */
static void
queue_after_statement(ModifyTableState *state, EState *estate, ResultRelInfo *target)
{
	ModifyTable *plan = (ModifyTable *) state->ps.plan;
	TransitionCaptureState *rows = state->mt_transition_capture;

	switch (state->operation)
	{
		case CMD_INSERT:
			if (plan->onConflictAction == ONCONFLICT_UPDATE)
				ExecASUpdateTriggers(estate, target, state->mt_oc_transition_capture);
			ExecASInsertTriggers(estate, target, rows);
			break;
		case CMD_UPDATE:
			ExecASUpdateTriggers(estate, target, rows);
			break;
		case CMD_DELETE:
			ExecASDeleteTriggers(estate, target, rows);
			break;
		case CMD_MERGE:
			if (state->mt_merge_subcommands & MERGE_DELETE)
				ExecASDeleteTriggers(estate, target, rows);
			if (state->mt_merge_subcommands & MERGE_UPDATE)
				ExecASUpdateTriggers(estate, target, rows);
			if (state->mt_merge_subcommands & MERGE_INSERT)
				ExecASInsertTriggers(estate, target, rows);
			break;
		default:
			break;
	}
}

/*
 * Queue our AFTER STATEMENT triggers for a plan that was begun and stopped by a
 * row limit.  The user's are hidden for that moment: they would not have fired.
 */
static void
end_stopped_statement(QueryDesc *query)
{
	ModifyTableState *state = (ModifyTableState *) query->planstate;
	EState	   *estate = query->estate;
	ResultRelInfo *target;
	TriggerDesc *all;
	MemoryContext old;

	/* without transition tables it was captured as it went */
	if (state == NULL || !IsA(state, ModifyTableState) || state->mt_done ||
		state->fireBSTriggers || state->mt_transition_capture == NULL)
		return;
	target = state->rootResultRelInfo;
	all = target->ri_TrigDesc;
	if (all == NULL || !OidIsValid(capture_function()))
		return;

	old = MemoryContextSwitchTo(estate->es_query_cxt);
	target->ri_TrigDesc = dbsync_eligibility_split_triggers(all, capture_info.fn_oid, true,
															estate->es_query_cxt);
	PG_TRY();
	{
		queue_after_statement(state, estate, target);
	}
	PG_FINALLY();
	{
		target->ri_TrigDesc = all;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}

/*
 * MERGE hands rows of a partitioned table that its UPDATE moves to another partition to the
 * transition tables of DELETE and INSERT, and fires the triggers of these only if it says
 * DELETE and INSERT.  So ours are queued here.
 */
static void
end_merge(ModifyTableState *state, EState *estate)
{
	ResultRelInfo *target = state->rootResultRelInfo;
	TriggerDesc *all = target->ri_TrigDesc;
	TransitionCaptureState *rows = state->mt_transition_capture;
	MemoryContext old;

	if (state->operation != CMD_MERGE || rows == NULL || all == NULL ||
		target->ri_RelationDesc->rd_rel->relkind != RELKIND_PARTITIONED_TABLE ||
		!(state->mt_merge_subcommands & MERGE_UPDATE) || !OidIsValid(capture_function()))
		return;
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	target->ri_TrigDesc = dbsync_eligibility_split_triggers(all, capture_info.fn_oid, true,
															estate->es_query_cxt);
	PG_TRY();
	{
		/* as the server does: those before the statement, then those after it */
		if (!(state->mt_merge_subcommands & MERGE_DELETE))
		{
			ExecBSDeleteTriggers(estate, target);
			ExecASDeleteTriggers(estate, target, rows);
		}
		if (!(state->mt_merge_subcommands & MERGE_INSERT))
		{
			ExecBSInsertTriggers(estate, target);
			ExecASInsertTriggers(estate, target, rows);
		}
	}
	PG_FINALLY();
	{
		target->ri_TrigDesc = all;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}

/* The plan's own MERGE, and those in its WITH. */
static void
end_merges(QueryDesc *query)
{
	EState	   *estate = query->estate;
	PlanState  *top = query->planstate;
	ListCell   *lc;

	if (top != NULL && IsA(top, ModifyTableState))
		end_merge((ModifyTableState *) top, estate);
	foreach(lc, estate->es_auxmodifytables)
	{
		if (lfirst(lc) != top)
			end_merge(lfirst(lc), estate);
	}
}

static void
pass_finish(QueryDesc *query)
{
	if (previous_finish)
		previous_finish(query);
	else
		standard_ExecutorFinish(query);
}

static void
note_finish(QueryDesc *query)
{
	DbsyncRunning mine;

	if (!dbsync_running_writes(query))
	{
		pass_finish(query);
		return;
	}
	dbsync_running_begin(&mine, query);
	PG_TRY();
	{
		end_stopped_statement(query);
		end_merges(query);
		pass_finish(query);
	}
	PG_FINALLY();
	{
		dbsync_running_end(&mine);
	}
	PG_END_TRY();
}

void
dbsync_hooks_init(void)
{
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = note_start;
	previous_run = ExecutorRun_hook;
	ExecutorRun_hook = note_run;
	previous_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = note_finish;
}
