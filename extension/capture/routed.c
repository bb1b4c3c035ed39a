/*-------------------------------------------------------------------------
 *
 * extension/capture/routed.c
 *	  Rows that lie in partitions of the relation that a statement names.
 *
 * An INSERT opens a partition when the first row comes to it, and makes there what it needs
 * to work out RETURNING, if the plan says that there is some.  So the plan is handed to it as
 * a copy that returns no columns: for each row the executor then empties the slot for what is
 * returned, and that slot is of our own kind: emptying it is our call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "extension/capture/routed.h"
#include "jit/jit.h"
#include "nodes/plannodes.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "extension/compat.h"

/* from so many rows on it is worth while to have them as they are stored */
#define SEVERAL_ROWS		2

struct DbsyncRouted
{
	TupleTableSlot slot;		/* first: it is cast */
	ExprContext context;		/* where the executor puts the row */
	ModifyTable plan;			/* the copy */
	ModifyTableState *state;
	DbsyncRoutedRow call;
	void	   *arg;
	int			nrows;			/* so far, up to SEVERAL_ROWS */

	/* partitions whose rows have another layout have slots of their own, all others one */
	TupleTableSlot *latest;
	DbsyncLayout *layout;		/* of that one; NULL: it is the named relation's */
	HTAB	   *layouts;		/* by their slots; NULL: none so far */

	/* as it was before */
	Plan	   *plan_before;
	TupleTableSlot *slot_before;
	TupleTableSlot *new_before;
	ExprContext *context_before;
	int			jit_before;
};

/* entry of layouts */
typedef struct SlotLayout
{
	TupleTableSlot *slot;		/* hash key */
	DbsyncLayout *layout;
} SlotLayout;

/* Values that are never packed must not be copied from where they may be. */
static bool
is_stored_alike(TupleDesc a, TupleDesc b)
{
	for (int i = 0; i < a->natts; i++)
	{
		if (TupleDescAttr(a, i)->attstorage != TupleDescAttr(b, i)->attstorage)
			return false;
	}
	return true;
}

void
dbsync_layout_learn(DbsyncLayout *layout, TupleDesc partition, TupleDesc named)
{
	layout->map = convert_tuples_by_name(partition, named);
	layout->same = layout->map == NULL && is_stored_alike(partition, named);
	if (layout->same)
		return;
	for (int i = 0; i < lengthof(layout->rows); i++)
		layout->rows[i] = dbsync_make_slot_compat(CreateTupleDescCopy(named), &TTSOpsVirtual);
}

TupleTableSlot *
dbsync_layout_row(DbsyncLayout *layout, int which, TupleTableSlot *row)
{
	if (layout->same)
		return row;
	if (layout->map != NULL)
		return execute_attr_map_slot(layout->map->attrMap, row, layout->rows[which]);
	return ExecCopySlot(layout->rows[which], row);
}

/* A row in a slot of its partition's own has that one's layout. */
static DbsyncLayout *
find_layout(DbsyncRouted *routed, TupleTableSlot *row)
{
	Relation	named = routed->state->rootResultRelInfo->ri_RelationDesc;
	SlotLayout *found;
	bool		known;

	if (get_rel_type_id(row->tts_tableOid) != row->tts_tupleDescriptor->tdtypeid)
		return NULL;
	if (routed->layouts == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(TupleTableSlot *);
		ctl.entrysize = sizeof(SlotLayout);
		ctl.hcxt = routed->state->ps.state->es_query_cxt;
		routed->layouts = hash_create("dbsync layouts", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	found = hash_search(routed->layouts, &row, HASH_ENTER, &known);
	if (!known)
	{
		MemoryContext old = MemoryContextSwitchTo(routed->state->ps.state->es_query_cxt);

		found->layout = palloc(sizeof(DbsyncLayout));
		dbsync_layout_learn(found->layout, row->tts_tupleDescriptor, RelationGetDescr(named));
		MemoryContextSwitchTo(old);
	}
	return found->layout;
}

/*
 * Partitioned tables store nothing, so the executor has rows for them as loose values, forms
 * each for the partition and throws that away.  Have it form them before, as it does for other
 * tables: they are copied from there.  Only where rows come as values, always: what is stored in
 * another table would be taken as it is there, without columns that were added since.
 */
static void
want_stored_rows(ModifyTableState *state)
{
	ResultRelInfo *named = state->rootResultRelInfo;
	PlanState  *source = outerPlanState(state);
	bool		always;

	if (!named->ri_projectNewInfoValid || named->ri_projectNew != NULL ||
		ExecGetResultSlotOps(source, &always) != &TTSOpsVirtual || !always)
		return;
	named->ri_newTupleSlot =
		dbsync_make_slot_compat(CreateTupleDescCopy(RelationGetDescr(named->ri_RelationDesc)), &TTSOpsHeapTuple);
}

/* The executor empties our slot: it has written the row that its context points to. */
static void
take_row(TupleTableSlot *slot)
{
	DbsyncRouted *routed = (DbsyncRouted *) slot;
	TupleTableSlot *row = routed->context.ecxt_scantuple;

	slot->tts_flags |= TTS_FLAG_EMPTY;
	if (row == NULL)
		return;
	routed->context.ecxt_scantuple = NULL;
	if (routed->nrows < SEVERAL_ROWS && ++routed->nrows == SEVERAL_ROWS)
	{
		MemoryContext old = MemoryContextSwitchTo(routed->state->ps.state->es_query_cxt);

		routed->new_before = routed->state->rootResultRelInfo->ri_newTupleSlot;
		want_stored_rows(routed->state);
		MemoryContextSwitchTo(old);
	}
	if (row != routed->latest)
	{
		routed->layout = find_layout(routed, row);
		routed->latest = row;
	}
	if (routed->layout != NULL)
		row = dbsync_layout_row(routed->layout, 0, row);
	routed->call(routed->arg, row);
}

static const TupleTableSlotOps slot_ops = {
	.base_slot_size = sizeof(DbsyncRouted),
	.clear = take_row
};

TupleTableSlot *
dbsync_routed_no_columns(void)
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

bool
dbsync_routed_is(const ModifyTableState *state)
{
	return state->operation == CMD_INSERT &&
		state->rootResultRelInfo->ri_RelationDesc->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
}

DbsyncRouted *
dbsync_routed_begin(ModifyTableState *state, DbsyncRoutedRow call, void *arg)
{
	DbsyncRouted *routed = palloc0(sizeof(DbsyncRouted));
	EState	   *estate = state->ps.state;

	routed->slot.type = T_TupleTableSlot;
	routed->slot.tts_flags = TTS_FLAG_EMPTY | TTS_FLAG_FIXED;
	routed->slot.tts_tupleDescriptor = dbsync_routed_no_columns()->tts_tupleDescriptor;
	*((const TupleTableSlotOps **) &routed->slot.tts_ops) = &slot_ops;
	/* the executor empties its memory between two rows, as it does the plan's */
	routed->context.type = T_ExprContext;
	routed->context.ecxt_estate = estate;
	routed->context.ecxt_per_query_memory = estate->es_query_cxt;
	routed->context.ecxt_per_tuple_memory = GetPerTupleMemoryContext(estate);
	memcpy(&routed->plan, state->ps.plan, sizeof(ModifyTable));
	routed->plan.returningLists = list_make1(NIL);
	routed->state = state;
	routed->call = call;
	routed->arg = arg;

	routed->plan_before = state->ps.plan;
	routed->slot_before = state->ps.ps_ResultTupleSlot;
	routed->context_before = state->ps.ps_ExprContext;
	routed->jit_before = estate->es_jit_flags;
	state->ps.plan = (Plan *) &routed->plan;
	state->ps.ps_ResultTupleSlot = &routed->slot;
	state->ps.ps_ExprContext = &routed->context;
	/* it would have nothing compiled, once for each partition */
	estate->es_jit_flags &= ~PGJIT_EXPR;
	return routed;
}

void
dbsync_routed_end(DbsyncRouted *routed)
{
	ModifyTableState *state = routed->state;

	state->ps.plan = routed->plan_before;
	state->ps.ps_ResultTupleSlot = routed->slot_before;
	state->ps.ps_ExprContext = routed->context_before;
	state->ps.state->es_jit_flags = routed->jit_before;
	if (routed->nrows == SEVERAL_ROWS)
		state->rootResultRelInfo->ri_newTupleSlot = routed->new_before;
}
