/*-------------------------------------------------------------------------
 *
 * extension/selection/define.c
 *	  What a subscription sends of a table's rows: checked, and written down.
 *
 * The system's own parser reads what the user has given, and its own rules write it down again with
 * all names qualified: what is kept means the same whatever somebody's path is by then.  All of
 * it happens as the role that it will run as, since constants of users' types are read by
 * their input functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "extension/owner.h"
#include "extension/selection/check.h"
#include "extension/selection/pins.h"
#include "extension/selection/selection.h"

#include "extension/compat.h"

PG_FUNCTION_INFO_V1(dbsync_define_selection);

typedef struct Definition
{
	Relation	rel;
	bool		immutable;		/* asked for */
	List	   *context;		/* for writing expressions down */
	Bitmapset  *read;			/* columns that expressions and the filter read */
	List	   *names;			/* of target columns so far, of char * */
	StringInfoData columns;		/* as JSON */
	StringInfoData text;		/* of one entry, as people read it */
	List	   *entries;		/* of those, char * */
} Definition;

/* where an error came from */
typedef struct Place
{
	const char *what;			/* "filter", or an entry of columns in words */
	const char *text;
} Place;

static bool
is_nothing_else(const SelectStmt *select, bool targets)
{
	return select->distinctClause == NIL && select->intoClause == NULL && select->fromClause == NIL &&
		select->whereClause == NULL && select->groupClause == NIL && select->havingClause == NULL &&
		select->windowClause == NIL && select->valuesLists == NIL && select->sortClause == NIL &&
		select->limitOffset == NULL && select->limitCount == NULL && select->lockingClause == NIL &&
		select->withClause == NULL && select->op == SETOP_NONE &&
		(!targets || list_length(select->targetList) == 1);
}

/* One item of a SELECT's list, and nothing else. */
static ResTarget *
parse_item(const char *text)
{
	List	   *parsed = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select = castNode(SelectStmt, linitial_node(RawStmt, parsed)->stmt);

	if (!is_nothing_else(select, true))
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("it is not one expression"),
				 errhint("Give an expression as in the list of a SELECT: columns => '{id, \"lower(email) AS email\"}', filter => 'region = ''EU'''.")));
	return linitial_node(ResTarget, select->targetList);
}

/* The item, or the condition, as a query over the table alone. */
static Query *
analyze_item(const Definition *d, ResTarget *item, bool condition, const char *text)
{
	SelectStmt *select = makeNode(SelectStmt);
	RawStmt    *raw = makeNode(RawStmt);
	RangeVar   *from = makeRangeVar(get_namespace_name(RelationGetNamespace(d->rel)),
									pstrdup(RelationGetRelationName(d->rel)), -1);

	from->inh = false;
	/* what is written down calls it so where it has to */
	if (strstr(text, DBSYNC_SELECTION_ROW) != NULL)
		from->alias = makeAlias(DBSYNC_SELECTION_ROW, NIL);
	select->fromClause = list_make1(from);
	if (condition)
		select->whereClause = item->val;
	else
		select->targetList = list_make1(item);
	raw->stmt = (Node *) select;
	return parse_analyze_fixedparams(raw, text, NULL, 0, NULL);
}

/* With all names qualified that are not the system's own, and constants as the worker reads them. */
static const char *
written_down(const Definition *d, Node *expression)
{
	int			nest = NewGUCNestLevel();
	const char *text;

	dbsync_selection_pin_text();
	text = deparse_expression(expression, d->context, false, false);
	AtEOXact_GUC(true, nest);
	return text;
}

/*
 * What is written down can be read again, and whoever it is to run as may have what it needs: rights are asked
 * for when a plan is begun.
 */
static void
try_out(const Definition *d, const char *expression, bool condition)
{
	int			nest = NewGUCNestLevel();
	const char *sql = condition
		? psprintf("SELECT FROM %s WHERE (%s) IS TRUE", DBSYNC_SELECTION_ROW, expression)
		: psprintf("SELECT %s FROM %s", expression, DBSYNC_SELECTION_ROW);

	dbsync_selection_pin_text();
	dbsync_selector_end(dbsync_selector_begin(dbsync_selector_bind(sql, RelationGetDescr(d->rel)), RelationGetDescr(d->rel), GetUserId()));
	AtEOXact_GUC(true, nest);
}

/* Two columns of one name would be one. */
static void
check_name(Definition *d, const char *name)
{
	ListCell   *lc;

	foreach(lc, d->names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" is given more than once", name)));
	}
	d->names = lappend(d->names, pstrdup(name));
}

/* A column of the table under its own or another name; number 0: an expression. */
static void
add_column(Definition *d, const TargetEntry *target, AttrNumber number, const char *expression)
{
	const char *name = target->resname;
	Node	   *value = (Node *) target->expr;
	StringInfoData entry;

	check_name(d, name);
	appendStringInfo(&d->columns, "%s{\"name\": ", d->columns.len > 1 ? ", " : "");
	escape_json(&d->columns, name);
	if (number > 0)
	{
		appendStringInfo(&d->columns, ", \"number\": %d, \"column\": ", number);
		escape_json(&d->columns, NameStr(TupleDescAttr(RelationGetDescr(d->rel), number - 1)->attname));
	}
	else
	{
		appendStringInfoString(&d->columns, ", \"expression\": ");
		escape_json(&d->columns, expression);
	}
	appendStringInfo(&d->columns, ", \"type\": %u, \"typmod\": %d, \"collation\": %u}",
					 exprType(value), exprTypmod(value), exprCollation(value));
	initStringInfo(&entry);
	appendStringInfoString(&entry, expression);
	if (number <= 0 || strcmp(expression, quote_identifier(name)) != 0)
		appendStringInfo(&entry, " AS %s", quote_identifier(name));
	d->entries = lappend(d->entries, entry.data);
}

static void
check_named(const ResTarget *item)
{
	if (item->name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("an expression needs a name"),
				 errhint("Say which target column gets its value: expression AS name.")));
}

static void
check_type(const TargetEntry *entry)
{
	Oid			type = exprType((Node *) entry->expr);

	if (get_typtype(type) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("column \"%s\" has pseudo-type %s", entry->resname, format_type_be(type))));
}

static bool
is_star(const ResTarget *item)
{
	return IsA(item->val, ColumnRef) && IsA(llast(((ColumnRef *) item->val)->fields), A_Star);
}

/* Is it a column that the target generates, too? */
static bool
is_generated(const Definition *d, Expr *expression)
{
	return IsA(expression, Var) && ((Var *) expression)->varattno > 0 &&
		TupleDescAttr(RelationGetDescr(d->rel), ((Var *) expression)->varattno - 1)->attgenerated;
}

/* "*" has several, all but those that are generated */
static void
add_item(Definition *d, ResTarget *item, const char *text)
{
	Query	   *query = analyze_item(d, item, false, text);
	ListCell   *lc;

	dbsync_selection_check(query, d->immutable);
	foreach(lc, query->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		const char *expression;
		Bitmapset  *read;

		if (is_star(item) && is_generated(d, entry->expr))
			continue;
		read = dbsync_selection_reads(entry->expr, d->rel);
		if (IsA(entry->expr, Var))
		{
			AttrNumber	number = ((Var *) entry->expr)->varattno;

			add_column(d, entry, number, written_down(d, (Node *) entry->expr));
			continue;
		}
		check_named(item);
		check_type(entry);
		d->read = bms_add_members(d->read, read);
		expression = written_down(d, (Node *) entry->expr);
		try_out(d, expression, false);
		add_column(d, entry, 0, expression);
	}
}

/* The parser speaks of the text alone: say which text that is. */
static void
raise_at(const Place *place, MemoryContext context)
{
	ErrorData  *edata;
	const char *where;

	MemoryContextSwitchTo(context);
	edata = CopyErrorData();
	FlushErrorState();
	where = psprintf("In %s: %s", place->what, place->text);
	if (edata->cursorpos > 0 || edata->internalpos > 0)
		where = psprintf("In %s, at character %d: %s", place->what,
						 edata->cursorpos > 0 ? edata->cursorpos : edata->internalpos, place->text);
	edata->detail = edata->detail ? psprintf("%s %s", edata->detail, where) : pstrdup(where);
	edata->cursorpos = edata->internalpos = 0;
	edata->internalquery = NULL;
	ReThrowError(edata);
}

static void
add_entry(Definition *d, int number, const char *text)
{
	Place		place = {psprintf("entry %d of columns", number), text};
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		add_item(d, parse_item(text), text);
	}
	PG_CATCH();
	{
		raise_at(&place, context);
	}
	PG_END_TRY();
}

/* Returns the condition as it is written down. */
static const char *
read_filter(Definition *d, const char *text)
{
	Place		place = {"filter", text};
	MemoryContext context = CurrentMemoryContext;
	const char *volatile result = NULL;

	PG_TRY();
	{
		ResTarget  *item = parse_item(text);
		Query	   *query;

		if (item->name != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("a filter has no name")));
		query = analyze_item(d, item, true, text);
		dbsync_selection_check(query, d->immutable);
		d->read = bms_add_members(d->read, dbsync_selection_reads((Expr *) query->jointree->quals, d->rel));
		result = written_down(d, query->jointree->quals);
		try_out(d, (const char *) result, true);
	}
	PG_CATCH();
	{
		raise_at(&place, context);
	}
	PG_END_TRY();
	return result;
}

/* Under which names what is written down knows the columns that it reads. */
static void
append_read(const Definition *d, StringInfo json)
{
	int			number = -1;
	bool		first = true;

	appendStringInfoString(json, "\"row\": [");
	while ((number = bms_next_member(d->read, number)) >= 0)
	{
		appendStringInfo(json, "%s{\"number\": %d, \"name\": ", first ? "" : ", ", number);
		escape_json(json, NameStr(TupleDescAttr(RelationGetDescr(d->rel), number - 1)->attname));
		appendStringInfoChar(json, '}');
		first = false;
	}
	appendStringInfoChar(json, ']');
}

static void
append_entries(const Definition *d, StringInfo json)
{
	ListCell   *lc;

	appendStringInfoString(json, "\"entries\": [");
	foreach(lc, d->entries)
	{
		if (foreach_current_index(lc) > 0)
			appendStringInfoString(json, ", ");
		escape_json(json, lfirst(lc));
	}
	appendStringInfoChar(json, ']');
}

static Datum
define(Definition *d, ArrayType *columns, const char *filter)
{
	StringInfoData json;
	const char *condition = NULL;
	Datum	   *entries;
	bool	   *nulls;
	int			n = 0;

	initStringInfo(&d->columns);
	appendStringInfoChar(&d->columns, '[');
	if (columns != NULL)
		deconstruct_array(columns, TEXTOID, -1, false, TYPALIGN_INT, &entries, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("entry %d of columns must not be null", i + 1)));
		add_entry(d, i + 1, TextDatumGetCString(entries[i]));
	}
	appendStringInfoChar(&d->columns, ']');
	if (filter != NULL)
		condition = read_filter(d, filter);
	initStringInfo(&json);
	appendStringInfo(&json, "{\"columns\": %s, \"filter\": ", columns != NULL ? d->columns.data : "null");
	if (condition != NULL)
		escape_json(&json, condition);
	else
		appendStringInfoString(&json, "null");
	appendStringInfoString(&json, ", ");
	append_read(d, &json);
	appendStringInfoString(&json, ", ");
	append_entries(d, &json);
	appendStringInfoChar(&json, '}');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

/*
 * dbsync_internal.define_selection(rel, columns, filter, role, path, immutable): what add_table()
 * keeps of columns and filter, either of which may be null, as JSON:
 *
 *	columns	in their order: the target's name, and the number of a column, with the name that it
 *			has now, or an expression; with type, typmod and collation, which are not kept; null: all
 *			columns, as they are called
 *	filter	a condition, or null
 *	row		number and name of the columns that expressions and filter read
 *	entries	the columns as they are shown
 *
 * As the role, with names looked up by the path; null: it is what has been written down before.
 */
Datum
dbsync_define_selection(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	ArrayType  *columns = PG_ARGISNULL(1) ? NULL : PG_GETARG_ARRAYTYPE_P(1);
	const char *filter = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	Oid			role = PG_GETARG_OID(3);
	Definition	d = {.immutable = PG_GETARG_BOOL(5)};
	DbsyncOwner saved;
	Datum		result;

	dbsync_owner_begin(&saved, role);
	dbsync_selection_set("quote_all_identifiers", "off");
	if (PG_ARGISNULL(4))
		dbsync_selection_pin_text();
	else
		dbsync_selection_set("search_path", text_to_cstring(PG_GETARG_TEXT_PP(4)));
	d.rel = table_open(relid, AccessShareLock);
	d.context = deparse_context_for(DBSYNC_SELECTION_ROW, relid);
	result = define(&d, columns, filter);
	table_close(d.rel, NoLock);
	dbsync_owner_end(&saved);
	PG_RETURN_DATUM(result);
}
