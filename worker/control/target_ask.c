/*-------------------------------------------------------------------------
 *
 * worker/control/target_ask.c
 *	  Asking a target from a session whether it takes what somebody has chosen.
 *
 * What the target's table has, and what has been chosen, may both be mended before the subscription runs,
 * and a target may be away.  So only what is wrong for sure is an error; the worker looks again, and has
 * the same words for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "extension/array.h"
#include "worker/connection.h"
#include "worker/control/target_ask.h"
#include "worker/driver/driver.h"
#include "worker/drivers.h"
#include "worker/target.h"

PG_FUNCTION_INFO_V1(dbsync_ask_target);
PG_FUNCTION_INFO_V1(dbsync_target_parks_rows);
PG_FUNCTION_INFO_V1(dbsync_target_shows_rows);

static DbsyncTableSpec
make_spec(FunctionCallInfo fcinfo)
{
	DbsyncTableSpec spec = {.chosen = true};
	Datum	   *names = dbsync_array_values(PG_GETARG_DATUM(5), TEXTOID, &spec.ncolumns);
	Datum	   *types = dbsync_array_values(PG_GETARG_DATUM(6), OIDOID, &spec.ncolumns);
	Datum	   *typmods = dbsync_array_values(PG_GETARG_DATUM(7), INT4OID, &spec.ncolumns);
	Datum	   *collations = dbsync_array_values(PG_GETARG_DATUM(8), OIDOID, &spec.ncolumns);
	Datum	   *keys = dbsync_array_values(PG_GETARG_DATUM(9), INT4OID, &spec.nkeys);
	int		   *key = palloc(sizeof(int) * Max(spec.nkeys, 1));
	DbsyncColumn *columns = palloc0(sizeof(DbsyncColumn) * Max(spec.ncolumns, 1));

	spec.schema = text_to_cstring(PG_GETARG_TEXT_PP(3));
	spec.table = text_to_cstring(PG_GETARG_TEXT_PP(4));
	for (int i = 0; i < spec.ncolumns; i++)
	{
		columns[i].name = TextDatumGetCString(names[i]);
		columns[i].typmod = DatumGetInt32(typmods[i]);
		columns[i].type = getBaseTypeAndTypmod(DatumGetObjectId(types[i]), &columns[i].typmod);
		columns[i].collation = DatumGetObjectId(collations[i]);
	}
	for (int k = 0; k < spec.nkeys; k++)
	{
		key[k] = DatumGetInt32(keys[k]);
		columns[key[k]].key = k + 1;
	}
	spec.columns = columns;
	spec.keys = key;
	return spec;
}

static bool
is_wrong_for_sure(const DbsyncFault *fault)
{
	return fault->sqlstate == ERRCODE_UNDEFINED_COLUMN || fault->sqlstate == ERRCODE_GENERATED_ALWAYS ||
		fault->sqlstate == ERRCODE_DATATYPE_MISMATCH;
}

static void
notice_unknown(const DbsyncTarget *target, const char *name, const char *rel)
{
	ereport(NOTICE,
			(errmsg("target \"%s\" does not say yet whether it takes what is sent of table %s", name, rel),
			 errdetail("%s%s%s", target->fault.message ? target->fault.message : "It cannot be reached.",
					   target->fault.detail ? ": " : "", target->fault.detail ? target->fault.detail : ""),
			 errhint("The worker looks again when the subscription runs.")));
}

Datum
dbsync_ask_target(PG_FUNCTION_ARGS)
{
	const char *name = NameStr(*PG_GETARG_NAME(0));
	const char *rel = text_to_cstring(PG_GETARG_TEXT_PP(2));
	DbsyncTableSpec spec = make_spec(fcinfo);
	DbsyncTarget *target;
	bool		ok;

	target = dbsync_target_try_open(dbsync_connection_config(name, PG_GETARG_OID(1)), &ok);
	PG_TRY();
	{
		if (ok && (spec.nkeys > 0 || dbsync_target_counts_rows(target)))
		{
			ok = dbsync_target_try_table_open(target, &spec) != NULL;
			if (!ok && is_wrong_for_sure(&target->fault))
				dbsync_target_raise(target, NULL);
		}
		if (!ok && !(PG_GETARG_BOOL(10) && target->fault.sqlstate == ERRCODE_UNDEFINED_TABLE))
			notice_unknown(target, name, rel);
	}
	PG_FINALLY();
	{
		dbsync_target_close(target);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}

/* What its driver says of all of its targets: nobody has to be asked. */
static bool
has_feature(const NameData *target, int feature)
{
	ForeignServer *server = GetForeignServerByName(NameStr(*target), false);
	const DbsyncDriver *driver = dbsync_target_driver(GetForeignDataWrapper(server->fdwid)->fdwname);

	return driver != NULL && (driver->features & feature) != 0;
}

Datum
dbsync_target_parks_rows(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(has_feature(PG_GETARG_NAME(0), DBSYNC_FEATURE_QUARANTINE));
}

Datum
dbsync_target_shows_rows(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(has_feature(PG_GETARG_NAME(0), DBSYNC_FEATURE_COMPARE));
}
