/*-------------------------------------------------------------------------
 *
 * extension/selection/selector.c
 *	  Running what a subscription sends of a table's rows, row by row.
 *
 * The query is planned once, and run again for each row, which a tuplestore shows to it under a name, as a
 * transition table is shown to a trigger.  So all of SQL works that works on one row, look-ups
 * into other tables included, and what the plan has made of those (hashed subplans) is kept from row to row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodes.h"
#include "parser/analyze.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "extension/owner.h"
#include "extension/selection/selection.h"

#include "extension/compat.h"

/* rows that a plan is made for: those of a batch, and not the one that it gets at a time */
#define ROWS_EXPECTED	1000

struct DbsyncSelector
{
	Oid			role;
	EphemeralNamedRelationData row;
	QueryEnvironment *environment;
	Tuplestorestate *store;
	QueryDesc  *query;
	DestReceiver receiver;
	TupleTableSlot *result;		/* of the row under way */
};

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	DbsyncSelector *selector = (DbsyncSelector *) ((char *) self - offsetof(DbsyncSelector, receiver));

	selector->result = slot;
	return true;
}

static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
}

static void
nothing(DestReceiver *self)
{
}

static void
show_rows(DbsyncSelector *selector, TupleDesc row)
{
	EphemeralNamedRelation enr = &selector->row;

	enr->md.name = DBSYNC_SELECTION_ROW;
	enr->md.reliddesc = InvalidOid;
	enr->md.tupdesc = row;
	enr->md.enrtype = ENR_NAMED_TUPLESTORE;
	enr->md.enrtuples = ROWS_EXPECTED;
	enr->reldata = selector->store;
	selector->environment = create_queryEnv();
	register_ENR(selector->environment, enr);
}

char *
dbsync_selector_bind(const char *sql, TupleDesc row)
{
	DbsyncSelector selector = {0};
	List	   *parsed = pg_parse_query(sql);

	if (list_length(parsed) != 1)
		elog(ERROR, "a selection is not one query: %s", sql);
	show_rows(&selector, row);
	return nodeToString(parse_analyze_fixedparams(linitial_node(RawStmt, parsed), sql, NULL, 0, selector.environment));
}

/* What it looks into is locked, and views are what they are now; functions and tables are known by their oids. */
static Query *
read_query(const char *bound)
{
	Query	   *query = castNode(Query, stringToNode(unconstify(char *, bound)));
	List	   *rewritten;

	AcquireRewriteLocks(query, true, false);
	rewritten = pg_rewrite_query(query);
	if (list_length(rewritten) != 1)
		elog(ERROR, "a selection is not one query");
	return linitial_node(Query, rewritten);
}

/* Nothing but a scan of the row, perhaps under a condition of its own: such a plan keeps nothing of it. */
static void
check_plan(const PlannedStmt *plan)
{
	const Plan *top = plan->planTree;

	while (top != NULL && IsA(top, Result))
		top = outerPlan(top);
	if (top != NULL && !IsA(top, NamedTuplestoreScan))
		elog(ERROR, "a selection is not worked out row by row");
}

DbsyncSelector *
dbsync_selector_begin(const char *bound, TupleDesc row, Oid role)
{
	DbsyncSelector *selector = palloc0(sizeof(DbsyncSelector));
	DbsyncOwner saved;
	PlannedStmt *plan;

	selector->role = role;
	selector->receiver.receiveSlot = receive;
	selector->receiver.rStartup = startup;
	selector->receiver.rShutdown = nothing;
	selector->receiver.rDestroy = nothing;
	selector->receiver.mydest = DestNone;
	selector->store = tuplestore_begin_heap(false, false, work_mem);
	show_rows(selector, row);
	dbsync_owner_begin(&saved, role);
	plan = pg_plan_query(read_query(bound), DBSYNC_SELECTION_ROW, 0, NULL);
	check_plan(plan);
	selector->query = CreateQueryDesc(plan, DBSYNC_SELECTION_ROW, GetActiveSnapshot(), InvalidSnapshot, &selector->receiver,
									  NULL, selector->environment, 0);
	ExecutorStart(selector->query, 0);
	dbsync_owner_end(&saved);
	return selector;
}

TupleTableSlot *
dbsync_selector_row(DbsyncSelector *selector, TupleTableSlot *row)
{
	DbsyncOwner saved;

	selector->result = NULL;
	tuplestore_clear(selector->store);
	tuplestore_puttupleslot(selector->store, row);
	dbsync_owner_begin(&saved, selector->role);
	ExecutorRewind(selector->query);
	dbsync_executor_run_compat(selector->query, 1);
	dbsync_owner_end(&saved);
	if (selector->result != NULL)
		slot_getallattrs(selector->result);
	return selector->result;
}

TupleDesc
dbsync_selector_desc(const DbsyncSelector *selector)
{
	return selector->query->tupDesc;
}

void
dbsync_selector_end(DbsyncSelector *selector)
{
	ExecutorFinish(selector->query);
	ExecutorEnd(selector->query);
	FreeQueryDesc(selector->query);
	tuplestore_end(selector->store);
	pfree(selector);
}

TupleDesc
dbsync_selector_describe(const char *bound)
{
	Query	   *query = castNode(Query, stringToNode(unconstify(char *, bound)));

	return ExecCleanTypeFromTL(query->targetList);
}
