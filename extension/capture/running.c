/*-------------------------------------------------------------------------
 *
 * extension/capture/running.c
 *	  Running plans that write, and what triggers must know of them.
 *
 * An upsert or MERGE fires BEFORE STATEMENT and AFTER STATEMENT of several
 * operations, interleaved just like those of a statement whose function writes
 * to the same table.  The former never touches a row twice, the latter may; so
 * the plan is asked.  For that, running plans that write are kept on a stack.
 * Foreign-key actions run without firing their own AFTER triggers: they add rows
 * to the transition tables of the plan below them, which therefore is no plain
 * upsert any more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "extension/capture/running.h"
#include "nodes/execnodes.h"
#include "nodes/plannodes.h"
#include "utils/rel.h"

static DbsyncRunning *running = NULL;

void
dbsync_running_begin(DbsyncRunning *mine, QueryDesc *query)
{
	mine->query = query;
	mine->disturbed = false;
	mine->below = running;
	if (running != NULL && (query->estate->es_top_eflags & EXEC_FLAG_SKIP_TRIGGERS))
		running->disturbed = true;
	running = mine;
}

void
dbsync_running_end(const DbsyncRunning *mine)
{
	running = mine->below;
}

const void *
dbsync_running_upsert(const TriggerData *trigdata)
{
	PlannedStmt *stmt;
	ModifyTable *plan;
	ModifyTableState *state;
	TriggerDesc *triggers;

	if (running == NULL || running->disturbed)
		return NULL;
	stmt = running->query->plannedstmt;
	if (stmt->hasModifyingCTE || !IsA(stmt->planTree, ModifyTable))
		return NULL;
	plan = (ModifyTable *) stmt->planTree;
	if (plan->operation != CMD_MERGE && plan->onConflictAction != ONCONFLICT_UPDATE)
		return NULL;

	/* COPY fires triggers without a plan: is it this plan's own trigger? */
	state = castNode(ModifyTableState, running->query->planstate);
	/* a row that it moves is captured twice */
	if (plan->operation == CMD_MERGE &&
		state->rootResultRelInfo->ri_RelationDesc->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return NULL;
	triggers = state->rootResultRelInfo->ri_TrigDesc;
	if (triggers == NULL ||
		trigdata->tg_trigger < triggers->triggers ||
		trigdata->tg_trigger >= triggers->triggers + triggers->numtriggers)
		return NULL;
	return running->query;
}

/*
 * Without a plan there is COPY, which inserts and starts no foreign-key actions,
 * and logical replication, which may.
 */
bool
dbsync_running_disturbed(const TriggerData *trigdata)
{
	if (running == NULL)
		return !TRIGGER_FIRED_BY_INSERT(trigdata->tg_event);
	return running->disturbed;
}
