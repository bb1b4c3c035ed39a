/*-------------------------------------------------------------------------
 *
 * worker/control/target_admin.c
 *	  What the SQL functions about targets need from C.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "worker/connection.h"
#include "worker/control/target_admin.h"
#include "worker/driver/driver.h"
#include "worker/target.h"

PG_FUNCTION_INFO_V1(dbsync_probe_target);
PG_FUNCTION_INFO_V1(dbsync_set_options);
PG_FUNCTION_INFO_V1(dbsync_open_file_root);

/* columns of probe_target */
#define PROBE_COLUMNS	8

static bool
has_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		if (strcmp(((DefElem *) lfirst(lc))->defname, name) == 0)
			return true;
	}
	return false;
}

/* What turns the options there are into the wanted ones; NIL: nothing to do. */
static List *
options_to_alter(List *present, ArrayType *names, ArrayType *values)
{
	List	   *wanted = NIL;
	List	   *result = NIL;
	ListCell   *lc;
	Datum	   *name;
	Datum	   *value;
	int			n;
	int			nvalues;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &name, NULL, &n);
	deconstruct_array(values, TEXTOID, -1, false, TYPALIGN_INT, &value, NULL, &nvalues);
	if (n != nvalues)
		elog(ERROR, "options do not match their values");
	for (int i = 0; i < n; i++)
	{
		char	   *option = TextDatumGetCString(name[i]);
		bool		there = has_option(present, option);

		wanted = lappend(wanted, makeDefElemExtended(NULL, option,
													 (Node *) makeString(TextDatumGetCString(value[i])),
													 there ? DEFELEM_SET : DEFELEM_ADD, -1));
	}
	foreach(lc, present)
	{
		DefElem    *def = lfirst(lc);

		if (!has_option(wanted, def->defname))
			result = lappend(result, makeDefElemExtended(NULL, def->defname, NULL, DEFELEM_DROP, -1));
	}
	return list_concat(result, wanted);
}

static void
set_server_options(ForeignServer *server, ArrayType *names, ArrayType *values)
{
	AlterForeignServerStmt *stmt = makeNode(AlterForeignServerStmt);

	stmt->servername = server->servername;
	stmt->options = options_to_alter(server->options, names, values);
	if (stmt->options != NIL)
		(void) AlterForeignServer(stmt);
}

static void
set_mapping_options(ForeignServer *server, Oid role, ArrayType *names, ArrayType *values)
{
	AlterUserMappingStmt *stmt = makeNode(AlterUserMappingStmt);
	RoleSpec   *user = makeNode(RoleSpec);

	user->roletype = ROLESPEC_CSTRING;
	user->rolename = GetUserNameFromId(role, false);
	stmt->user = user;
	stmt->servername = server->servername;
	stmt->options = options_to_alter(GetUserMapping(role, server->serverid)->options, names, values);
	if (stmt->options != NIL)
		(void) AlterUserMapping(stmt);
}

/*
 * Give a foreign server (role 0), or a role's user mapping there, exactly these
 * options; called by admin functions only, which have asked for the rights.  This
 * is done without a statement: there is no text with a password in it that could
 * be shown in an error's context or in pg_stat_activity, or that the server or an
 * extension could log.
 */
Datum
dbsync_set_options(PG_FUNCTION_ARGS)
{
	ForeignServer *server = GetForeignServerExtended(PG_GETARG_OID(0), FSV_MISSING_OK);
	Oid			role = PG_GETARG_OID(1);

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("foreign server with OID %u does not exist", PG_GETARG_OID(0))));
	if (OidIsValid(role))
		set_mapping_options(server, role, PG_GETARG_ARRAYTYPE_P(2), PG_GETARG_ARRAYTYPE_P(3));
	else
		set_server_options(server, PG_GETARG_ARRAYTYPE_P(2), PG_GETARG_ARRAYTYPE_P(3));
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/* What the target tells of itself under this name; NULL: nothing. */
static const char *
find_property(const DbsyncTargetIdentity *identity, const char *name)
{
	ListCell   *lc;

	foreach(lc, identity->properties)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, name) == 0)
			return defGetString(def);
	}
	return NULL;
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

static Datum
identity_row(const DbsyncTargetIdentity *identity, TupleDesc desc)
{
	static const struct
	{
		const char *name;
		PGFunction	input;
	}			properties[] = {
		{"system_identifier", int8in}, {"database_oid", oidin},
		{"in_recovery", boolin}, {"replica_role", boolin}
	};
	Datum		values[PROBE_COLUMNS];
	bool		nulls[PROBE_COLUMNS] = {false};
	int			n = 0;

	values[n++] = Int32GetDatum(identity->version);
	values[n] = text_or_null(identity->version_text, &nulls[n]);
	n++;
	values[n] = text_or_null(identity->user, &nulls[n]);
	n++;
	values[n] = text_or_null(identity->database, &nulls[n]);
	n++;
	for (int i = 0; i < lengthof(properties); i++, n++)
	{
		const char *value = find_property(identity, properties[i].name);

		nulls[n] = value == NULL;
		if (!nulls[n])
			values[n] = DirectFunctionCall1(properties[i].input, CStringGetDatum(value));
	}
	Assert(n == PROBE_COLUMNS);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

Datum
dbsync_probe_target(PG_FUNCTION_ARGS)
{
	DbsyncTargetConfig *config = dbsync_connection_config(NameStr(*PG_GETARG_NAME(0)), PG_GETARG_OID(1));
	DbsyncTarget *target;
	TupleDesc	desc;
	Datum		row;
	bool		ok;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	target = dbsync_target_try_open(config, &ok);
	if (!ok)
		dbsync_target_raise(target, NULL);
	row = identity_row(&target->identity, BlessTupleDesc(desc));
	dbsync_target_close(target);
	PG_RETURN_DATUM(row);
}

/*
 * The public key of a target that is a folder, which is made, or looked at; that may be another one than
 * before only with "new_key".
 */
Datum
dbsync_open_file_root(PG_FUNCTION_ARGS)
{
	DbsyncTargetConfig *config = dbsync_connection_config_to_pin(NameStr(*PG_GETARG_NAME(0)), PG_GETARG_OID(1),
																 PG_GETARG_BOOL(2));
	DbsyncTarget *target;
	const char *key;
	bool		ok;

	target = dbsync_target_try_open(config, &ok);
	if (!ok)
		dbsync_target_raise(target, NULL);
	key = find_property(&target->identity, "public_key");
	if (key == NULL)
		elog(ERROR, "a target has told no key");
	key = pstrdup(key);
	dbsync_target_close(target);
	PG_RETURN_TEXT_P(cstring_to_text(key));
}
