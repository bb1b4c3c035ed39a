/*-------------------------------------------------------------------------
 *
 * extension/admin.c
 *	  SQL functions that run as the owner of the extension and know who called.
 *
 * NOTES
 *	  The user is switched as for a SECURITY DEFINER function: set before the
 *	  call, set back after it; on error the end of the (sub)transaction does it.
 *	  Errors leave through the same door: without the names of what is behind it.
 *	  Nobody but a superuser can make a function that has this one as its body,
 *	  nor put a twin into schema dbsync_internal.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "extension/admin.h"
#include "extension/deadline.h"
#include "extension/owner.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/syscache.h"

/* kept in fn_extra of the public function */
typedef struct Twin
{
	FmgrInfo	function;
	Oid			owner;			/* runs as this role */
	int			tables;			/* argument to read as regclass[], or -1 */
} Twin;

PG_FUNCTION_INFO_V1(dbsync_as_owner);
PG_FUNCTION_INFO_V1(dbsync_caller_path);
PG_FUNCTION_INFO_V1(dbsync_jsonb_as);
PG_FUNCTION_INFO_V1(dbsync_default_opclass);

/* search_path of whoever has called the function that runs, NULL between calls */
static const char *caller_path = NULL;

/*
 * Does "inner" take the caller and then what "outer" takes?  Says in *tables
 * which argument is to be converted.
 */
static bool
is_twin(Form_pg_proc outer, Form_pg_proc inner, Oid namespace, int *tables)
{
	*tables = -1;
	if (inner->pronamespace != namespace ||
		inner->pronargs != outer->pronargs + 1 ||
		inner->proargtypes.values[0] != OIDOID)
		return false;

	for (int i = 0; i < outer->pronargs; i++)
	{
		Oid			given = outer->proargtypes.values[i];
		Oid			taken = inner->proargtypes.values[i + 1];

		if (given == TEXTARRAYOID && taken == REGCLASSARRAYOID)
			*tables = i;
		else if (given != taken)
			return false;
	}
	return true;
}

/* Oid of the function of the same name in dbsync_internal; error if none. */
static Oid
find_twin(Form_pg_proc outer, int *tables)
{
	Oid			namespace = get_namespace_oid("dbsync_internal", false);
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP,
										   NameGetDatum(&outer->proname));
	Oid			found = InvalidOid;

	for (int i = 0; i < list->n_members && !OidIsValid(found); i++)
	{
		Form_pg_proc inner = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (is_twin(outer, inner, namespace, tables))
			found = inner->oid;
	}
	ReleaseCatCacheList(list);

	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function \"%s\" has no twin in schema dbsync_internal",
						NameStr(outer->proname)),
				 errhint("The extension and its library may be of different versions: use ALTER EXTENSION dbsync UPDATE.")));
	return found;
}

static Twin *
lookup_twin(FmgrInfo *flinfo)
{
	Twin	   *twin = (Twin *) flinfo->fn_extra;
	HeapTuple	tuple;
	Form_pg_proc outer;
	Oid			function;

	if (twin != NULL)
		return twin;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(flinfo->fn_oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", flinfo->fn_oid);
	outer = (Form_pg_proc) GETSTRUCT(tuple);

	twin = (Twin *) MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Twin));
	twin->owner = outer->proowner;
	function = find_twin(outer, &twin->tables);
	ReleaseSysCache(tuple);

	fmgr_info_cxt(function, &twin->function, flinfo->fn_mcxt);
	flinfo->fn_extra = twin;
	return twin;
}

/* what the source of a default is, NULL without one */
static const char *
default_of(FunctionCallInfo fcinfo, int argument)
{
	LOCAL_FCINFO(call, 2);
	Datum		source;

	InitFunctionCallInfoData(*call, NULL, 2, InvalidOid, NULL, NULL);
	call->args[0].value = ObjectIdGetDatum(fcinfo->flinfo->fn_oid);
	call->args[0].isnull = false;
	call->args[1].value = Int32GetDatum(argument + 1);
	call->args[1].isnull = false;
	source = pg_get_function_arg_default(call);
	return call->isnull ? NULL : TextDatumGetCString(source);
}

static const char *
name_of(FunctionCallInfo fcinfo, int argument)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	Oid		   *types;
	char	  **names;
	char	   *modes;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	/* arguments that are given come before columns of a result */
	(void) get_func_arg_info(tuple, &types, &names, &modes);
	ReleaseSysCache(tuple);
	return names[argument];
}

void
dbsync_admin_check_arguments(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < fcinfo->nargs; i++)
	{
		const char *source;
		const char *name;

		if (!fcinfo->args[i].isnull)
			continue;
		source = default_of(fcinfo, i);
		if (source != NULL && strncmp(source, "NULL", 4) == 0)
			continue;
		name = name_of(fcinfo, i);
		if (strcmp(name, "existing_rows") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", name)));
	}
}

/* text[] to regclass[], as the cast reads each name */
static Datum
resolve_tables(Datum names)
{
	ArrayType  *array = DatumGetArrayTypeP(names);
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("name of a table must not be null")));
		values[i] = DirectFunctionCall1(text_regclass, values[i]);
	}
	return PointerGetDatum(construct_array(values, n, REGCLASSOID, sizeof(Oid),
										   true, TYPALIGN_INT));
}

/*
 * As if the error were our caller's own: the text of our queries may hold a secret.
 * What called us is told as usual.
 */
void
dbsync_admin_raise(MemoryContext context)
{
	ErrorData  *edata;

	MemoryContextSwitchTo(context);
	edata = CopyErrorData();
	FlushErrorState();
	edata->context = NULL;
	edata->internalquery = NULL;
	edata->internalpos = 0;
	if (edata->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE && edata->hint == NULL)
		edata->hint = pstrdup(dbsync_deadline_lock_hint());
	ThrowErrorData(edata);
	pg_unreachable();
}

Datum
dbsync_as_owner(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Twin	   *twin = lookup_twin(fcinfo->flinfo);
	const char *outer_path = caller_path;
	int			nest = NewGUCNestLevel();
	Oid			caller;
	int			sec_context;
	int			nest_level;
	Datum		result;

	LOCAL_FCINFO(inner, FUNC_MAX_ARGS);

	dbsync_admin_check_arguments(fcinfo);
	/* what is asked of catalogs is estimated as dear, and is over before it would be compiled */
	(void) set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* our functions are written for it, and some of them are compiled only now */
	(void) set_config_option("standard_conforming_strings", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	GetUserIdAndSecContext(&caller, &sec_context);

	InitFunctionCallInfoData(*inner, &twin->function, fcinfo->nargs + 1,
							 fcinfo->fncollation, NULL, fcinfo->resultinfo);
	inner->args[0].value = ObjectIdGetDatum(caller);
	inner->args[0].isnull = false;
	for (int i = 0; i < fcinfo->nargs; i++)
	{
		inner->args[i + 1] = fcinfo->args[i];
		if (i == twin->tables && !fcinfo->args[i].isnull)
			inner->args[i + 1].value = resolve_tables(fcinfo->args[i].value);
	}

	caller_path = pstrdup(namespace_search_path);
	nest_level = NewGUCNestLevel();
	dbsync_deadline_for_locks();
	SetUserIdAndSecContext(twin->owner,
						   sec_context | SECURITY_LOCAL_USERID_CHANGE);
	PG_TRY();
	{
		result = FunctionCallInvoke(inner);
	}
	PG_CATCH();
	{
		caller_path = outer_path;
		dbsync_admin_raise(context);
	}
	PG_END_TRY();
	caller_path = outer_path;
	AtEOXact_GUC(true, nest_level);
	SetUserIdAndSecContext(caller, sec_context);
	AtEOXact_GUC(true, nest);

	fcinfo->isnull = inner->isnull;
	return result;
}

const char *
dbsync_admin_caller_path(void)
{
	return caller_path;
}

Datum
dbsync_caller_path(PG_FUNCTION_ARGS)
{
	if (caller_path == NULL)
		elog(ERROR, "nobody has called");
	PG_RETURN_TEXT_P(cstring_to_text(caller_path));
}

Datum
dbsync_jsonb_as(PG_FUNCTION_ARGS)
{
	DbsyncOwner saved;
	Datum		result;

	dbsync_owner_begin(&saved, PG_GETARG_OID(1));
	/* looks at its first argument only */
	result = to_jsonb(fcinfo);
	dbsync_owner_end(&saved);
	return result;
}

Datum
dbsync_default_opclass(PG_FUNCTION_ARGS)
{
	Oid			type = PG_GETARG_OID(0);
	Oid			opclass = InvalidOid;

	/* one that has gone has none */
	if (SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(type)))
		opclass = GetDefaultOpClass(type, BTREE_AM_OID);
	if (!OidIsValid(opclass))
		PG_RETURN_NULL();
	PG_RETURN_OID(opclass);
}
