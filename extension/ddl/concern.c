/*-------------------------------------------------------------------------
 *
 * extension/ddl/concern.c
 *	  Can a command that has run concern anything of dbsync's?
 *
 * Every DDL command of the database pays for the guard, and nearly all are about what nobody
 * captures.  So the objects that the server says it has made or dropped are looked up here, in
 * our tables by their indexes, before any judgement, which is SQL, is asked for.  Going by
 * objects and not by kinds of command, this lets no command slip by that the judges would
 * stop: what is not plainly nobody's goes to them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "extension/catalog.h"
#include "extension/ddl/concern.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(dbsync_is_related);

/* columns of pg_event_trigger_ddl_commands() and pg_event_trigger_dropped_objects() */
#define OBJECT_CLASSID		1
#define OBJECT_OBJID		2
#define DROPPED_OBJSUBID	3
#define DROPPED_TEMPORARY	6
#define DROPPED_TYPE		7
#define DROPPED_SCHEMA		8
#define DROPPED_ADDRESS		11

/* what such a function has returned */
typedef struct Objects
{
	ExprContext *econtext;
	Tuplestorestate *store;
	TupleTableSlot *slot;
} Objects;

static void
objects_begin(Objects *objects, Oid function)
{
	ReturnSetInfo result = {.type = T_ReturnSetInfo,.allowedModes = SFRM_Materialize};
	FmgrInfo	flinfo;

	LOCAL_FCINFO(call, 0);

	objects->econtext = CreateStandaloneExprContext();
	result.econtext = objects->econtext;
	fmgr_info(function, &flinfo);
	InitFunctionCallInfoData(*call, &flinfo, 0, InvalidOid, NULL, (Node *) &result);
	(void) FunctionCallInvoke(call);
	if (result.setResult == NULL || result.setDesc == NULL)
		elog(ERROR, "function %u has returned no set", function);
	objects->store = result.setResult;
	objects->slot = MakeSingleTupleTableSlot(result.setDesc, &TTSOpsMinimalTuple);
}

static bool
objects_next(Objects *objects)
{
	if (!tuplestore_gettupleslot(objects->store, true, false, objects->slot))
		return false;
	slot_getallattrs(objects->slot);
	return true;
}

static void
objects_end(Objects *objects)
{
	ExecDropSingleTupleTableSlot(objects->slot);
	tuplestore_end(objects->store);
	FreeExprContext(objects->econtext, true);
}

/* Its value as an oid; 0 for null, which the server says of grants, that are about no object. */
static Oid
oid_of(const Objects *objects, int attno)
{
	return objects->slot->tts_isnull[attno - 1] ? InvalidOid
		: DatumGetObjectId(objects->slot->tts_values[attno - 1]);
}

/* Is it this word?  Null is none. */
static bool
is_word(const Objects *objects, int attno, const char *word)
{
	text	   *value;

	if (objects->slot->tts_isnull[attno - 1])
		return false;
	value = DatumGetTextPP(objects->slot->tts_values[attno - 1]);
	return VARSIZE_ANY_EXHDR(value) == strlen(word) &&
		memcmp(VARDATA_ANY(value), word, strlen(word)) == 0;
}

/*
 * dbsync_internal.is_related(oid): has the table inheritance children or parents?  Asked of the
 * catalogs as they are now, as what the caller holds a lock for may have come after its snapshot.
 */
Datum
dbsync_is_related(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);

	PG_RETURN_BOOL(get_rel_relkind(relid) == RELKIND_RELATION && !get_rel_relispartition(relid) &&
				   (has_superclass(relid) || find_inheritance_children(relid, NoLock) != NIL));
}

/*
 * A relation that a command has made or altered: is it ours, or can it have changed one that is?
 * Those above and below a table in inheritance change with it, and tables of a composite type.
 */
static bool
concerns_relation(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class class;
	bool		related;
	bool		permanent;
	char		relkind;
	Oid			schema;

	if (!HeapTupleIsValid(tuple))
		return true;
	class = (Form_pg_class) GETSTRUCT(tuple);
	relkind = class->relkind;
	related = class->relhassubclass || class->relispartition;
	permanent = class->relpersistence != RELPERSISTENCE_TEMP;
	schema = class->relnamespace;
	ReleaseSysCache(tuple);

	switch (relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
			return related || has_superclass(relid) || dbsync_catalog_has_table(relid) ||
				/* a segment is made: most rules are about all schemas but ours */
				(permanent && schema != dbsync_catalog_internal_schema() && dbsync_catalog_has_rule(schema));
		case RELKIND_INDEX:
			relid = IndexGetRelation(relid, true);
			return !OidIsValid(relid) || dbsync_catalog_has_table(relid);
		case RELKIND_SEQUENCE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
			return false;
		default:
			return true;
	}
}

bool
dbsync_concerns_no_inherit(const Node *command)
{
	ListCell   *lc;

	if (command == NULL || !IsA(command, AlterTableStmt))
		return false;
	foreach(lc, ((const AlterTableStmt *) command)->cmds)
	{
		if (lfirst_node(AlterTableCmd, lc)->subtype == AT_DropInherit)
			return true;
	}
	return false;
}

bool
dbsync_concerns_command(const EventTriggerData *trigger)
{
	Objects		objects;
	bool		concerned = false;

	/* of a subscription's anchor that was renamed only the name that it has now is known */
	if (trigger->tag == CMDTAG_ALTER_FUNCTION || trigger->tag == CMDTAG_ALTER_ROUTINE)
		return true;
	/* of NO INHERIT only one table is named, and nothing is left that leads to the other */
	if (dbsync_concerns_no_inherit(trigger->parsetree) && dbsync_catalog_has_by_row())
		return true;
	objects_begin(&objects, F_PG_EVENT_TRIGGER_DDL_COMMANDS);
	while (!concerned && objects_next(&objects))
	{
		Oid			classid = oid_of(&objects, OBJECT_CLASSID);

		if (classid == RelationRelationId)
			concerned = concerns_relation(oid_of(&objects, OBJECT_OBJID));
		else if (classid == NamespaceRelationId)
			concerned = dbsync_catalog_has_rule(InvalidOid);
		else
			concerned = classid == TriggerRelationId || classid == RewriteRelationId ||
				classid == PolicyRelationId;
	}
	objects_end(&objects);
	return concerned;
}

/*
 * A trigger that was dropped is known by its name only, which says whose it was.  Those of a
 * table that is gone, too, are of no more concern than the table.
 */
static bool
concerns_trigger(Datum address)
{
	Datum	   *names;
	bool	   *nulls;
	int			nnames;
	Oid			schema;
	Oid			relid;

	deconstruct_array(DatumGetArrayTypeP(address), TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &nnames);
	if (nnames != 3 || nulls[0] || nulls[1])
		return true;
	schema = get_namespace_oid(TextDatumGetCString(names[0]), true);
	if (!OidIsValid(schema))
		return false;
	relid = get_relname_relid(TextDatumGetCString(names[1]), schema);
	return OidIsValid(relid) && dbsync_catalog_has_table(relid);
}

/* An object that was dropped, by its row; see judge_drop(). */
static bool
concerns_object(const Objects *objects)
{
	Datum	   *values = objects->slot->tts_values;
	bool	   *nulls = objects->slot->tts_isnull;
	Oid			objid = oid_of(objects, OBJECT_OBJID);

	switch (oid_of(objects, OBJECT_CLASSID))
	{
		case ForeignServerRelationId:
			return true;
		case ProcedureRelationId:
			return is_word(objects, DROPPED_SCHEMA, "dbsync_internal");
		case TriggerRelationId:
			return !DatumGetBool(values[DROPPED_TEMPORARY - 1]) &&
				(nulls[DROPPED_ADDRESS - 1] || concerns_trigger(values[DROPPED_ADDRESS - 1]));
		case RelationRelationId:
			if (DatumGetBool(values[DROPPED_TEMPORARY - 1]))
				return false;
			/* a column may have been of a captured table, or of the type of one's column */
			return DatumGetInt32(values[DROPPED_OBJSUBID - 1]) != 0 ||
				dbsync_catalog_has_table(objid) ||
				(is_word(objects, DROPPED_TYPE, "index") && dbsync_catalog_has_key(objid)) ||
				/* it may have been the last child of one */
				(is_word(objects, DROPPED_TYPE, "table") && dbsync_catalog_has_by_row()) ||
				(is_word(objects, DROPPED_TYPE, "foreign table") && dbsync_catalog_has_by_row()) ||
				(is_word(objects, DROPPED_TYPE, "sequence") && dbsync_catalog_has_sequence(objid));
		default:
			return false;
	}
}

bool
dbsync_concerns_drop(void)
{
	Objects		objects;
	bool		concerned = false;
	bool		index = false;
	bool		table = false;
	bool		opclass = false;

	objects_begin(&objects, F_PG_EVENT_TRIGGER_DROPPED_OBJECTS);
	while (!concerned && objects_next(&objects))
	{
		concerned = concerns_object(&objects);
		index |= is_word(&objects, DROPPED_TYPE, "index");
		table |= is_word(&objects, DROPPED_TYPE, "table");
		opclass |= is_word(&objects, DROPPED_TYPE, "operator class");
	}
	objects_end(&objects);

	/*
	 * An index without its table may have been a key that REINDEX CONCURRENTLY has made: nobody
	 * knows it yet.  One that goes with its column is judged by that, so what is left to drop
	 * it together with some other table is its operator class.
	 */
	return concerned || (index && (!table || opclass));
}
