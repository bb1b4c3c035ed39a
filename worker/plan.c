/*-------------------------------------------------------------------------
 *
 * worker/plan.c
 *	  The SQL that reads a cut of one table.
 *
 * A cut is read from the blocks that its headers name, and from no others.
 * Ranges are parameters: the planner makes a TID range scan of them only under
 * a LATERAL that it may not flatten (OFFSET 0).
 *
 * Plans are kept, by the text of their query, for the life of the process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "extension/members.h"
#include "worker/complete.h"
#include "worker/fold.h"
#include "worker/order.h"
#include "worker/plan.h"
#include "worker/scan.h"

#define MAX_PLANS 500

typedef struct CachedPlanEntry
{
	uint64		hash;			/* of the query's text */
	char	   *sql;
	SPIPlanPtr	plan;
} CachedPlanEntry;

static HTAB *plans = NULL;

/* parameters of a query under construction */
typedef struct Params
{
	int			n;
	int			allocated;
	Oid		   *types;
	Datum	   *values;
} Params;

static int
add_param(Params *params, Oid type, Datum value)
{
	if (params->n == params->allocated)
	{
		params->allocated = Max(8, params->allocated * 2);
		params->types = params->types
			? repalloc(params->types, sizeof(Oid) * params->allocated)
			: palloc(sizeof(Oid) * params->allocated);
		params->values = params->values
			? repalloc(params->values, sizeof(Datum) * params->allocated)
			: palloc(sizeof(Datum) * params->allocated);
	}
	params->types[params->n] = type;
	params->values[params->n] = value;
	return ++params->n;
}

static void
forget_plans(void)
{
	HASH_SEQ_STATUS seq;
	CachedPlanEntry *entry;

	hash_seq_init(&seq, plans);
	while ((entry = hash_seq_search(&seq)) != NULL)
	{
		SPI_freeplan(entry->plan);
		pfree(entry->sql);
	}
	hash_destroy(plans);
	plans = NULL;
}

/* a kept plan for the text; made when there is none yet */
static SPIPlanPtr
plan_for(const char *sql, const Params *params)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) sql, strlen(sql), 0);
	CachedPlanEntry *entry;
	SPIPlanPtr	plan;

	if (plans != NULL && hash_get_num_entries(plans) >= MAX_PLANS)
		forget_plans();
	if (plans == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(uint64);
		ctl.entrysize = sizeof(CachedPlanEntry);
		ctl.hcxt = TopMemoryContext;
		plans = hash_create("dbsync plans", 64, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(plans, &hash, HASH_FIND, NULL);
	if (entry != NULL && strcmp(entry->sql, sql) == 0)
		return entry->plan;

	/* what the parameters are changes nothing, so plan once and not per batch */
	plan = SPI_prepare_cursor(sql, params->n, params->types, CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not plan \"%s\"", sql);
	if (entry == NULL)			/* two texts of one hash: the first is kept */
	{
		char	   *text = MemoryContextStrdup(TopMemoryContext, sql);

		SPI_keepplan(plan);
		entry = hash_search(plans, &hash, HASH_ENTER, NULL);
		entry->sql = text;
		entry->plan = plan;
	}
	return plan;
}

static void
run_plan(SPIPlanPtr plan, const Params *params, DestReceiver *receiver)
{
	SPIExecuteOptions options = {0};
	ParamListInfo list = makeParamList(params->n);

	for (int i = 0; i < params->n; i++)
	{
		list->params[i].value = params->values[i];
		list->params[i].isnull = false;
		list->params[i].pflags = PARAM_FLAG_CONST;
		list->params[i].ptype = params->types[i];
	}
	options.params = list;
	options.read_only = true;	/* on the active snapshot */
	options.dest = receiver;
	if (SPI_execute_plan_extended(plan, &options) < 0)
		elog(ERROR, "could not read a cut: %s", SPI_result_code_string(SPI_result));
}

/* block bounds as an array of tids: (first, 0) or (last + 1, 0) */
static Datum
bounds(const DbsyncCutSegment *segment, bool upper)
{
	Datum	   *elements = palloc(sizeof(Datum) * segment->n);

	for (int i = 0; i < segment->n; i++)
	{
		ItemPointer tid = palloc(sizeof(ItemPointerData));

		ItemPointerSet(tid, upper ? segment->last[i] + 1 : segment->first[i], 0);
		elements[i] = PointerGetDatum(tid);
	}
	return PointerGetDatum(construct_array(elements, segment->n, TIDOID,
										   sizeof(ItemPointerData), false,
										   TYPALIGN_SHORT));
}

/* place, operation and marks are called p, o, m; the table's columns c1 ... */
static void
append_columns(StringInfo sql, const DbsyncTable *table, const char *place)
{
	appendStringInfo(sql, "SELECT %s AS p, s.%s AS o, s.%s AS m", place,
					 quote_identifier(table->columns_of_ours[2]),
					 quote_identifier(table->columns_of_ours[3]));
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(sql, ", s.%s AS c%d", quote_identifier(table->columns[i]), i);
}

/* the rows of one segment's ranges */
static void
append_segment(StringInfo sql, Params *params, const DbsyncTable *table,
			   Oid segment, const DbsyncCutSegment *cut)
{
	const char *xid = quote_identifier(table->columns_of_ours[0]);
	int			from = add_param(params, TIDARRAYOID, bounds(cut, false));
	int			to = add_param(params, TIDARRAYOID, bounds(cut, true));

	append_columns(sql, table,
				   psprintf("dbsync_internal.window_place(s.%s, s.%s)", xid,
							quote_identifier(table->columns_of_ours[1])));
	appendStringInfo(sql, " FROM unnest($%d, $%d) r(a, b), LATERAL"
					 " (SELECT * FROM ONLY %s t WHERE t.ctid >= r.a AND t.ctid < r.b OFFSET 0) s"
					 " WHERE dbsync_internal.window_has(s.%s)",
					 from, to,
					 quote_qualified_identifier("dbsync_internal", get_rel_name(segment)), xid);
}

/* What queries call the rows of a segment that headers carry. */
static char *
name_of_carried(const DbsyncCutSegment *cut)
{
	return psprintf("dbsync_carried_%d", cut->segment_id);
}

static void
append_carried(StringInfo sql, const DbsyncTable *table, const DbsyncCutSegment *cut)
{
	append_columns(sql, table,
				   psprintf("s.%s", quote_identifier(table->columns_of_ours[1])));
	appendStringInfo(sql, " FROM %s s", name_of_carried(cut));
}

/* Let queries of this SPI connection see the rows that headers carry, until hide_carried(). */
static void
show_carried(DbsyncSubscription *subscription, const DbsyncCutTable *table)
{
	ListCell   *lc;

	foreach(lc, table->segments)
	{
		const DbsyncCutSegment *cut = lfirst(lc);
		EphemeralNamedRelation relation;

		if (cut->carried == NULL)
			continue;
		relation = palloc0(sizeof(EphemeralNamedRelationData));
		relation->md.name = name_of_carried(cut);
		relation->md.reliddesc = dbsync_subscription_segment(subscription, cut->segment_id)->relid;
		relation->md.enrtype = ENR_NAMED_TUPLESTORE;
		relation->md.enrtuples = cut->ncarried;
		relation->reldata = cut->carried;
		if (SPI_register_relation(relation) != SPI_OK_REL_REGISTER)
			elog(ERROR, "could not register \"%s\"", relation->md.name);
	}
}

static void
hide_carried(const DbsyncCutTable *table)
{
	ListCell   *lc;

	foreach(lc, table->segments)
	{
		const DbsyncCutSegment *cut = lfirst(lc);

		if (cut->carried != NULL)
			SPI_unregister_relation(name_of_carried(cut));
	}
}

static void
append_source(StringInfo sql, Params *params, DbsyncSubscription *subscription,
			  DbsyncTable *table, const DbsyncCutTable *cut)
{
	const char *separator = "";
	ListCell   *lc;

	appendStringInfoString(sql, " FROM (");
	foreach(lc, cut->segments)
	{
		const DbsyncCutSegment *segment = lfirst(lc);

		if (segment->n > 0)
		{
			appendStringInfoString(sql, separator);
			append_segment(sql, params, table,
						   dbsync_subscription_segment(subscription, segment->segment_id)->relid,
						   segment);
			separator = " UNION ALL ";
		}
		if (segment->carried != NULL)
		{
			appendStringInfoString(sql, separator);
			append_carried(sql, table, segment);
			separator = " UNION ALL ";
		}
	}
	if (separator[0] == '\0')
		elog(ERROR, "headers do not say where rows of table %s are", table->qualified);
	appendStringInfoString(sql, ") s");
}

static void
append_keys(StringInfo sql, const DbsyncTable *table)
{
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(sql, "%ss.c%d", k > 0 ? ", " : "", table->keys[k]);
}

static void
append_change(StringInfo sql, const DbsyncTable *table, bool marks)
{
	appendStringInfoString(sql, marks ? "s.o, s.m" : "s.o");
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(sql, ", s.c%d", i);
}

/* the copied part's upper bound as parameters, "$3, $4" */
static void
append_boundary(StringInfo sql, Params *params, const DbsyncTable *table)
{
	for (int k = 0; k < table->nkeys; k++)
	{
		Oid			type = getBaseType(table->key_types[k]);
		Oid			function;
		Oid			ioparam;
		Datum		value;

		getTypeInputInfo(type, &function, &ioparam);
		value = OidInputFunctionCall(function, table->part.boundary[k], ioparam, -1);
		appendStringInfo(sql, "%s$%d", k > 0 ? ", " : "",
						 add_param(params, type, value));
	}
}

bool
dbsync_plan_last_truncate(DbsyncSubscription *subscription, DbsyncTable *table,
						  const DbsyncCutTable *cut, int64 *place)
{
	StringInfoData sql;
	Params		params = {0};
	bool		isnull;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT max(s.p)");
	append_source(&sql, &params, subscription, table, cut);
	appendStringInfoString(&sql, " WHERE s.o = 'T'");
	show_carried(subscription, cut);
	run_plan(plan_for(sql.data, &params), &params, NULL);
	hide_carried(cut);
	*place = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										 SPI_tuptable->tupdesc, 1, &isnull));
	return !isnull;
}

static void
check_hits(const DbsyncTable *table, const DbsyncCutTable *cut)
{
	int64		expected = cut->inserts + cut->updates + cut->deletes +
	cut->truncates + cut->resolved;
	int64		found = dbsync_members_hits() + dbsync_cut_table_carried(cut);

	if (found != expected)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("tracking data of table %s is incomplete", table->qualified),
				 errdetail("Transaction headers announce " INT64_FORMAT " rows, " INT64_FORMAT " were found.",
						   expected, found),
				 errhint("Copy the table anew with dbsync.copy_table().")));
}

/* The rows by key; of each key the last one first, or, to be folded here, last. */
static void
append_order(StringInfo sql, const DbsyncTable *table, bool ascending)
{
	const char *direction = ascending ? "ASC" : "DESC";

	appendStringInfoString(sql, " ORDER BY ");
	append_keys(sql, table);
	appendStringInfo(sql, ", s.p %s", direction);
}

static void
run_cut(SPIPlanPtr plan, const Params *params, const DbsyncTable *table,
		const DbsyncReadCut *how, DbsyncRelay *relay)
{
	DbsyncCompletion *completion = NULL;
	DestReceiver *receiver = dbsync_relay_receiver(relay);

	if (how->complete)
		completion = dbsync_complete_begin(table);
	if (how->marks)
		receiver = dbsync_fold_receiver(dbsync_fold_create(table, how->fold, completion, relay));
	run_plan(plan, params, receiver);
	if (how->complete)
		dbsync_complete_end(completion);
}

static void
query_cut(DbsyncSubscription *subscription, DbsyncTable *table, const DbsyncCutTable *cut,
		  const DbsyncReadCut *how, DbsyncRelay *relay)
{
	StringInfoData sql;
	Params		params = {0};

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	if (how->fold && !how->marks)
	{
		appendStringInfoString(&sql, "DISTINCT ON (");
		append_keys(&sql, table);
		appendStringInfoString(&sql, ") ");
	}
	if (how->what == DBSYNC_RELAY_KEYS)
		append_keys(&sql, table);
	else
		append_change(&sql, table, how->marks);
	append_source(&sql, &params, subscription, table, cut);
	appendStringInfoString(&sql, " WHERE true");
	if (how->after != 0)
		appendStringInfo(&sql, " AND s.p > $%d",
						 add_param(&params, INT8OID, Int64GetDatum(how->after)));
	if (cut->truncates > 0)
		appendStringInfoString(&sql, " AND s.o <> 'T'");
	if (!table->part.live)
	{
		appendStringInfoString(&sql, " AND (");
		append_keys(&sql, table);
		appendStringInfoString(&sql, ") <= (");
		append_boundary(&sql, &params, table);
		appendStringInfoString(&sql, ")");
	}
	if (how->fold)
		append_order(&sql, table, how->marks);
	show_carried(subscription, cut);
	run_cut(plan_for(sql.data, &params), &params, table, how, relay);
	hide_carried(cut);
}

void
dbsync_plan_read_cut(DbsyncSubscription *subscription, DbsyncTable *table,
					 const DbsyncCutTable *cut, const DbsyncReadCut *how,
					 DbsyncRelay *relay)
{
	int64		rows;

	dbsync_members_reset_hits();
	if (dbsync_scan_applies(subscription, table, cut, how))
		dbsync_scan_cut(subscription, table, cut, how, relay);
	else if (dbsync_order_applies(subscription, table, cut, how))
		dbsync_order_cut(subscription, table, cut, how, relay);
	else
		query_cut(subscription, table, cut, how, relay);
	if (dbsync_relay_result(relay, &rows))
		check_hits(table, cut);
}
