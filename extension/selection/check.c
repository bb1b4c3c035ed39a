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
	F_NOW, F_TRANSACTION_TIMESTAMP, F_STATEMENT_TIMESTAMP, F_AGE_TIMESTAMPTZ, F_AGE_TIMESTAMP
};

static bool
tells_time(Oid function)
{
	for (int i = 0; i < lengthof(time_functions); i++)
	{
		if (time_functions[i] == function)
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
	if (tells_time(function))
		refuse_function(function, "tells the time");
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
