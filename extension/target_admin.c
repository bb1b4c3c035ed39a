/*-------------------------------------------------------------------------
 *
 * extension/target_admin.c
 *	  What the SQL functions about targets need from C.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "funcapi.h"
#include "libpq-fe.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#include "extension/target_admin.h"
#include "worker/target/target.h"
#include "worker/target_config.h"

PG_FUNCTION_INFO_V1(dbsync_parse_uri);
PG_FUNCTION_INFO_V1(dbsync_probe_target);

/* columns of probe_target */
#define PROBE_COLUMNS	8

/*
 * libpq's complaints quote pieces of the string.  They are passed on only if it
 * cannot hold a password: nothing before an @, no keyword for a secret, nor one that
 * is written in percents ("p%61ssword").
 */
static bool
may_hold_secret(const char *uri)
{
	char	   *lower = asc_tolower(uri, strlen(uri));

	return strpbrk(lower, "@%") != NULL ||
		strstr(lower, "pass") != NULL || strstr(lower, "secret") != NULL;
}

static PQconninfoOption *
parse(const char *uri)
{
	char	   *complaint = NULL;
	PQconninfoOption *options = PQconninfoParse(uri, &complaint);
	char	   *copy;

	if (options)
		return options;
	copy = complaint ? pchomp(complaint) : pstrdup("out of memory");
	PQfreemem(complaint);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid connection string for a target"),
			 may_hold_secret(uri) ? 0 : errdetail_internal("%s", copy),
			 errhint("Write postgresql://user@host:port/dbname?option=value, or option=value pairs.")));
	return NULL;
}

Datum
dbsync_parse_uri(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *uri = text_to_cstring(PG_GETARG_TEXT_PP(0));
	PQconninfoOption *options;

	InitMaterializedSRF(fcinfo, 0);
	options = parse(uri);
	PG_TRY();
	{
		for (PQconninfoOption *option = options; option->keyword; option++)
		{
			Datum		values[2];
			bool		nulls[2] = {false, false};

			if (option->val == NULL)
				continue;
			values[0] = CStringGetTextDatum(option->keyword);
			values[1] = CStringGetTextDatum(option->val);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	PG_FINALLY();
	{
		PQconninfoFree(options);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}

static Datum
identity_row(const DbsyncTargetIdentity *identity, TupleDesc desc)
{
	Datum		values[PROBE_COLUMNS];
	bool		nulls[PROBE_COLUMNS] = {false};
	int			n = 0;

	values[n++] = Int32GetDatum(identity->version);
	values[n++] = CStringGetTextDatum(identity->version_text);
	values[n++] = CStringGetTextDatum(identity->user);
	values[n++] = CStringGetTextDatum(identity->database);
	nulls[n] = identity->system_identifier == 0;
	values[n++] = Int64GetDatum((int64) identity->system_identifier);
	values[n++] = ObjectIdGetDatum(identity->database_oid);
	values[n++] = BoolGetDatum(identity->in_recovery);
	values[n++] = BoolGetDatum(identity->replica_role);
	Assert(n == PROBE_COLUMNS);
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

Datum
dbsync_probe_target(PG_FUNCTION_ARGS)
{
	DbsyncTargetConfig *config = dbsync_target_config(NameStr(*PG_GETARG_NAME(0)), PG_GETARG_OID(1));
	const DbsyncDriver *driver = dbsync_driver_find(config->driver);
	DbsyncTarget *target;
	TupleDesc	desc;
	Datum		row;
	bool		ok;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	target = driver->open(config, &ok);
	if (!ok)
		dbsync_fault_raise(target, NULL);
	row = identity_row(&target->identity, BlessTupleDesc(desc));
	driver->close(target);
	PG_RETURN_DATUM(row);
}
