/*-------------------------------------------------------------------------
 *
 * extension/ddl/triggers.c
 *	  Making our triggers, and taking them off a table, without commands.
 *
 * As commands, one after the other, each would be judged by the guard and by whatever other
 * event triggers there are, and a table has six.  Those of the database's own would find a partition that
 * has some of its triggers and not others, and whose rows have yet to be captured.  So they come and
 * go as what comes and goes with something else does, and no event trigger is told.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "extension/catalog.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(dbsync_create_trigger);
PG_FUNCTION_INFO_V1(dbsync_drop_triggers);

static bool
is_among(const NameData *name, ArrayType *names)
{
	Datum	   *values;
	int			n;
	bool		found = false;

	deconstruct_array(names, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &values, NULL, &n);
	for (int i = 0; i < n; i++)
		found |= strcmp(NameStr(*DatumGetName(values[i])), NameStr(*name)) == 0;
	pfree(values);
	return found;
}

/* Ours on the table; NULL: whatever they are called. */
static ObjectAddresses *
find_triggers(Oid relid, ArrayType *names)
{
	ObjectAddresses *found = new_object_addresses();
	Oid			function = dbsync_catalog_function("capture", buildoidvector(NULL, 0));
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);
		ObjectAddress address;

		if (trigger->tgfoid != function || (names != NULL && !is_among(&trigger->tgname, names)))
			continue;
		ObjectAddressSet(address, TriggerRelationId, trigger->oid);
		add_exact_object_address(&address, found);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * drop_triggers(rel, names): takes triggers of ours, all or those of these names, off a table,
 * which is locked for that as DROP TRIGGER does.  Error if this session uses it.  It asks for no rights:
 * only functions that run as the owner of the extension can call it.
 */
Datum
dbsync_drop_triggers(PG_FUNCTION_ARGS)
{
	Oid			relid;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	relid = PG_GETARG_OID(0);
	LockRelationOid(relid, AccessExclusiveLock);
	performMultipleDeletions(find_triggers(relid, PG_ARGISNULL(1) ? NULL : PG_GETARG_ARRAYTYPE_P(1)),
							 DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	PG_RETURN_VOID();
}

/*
 * dbsync_internal.create_trigger(oid, text, "char"): make, on the table with this oid, the trigger
 * that a CREATE TRIGGER tells of, enabled like that.
 */
Datum
dbsync_create_trigger(PG_FUNCTION_ARGS)
{
	char	   *command = text_to_cstring(PG_GETARG_TEXT_PP(1));
	List	   *parsed = raw_parser(command, RAW_PARSE_DEFAULT);
	CreateTrigStmt *statement = castNode(CreateTrigStmt, linitial_node(RawStmt, parsed)->stmt);

	CreateTriggerFiringOn(statement, command, PG_GETARG_OID(0), InvalidOid, InvalidOid, InvalidOid,
						  InvalidOid, InvalidOid, NULL, false, false, PG_GETARG_CHAR(2));
	CommandCounterIncrement();
	PG_RETURN_VOID();
}
