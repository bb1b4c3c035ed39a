/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/address.c
 *	  PostgreSQL driver: what SQL functions ask of a target's address and options.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "libpq-fe.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "worker/driver/postgres/options.h"

PG_FUNCTION_INFO_V1(dbsync_parse_uri);
PG_FUNCTION_INFO_V1(dbsync_is_mapping_option);
PG_FUNCTION_INFO_V1(dbsync_is_superuser_option);

/*
 * libpq's complaints quote pieces of the string.  They are passed on only if it
 * cannot hold a password: nothing before an @, or where a port or a password would
 * be, no keyword for a secret, nor one that is written in percents ("p%61ssword").
 */
static bool
may_hold_secret(const char *uri)
{
	char	   *lower = asc_tolower(uri, strlen(uri));
	char	   *behind = strstr(lower, "://");

	return strpbrk(lower, "@%") != NULL ||
		strstr(lower, "pass") != NULL || strstr(lower, "secret") != NULL ||
		strchr(behind ? behind + 3 : lower, ':') != NULL;
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
			 errhint("Write postgresql://user@host:port/dbname?option=value.")));
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

/* Does the option belong to the user mapping? */
Datum
dbsync_is_mapping_option(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dbsync_postgres_is_mapping_option(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* Is the option one that superusers only can set? */
Datum
dbsync_is_superuser_option(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(dbsync_postgres_lends_account(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
