/*-------------------------------------------------------------------------
 *
 * extension/ddl/guard.c
 *	  What the DDL guard, which is SQL for the most part, cannot do there.
 *
 * Most commands are judged when they have run, by what they made of the table.
 * Some cannot be: DROP INDEX CONCURRENTLY commits before it ends, and what a
 * renamed label of an enum or another attribute of a composite type does to rows
 * leaves no trace in the tables.  These are judged before they begin, by their parse
 * tree, which only C gets to see.  Names are looked up as the command will do it:
 * with its user's search_path and rights.  Judgement is passed by
 * dbsync_internal.check_start(), which runs as the owner of the extension.
 *
 * What is refused is said as if the server had refused it, without the names of the
 * functions that did.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "extension/admin.h"
#include "extension/capture/recheck.h"
#include "extension/catalog.h"
#include "extension/compat.h"
#include "extension/ddl/concern.h"
#include "extension/ddl/rules.h"
#include "extension/ddl/under_way.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(dbsync_guard);
PG_FUNCTION_INFO_V1(dbsync_guard_start);
PG_FUNCTION_INFO_V1(dbsync_guard_role);
PG_FUNCTION_INFO_V1(dbsync_guard_has_using);
PG_FUNCTION_INFO_V1(dbsync_guard_is_ours);
PG_FUNCTION_INFO_V1(dbsync_guard_no_inherit);
PG_FUNCTION_INFO_V1(dbsync_guard_label);
PG_FUNCTION_INFO_V1(dbsync_guard_attributes);

/* the command, while what it did is judged */
static const Node *judged = NULL;

/* Is there anything that judge_x() would look at?  What is unknown here is judged. */
static bool
is_concerned(const char *x, const EventTriggerData *trigger)
{
	if (strcmp(x, "command") == 0)
		return dbsync_concerns_command(trigger);
	if (strcmp(x, "drop") == 0)
		return dbsync_concerns_drop();
	return true;
}

/* Judgement of guard_x(): judge_x(), in PL/pgSQL. */
static void
call_judge(const char *x, EventTriggerData *trigger)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			outer = dbsync_commander;
	const Node *outer_judged = judged;
	Oid			outer_partition = dbsync_judged_partition;
	bool		in_script = creating_extension;
	FmgrInfo	body;

	LOCAL_FCINFO(inner, 0);

	fmgr_info(dbsync_catalog_function(psprintf("judge_%s", x), buildoidvector(NULL, 0)), &body);
	InitFunctionCallInfoData(*inner, &body, 0, InvalidOid, (Node *) trigger, NULL);
	dbsync_commander = GetUserId();
	judged = trigger->parsetree;
	dbsync_judged_partition = dbsync_rules_partition(judged);
	/* a segment that is made here is no member of the extension whose script alters the table */
	creating_extension = false;
	PG_TRY();
	{
		(void) FunctionCallInvoke(inner);
	}
	PG_CATCH();
	{
		creating_extension = in_script;
		dbsync_judged_partition = outer_partition;
		judged = outer_judged;
		dbsync_commander = outer;
		dbsync_admin_raise(context);
	}
	PG_END_TRY();
	creating_extension = in_script;
	dbsync_judged_partition = outer_partition;
	judged = outer_judged;
	dbsync_commander = outer;
}

/*
 * Event trigger guard_x(): has it judged, where anything of ours can be concerned.  Called by
 * the server; error if the command is refused.
 */
Datum
dbsync_guard(PG_FUNCTION_ARGS)
{
	char	   *name = get_func_name(fcinfo->flinfo->fn_oid);
	EventTriggerData *trigger = (EventTriggerData *) fcinfo->context;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo) || name == NULL || strncmp(name, "guard_", 6) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as an event trigger", "guard")));
	if (is_concerned(name + 6, trigger))
		call_judge(name + 6, trigger);
	if (strcmp(name, "guard_command") == 0)
		dbsync_under_way_end();
	return PointerGetDatum(NULL);
}

/* The role whose command the guard is judging; to be called by what it calls. */
Datum
dbsync_guard_role(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(dbsync_commander);
}

/* Does the command that is judged change a type by an expression?  For judge_rewrite(). */
Datum
dbsync_guard_has_using(PG_FUNCTION_ARGS)
{
	bool		found = false;
	ListCell   *lc;

	if (judged == NULL || !IsA(judged, AlterTableStmt))
		PG_RETURN_BOOL(false);
	foreach(lc, ((const AlterTableStmt *) judged)->cmds)
	{
		const AlterTableCmd *part = lfirst_node(AlterTableCmd, lc);

		if (part->subtype == AT_AlterColumnType)
			found |= castNode(ColumnDef, part->def)->raw_default != NULL;
	}
	PG_RETURN_BOOL(found);
}

/* Does the command that is judged take a child from its parent?  For judge_command(). */
Datum
dbsync_guard_no_inherit(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dbsync_concerns_no_inherit(judged));
}

/* Is it this transaction that wrote the row of a catalog which has this xmin? */
Datum
dbsync_guard_is_ours(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(TransactionIdIsCurrentTransactionId(PG_GETARG_TRANSACTIONID(0)));
}

/* Whose commands on the object the server takes; an index goes with its schema, too. */
static bool
is_owner(Oid classid, Oid object)
{
	return dbsync_owns_compat(classid, object, GetUserId()) ||
		(classid == RelationRelationId &&
		 dbsync_owns_compat(NamespaceRelationId, get_rel_namespace(object), GetUserId()));
}

/*
 * Have dbsync_internal.check_start(kind, object) say what it thinks of the command.  Of one
 * that is not given by an owner it is not asked: the command itself refuses him, after this,
 * and he is not to learn here who uses the object by us, and in what.
 */
static void
judge(const char *kind, Oid classid, Oid object)
{
	const Oid	types[] = {TEXTOID, OIDOID};
	const Datum values[] = {CStringGetTextDatum(kind), ObjectIdGetDatum(object)};

	/* where there is no such thing the command will say so */
	if (OidIsValid(object) && is_owner(classid, object))
		dbsync_guard_call(GetUserId(), "check_start", lengthof(types), types, values);
}

static void
judge_drop(const DropStmt *command)
{
	ListCell   *lc;

	if (command->removeType != OBJECT_INDEX || !command->concurrent)
		return;
	foreach(lc, command->objects)
		judge("index", RelationRelationId,
			  RangeVarGetRelid(makeRangeVarFromNameList(lfirst(lc)), NoLock, true));
}

/* The same, where more of the command is asked for than its kind: by guard_label(), guard_attributes(). */
static void
judge_by_tree(const Node *command, const char *kind, Oid type)
{
	const Node *outer = judged;

	judged = command;
	PG_TRY();
	{
		judge(kind, TypeRelationId, type);
	}
	PG_FINALLY();
	{
		judged = outer;
	}
	PG_END_TRY();
}

static void
judge_enum(const AlterEnumStmt *command)
{
	judge_by_tree((const Node *) command, "label",
				  LookupTypeNameOid(NULL, makeTypeNameFromNameList(command->typeName), true));
}

/* Which label of an enum gets which name?  For follow_label(); ADD VALUE has no old one. */
Datum
dbsync_guard_label(PG_FUNCTION_ARGS)
{
	const AlterEnumStmt *command = castNode(AlterEnumStmt, unconstify(Node *, judged));
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {command->oldVal == NULL, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (command->oldVal != NULL)
		values[0] = CStringGetTextDatum(command->oldVal);
	values[1] = CStringGetTextDatum(command->newVal);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Which attribute of a composite type gets another name, and which names does it get?  For follow_attributes(). */
Datum
dbsync_guard_attributes(PG_FUNCTION_ARGS)
{
	ArrayBuildState *names = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, false};
	ListCell   *lc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (IsA(judged, RenameStmt))
	{
		values[0] = CStringGetTextDatum(((const RenameStmt *) judged)->subname);
		nulls[0] = false;
		names = accumArrayResult(names, CStringGetTextDatum(((const RenameStmt *) judged)->newname), false,
								 TEXTOID, CurrentMemoryContext);
	}
	else
		foreach(lc, castNode(AlterTableStmt, unconstify(Node *, judged))->cmds)
		{
			const AlterTableCmd *part = lfirst_node(AlterTableCmd, lc);

			if (part->subtype == AT_AddColumn)
				names = accumArrayResult(names, CStringGetTextDatum(castNode(ColumnDef, part->def)->colname), false,
										 TEXTOID, CurrentMemoryContext);
		}
	values[1] = makeArrayResult(names, CurrentMemoryContext);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Are there tables that inherit from it, its partitions among them?  In doubt: yes. */
static bool
has_heirs(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		result = true;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_class) GETSTRUCT(tuple))->relhassubclass;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* Attributes of a composite type, or of the row type that every table has. */
static void
judge_attributes(const AlterTableStmt *command)
{
	Oid			relid;
	ListCell   *lc;

	if (command->objtype != OBJECT_TYPE && command->objtype != OBJECT_TABLE)
		return;
	foreach(lc, command->cmds)
	{
		AlterTableType kind = lfirst_node(AlterTableCmd, lc)->subtype;

		if (kind != AT_AddColumn && kind != AT_DropColumn && kind != AT_AlterColumnType)
			continue;
		relid = RangeVarGetRelid(command->relation, NoLock, true);
		if (!OidIsValid(relid))
			return;
		if (command->objtype == OBJECT_TYPE)
			judge_by_tree((const Node *) command, "composite", get_rel_type_id(relid));
		else
			judge(command->relation->inh && has_heirs(relid) ? "attributes" : "own attributes",
				  TypeRelationId, get_rel_type_id(relid));
		return;
	}
}

/*
 * A CHECK that is added is called before triggers that are switched off are on again:
 * so ours may not be switched together with anything but triggers.
 */
static void
judge_triggers(const AlterTableStmt *command)
{
	bool		ours = false;
	bool		other = false;
	ListCell   *lc;

	foreach(lc, command->cmds)
	{
		const AlterTableCmd *part = lfirst_node(AlterTableCmd, lc);

		switch (part->subtype)
		{
			case AT_EnableTrig:
			case AT_EnableReplicaTrig:
			case AT_EnableAlwaysTrig:
			case AT_DisableTrig:
				ours |= strncmp(part->name, "dbsync_", 7) == 0;
				break;
			case AT_EnableTrigAll:
			case AT_DisableTrigAll:
			case AT_EnableTrigUser:
			case AT_DisableTrigUser:
				ours = true;
				break;
			default:
				other = true;
		}
	}
	if (ours && other)
		judge("triggers", RelationRelationId, RangeVarGetRelid(command->relation, NoLock, true));
}

/* Generated columns are not sent, so nothing tells the target of another expression. */
static void
judge_expressions(const AlterTableStmt *command)
{
	ListCell   *lc;

	foreach(lc, command->cmds)
	{
		if (!dbsync_sets_expression_compat(lfirst_node(AlterTableCmd, lc)->subtype))
			continue;
		judge("expression", RelationRelationId, RangeVarGetRelid(command->relation, NoLock, true));
		return;
	}
}

static void
judge_rename(const RenameStmt *command)
{
	if (command->renameType == OBJECT_TABLE && command->relation != NULL)
		judge("rename", RelationRelationId, RangeVarGetRelid(command->relation, NoLock, true));
	else if (command->renameType == OBJECT_ATTRIBUTE && command->relation != NULL)
	{
		Oid			relid = RangeVarGetRelid(command->relation, NoLock, true);

		if (OidIsValid(relid))
			judge_by_tree((const Node *) command, "composite", get_rel_type_id(relid));
	}
	else if (command->renameType == OBJECT_SCHEMA)
		judge("rename schema", NamespaceRelationId, get_namespace_oid(command->subname, true));
	else if (command->renameType == OBJECT_FOREIGN_SERVER)
		judge("server", ForeignServerRelationId, get_foreign_server_oid(strVal(command->object), true));
}

static void
judge_schema(const AlterObjectSchemaStmt *command)
{
	if (command->objectType == OBJECT_TABLE && command->relation != NULL)
		judge("rename", RelationRelationId, RangeVarGetRelid(command->relation, NoLock, true));
}

/*
 * Event trigger at ddl_command_start.  Called by the server in the session of
 * whoever gives the command; error if the command is refused.  What is in doubt of
 * captured rows is settled while tables still are what they were captured from.
 */
Datum
dbsync_guard_start(PG_FUNCTION_ARGS)
{
	Node	   *command;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called as an event trigger", "guard_start")));
	dbsync_recheck_doubts();
	command = ((EventTriggerData *) fcinfo->context)->parsetree;
	dbsync_under_way_begin();
	switch (nodeTag(command))
	{
		case T_DropStmt:
			judge_drop((DropStmt *) command);
			break;
		case T_AlterEnumStmt:
			judge_enum((const AlterEnumStmt *) command);
			break;
		case T_AlterTableStmt:
			judge_attributes((AlterTableStmt *) command);
			judge_triggers((AlterTableStmt *) command);
			judge_expressions((AlterTableStmt *) command);
			break;
		case T_RenameStmt:
			judge_rename((RenameStmt *) command);
			break;
		case T_AlterObjectSchemaStmt:
			judge_schema((AlterObjectSchemaStmt *) command);
			break;
		default:
			break;
	}
	return PointerGetDatum(NULL);
}
