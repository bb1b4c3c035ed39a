/*-------------------------------------------------------------------------
 *
 * worker/control/target_options.c
 *	  What SQL functions ask of drivers: URIs, options, what kind of target it is.
 *
 * All of it is answered without a connection, but for the last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "worker/connection.h"
#include "worker/control/target_options.h"
#include "worker/driver/driver.h"
#include "worker/drivers.h"
#include "worker/target.h"
#include "worker/uri.h"

PG_FUNCTION_INFO_V1(dbsync_parse_uri);
PG_FUNCTION_INFO_V1(dbsync_wrapper_of_scheme);
PG_FUNCTION_INFO_V1(dbsync_is_mapping_option);
PG_FUNCTION_INFO_V1(dbsync_superuser_option);
PG_FUNCTION_INFO_V1(dbsync_is_secret_option);
PG_FUNCTION_INFO_V1(dbsync_writes_server_files);
PG_FUNCTION_INFO_V1(dbsync_schema_of_target);
PG_FUNCTION_INFO_V1(dbsync_open_server_file);

#define WRAPPER_COLUMNS	2

/* The options that a URI sets, by the driver of a wrapper: (option, value). */
Datum
dbsync_parse_uri(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *said = dbsync_uri_parse(dbsync_target_driver_needed(NameStr(*PG_GETARG_NAME(0))),
										text_to_cstring(PG_GETARG_TEXT_PP(1)));
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, said)
	{
		DefElem    *def = lfirst_node(DefElem, lc);
		Datum		values[2] = {CStringGetTextDatum(def->defname), CStringGetTextDatum(defGetString(def))};
		bool		nulls[2] = {false, false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	PG_RETURN_VOID();
}

/* The wrapper of a scheme, whether it is there or not, and what its library needs if it comes with dbsync: (wrapper, package). */
Datum
dbsync_wrapper_of_scheme(PG_FUNCTION_ARGS)
{
	const char *package;
	const char *wrapper = dbsync_driver_wrapper_of_scheme(text_to_cstring(PG_GETARG_TEXT_PP(0)), &package);
	Datum		values[WRAPPER_COLUMNS];
	bool		nulls[WRAPPER_COLUMNS] = {false, package == NULL};
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = CStringGetTextDatum(wrapper);
	values[1] = package ? CStringGetTextDatum(package) : (Datum) 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* NULL: no such option, or the driver does not say. */
static const DbsyncOption *
find_option(FunctionCallInfo fcinfo)
{
	const DbsyncDriver *driver = dbsync_target_driver_needed(NameStr(*PG_GETARG_NAME(0)));

	return dbsync_driver_option(driver, text_to_cstring(PG_GETARG_TEXT_PP(1)));
}

/* Does the option belong to user mappings only? */
Datum
dbsync_is_mapping_option(PG_FUNCTION_ARGS)
{
	const DbsyncOption *option = find_option(fcinfo);

	PG_RETURN_BOOL(option != NULL && option->where == DBSYNC_OPTION_MAPPING);
}

/* Why only superusers can set it; NULL: others can. */
Datum
dbsync_superuser_option(PG_FUNCTION_ARGS)
{
	const DbsyncOption *option = find_option(fcinfo);

	if (option == NULL || option->superuser == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(option->superuser));
}

/* Is it a secret?  Without a wrapper: of any of the drivers that are always there. */
Datum
dbsync_is_secret_option(PG_FUNCTION_ARGS)
{
	const DbsyncOption *option;

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(dbsync_driver_is_secret_of_any(text_to_cstring(PG_GETARG_TEXT_PP(1))));
	option = find_option(fcinfo);
	PG_RETURN_BOOL(option != NULL && option->secret);
}

/* Are the wrapper's targets files or folders of this server? */
Datum
dbsync_writes_server_files(PG_FUNCTION_ARGS)
{
	const DbsyncDriver *driver = dbsync_target_driver(NameStr(*PG_GETARG_NAME(0)));

	PG_RETURN_BOOL(driver != NULL &&
				   (driver->features & (DBSYNC_FEATURE_FILES | DBSYNC_FEATURE_SERVER_FILES)) != 0);
}

/* Where tables go in a target, unless a place is named; NULL: to a schema called as the source's. */
Datum
dbsync_schema_of_target(PG_FUNCTION_ARGS)
{
	const DbsyncDriver *driver = dbsync_connection_driver(NameStr(*PG_GETARG_NAME(0)));
	Name		schema;

	if (driver->schema == NULL)
		PG_RETURN_NULL();
	schema = palloc(sizeof(NameData));
	namestrcpy(schema, driver->schema);
	PG_RETURN_NAME(schema);
}

/* Open a target that is a file of this server, and close it: error if it cannot be had.  Targets of other kinds are left alone. */
Datum
dbsync_open_server_file(PG_FUNCTION_ARGS)
{
	const DbsyncTargetConfig *config;
	DbsyncTarget *target;
	bool		ok;

	if ((dbsync_connection_driver(NameStr(*PG_GETARG_NAME(0)))->features & DBSYNC_FEATURE_SERVER_FILES) == 0)
		PG_RETURN_VOID();
	config = dbsync_connection_config(NameStr(*PG_GETARG_NAME(0)), PG_GETARG_OID(1));
	target = dbsync_target_try_open(config, &ok);
	if (!ok)
		dbsync_target_raise(target, NULL);
	dbsync_target_close(target);
	PG_RETURN_VOID();
}
