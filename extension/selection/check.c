/*-------------------------------------------------------------------------
 *
 * extension/selection/check.c
 *	  What a selection may not do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "extension/selection/check.h"

#include "extension/compat.h"

/* functions of the system that are stable, and tell the time */
static const Oid time_functions[] = {
	F_NOW, F_TRANSACTION_TIMESTAMP, F_STATEMENT_TIMESTAMP, F_AGE_TIMESTAMPTZ, F_AGE_TIMESTAMP,
	F_PG_POSTMASTER_START_TIME, F_PG_CONF_LOAD_TIME
};

/* or what is so of the session alone, or of its transaction: the worker's has nothing to do with the row's */
static const Oid session_functions[] = {
	F_CURRENT_USER, F_SESSION_USER, F_GETPGUSERNAME, F_CURRENT_SCHEMA, F_CURRENT_SCHEMAS, F_CURRENT_SETTING_TEXT,
	F_CURRENT_SETTING_TEXT_BOOL, F_INET_CLIENT_ADDR, F_INET_CLIENT_PORT, F_INET_SERVER_ADDR, F_INET_SERVER_PORT,
	F_PG_BACKEND_PID, F_PG_TRIGGER_DEPTH, F_TXID_CURRENT, F_TXID_CURRENT_IF_ASSIGNED, F_TXID_CURRENT_SNAPSHOT,
	F_PG_CURRENT_XACT_ID, F_PG_CURRENT_XACT_ID_IF_ASSIGNED, F_PG_CURRENT_SNAPSHOT
};

static bool
is_among(Oid function, const Oid *functions, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (functions[i] == function)
			return true;
	}
	return false;
}

static void
refuse_function(Oid function, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("function %s %s", format_procedure(function), why),
			 errhint("What a row becomes must follow from the row: it is looked at once, when it is sent.")));
}

static bool
check_function(Oid function, void *arg)
{
	const bool *immutable = arg;
	char		volatility = func_volatile(function);

	if (isAnyTempNamespace(get_func_namespace(function)))
		refuse_function(function, "is temporary");
	if (volatility == PROVOLATILE_VOLATILE)
		refuse_function(function, "is volatile");
	if (is_among(function, time_functions, lengthof(time_functions)))
		refuse_function(function, "tells the time");
	if (is_among(function, session_functions, lengthof(session_functions)))
		refuse_function(function, "tells of the session");
	if (*immutable && volatility != PROVOLATILE_IMMUTABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function %s is not immutable, and the table has no key", format_procedure(function)),
				 errdetail("Of a row that goes, the target's is found by all that was sent of it, which is worked out again then."),
				 errhint("Give the table a key: ALTER TABLE ... ADD PRIMARY KEY, or dbsync.add_table(..., key => '{...}').")));
	return false;
}

/* Whoever runs it has no temporary types, or others of that name. */
static void
check_type(Oid type)
{
	Oid			element = get_element_type(type);
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(OidIsValid(element) ? element : type));
	bool		temporary;

	if (!HeapTupleIsValid(tuple))
		return;
	temporary = isAnyTempNamespace(((Form_pg_type) GETSTRUCT(tuple))->typnamespace);
	ReleaseSysCache(tuple);
	if (temporary)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("type %s is temporary", format_type_be(type))));
}

static void
check_types(Node *node)
{
	switch (nodeTag(node))
	{
		case T_Const:
		case T_FuncExpr:
		case T_OpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ConvertRowtypeExpr:
		case T_CoerceToDomain:
		case T_ArrayExpr:
		case T_RowExpr:
			check_type(exprType(node));
			break;
		default:
			break;
	}
}

static void
check_query(const Query *query)
{
	if (query->commandType != CMD_SELECT || query->hasModifyingCTE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a selection cannot change data")));
	if (query->rowMarks != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a selection cannot lock rows")));
}

static bool
check_node(Node *node, void *arg)
{
	const bool *immutable = arg;

	if (node == NULL)
		return false;
	(void) check_functions_in_node(node, check_function, arg);
	check_types(node);
	if (IsA(node, SQLValueFunction) || IsA(node, NextValueExpr))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a selection cannot ask for the time, the session or a sequence"),
				 errhint("What a row becomes must follow from the row: it is looked at once, when it is sent.")));
	if (IsA(node, SubLink) && *immutable)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("other tables cannot be looked into for a table without a key"),
				 errdetail("Of a row that goes, the target's is found by all that was sent of it, which is worked out again then."),
				 errhint("Give the table a key: ALTER TABLE ... ADD PRIMARY KEY, or dbsync.add_table(..., key => '{...}').")));
	if (IsA(node, Query))
	{
		check_query((Query *) node);
		return query_tree_walker((Query *) node, check_node, arg, 0);
	}
	return expression_tree_walker(node, check_node, arg);
}

void
dbsync_selection_check(Query *query, bool immutable)
{
	if (query->hasAggs || query->hasWindowFuncs || query->hasTargetSRFs)
		ereport(ERROR,
				(errcode(query->hasAggs ? ERRCODE_GROUPING_ERROR : ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("%s are not allowed in a selection", query->hasAggs ? "aggregate functions"
						: query->hasWindowFuncs ? "window functions" : "set-returning functions"),
				 errhint("A row becomes one row, by itself.")));
	if (isQueryUsingTempRelation(query))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a selection cannot look into a temporary table")));
	(void) check_node((Node *) query, &immutable);
}

typedef struct Reads
{
	Relation	rel;
	int			level;			/* of queries within the expression */
	Bitmapset  *columns;
} Reads;

static void
add_read(Reads *reads, AttrNumber number)
{
	Form_pg_attribute att;

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg(number == 0 ? "a selection cannot read the row as a whole" : "a selection cannot read system columns"),
				 errdetail("Rows are captured column by column.")));
	att = TupleDescAttr(RelationGetDescr(reads->rel), number - 1);
	if (att->attgenerated)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" is generated, and is not captured", NameStr(att->attname)),
				 errhint("Write its expression instead, or let the target generate it.")));
	reads->columns = bms_add_member(reads->columns, number);
}

static bool
find_reads(Node *node, void *arg)
{
	Reads	   *reads = arg;
	bool		result;

	if (node == NULL)
		return false;
	if (IsA(node, Var) && ((Var *) node)->varlevelsup == reads->level)
	{
		add_read(reads, ((Var *) node)->varattno);
		return false;
	}
	if (!IsA(node, Query))
		return expression_tree_walker(node, find_reads, arg);
	reads->level++;
	result = query_tree_walker((Query *) node, find_reads, arg, 0);
	reads->level--;
	return result;
}

Bitmapset *
dbsync_selection_reads(Expr *expression, Relation rel)
{
	Reads		reads = {rel, 0, NULL};

	(void) find_reads((Node *) expression, &reads);
	return reads.columns;
}
