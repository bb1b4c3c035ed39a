/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/address.c
 *	  PostgreSQL driver: what a target's URI, or any connection string of libpq, says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq-fe.h"
#include "nodes/makefuncs.h"
#include "utils/formatting.h"

#include "worker/driver/postgres/options.h"

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

List *
dbsync_postgres_parse_uri(const char *uri)
{
	PQconninfoOption *options = parse(uri);
	List	   *said = NIL;

	PG_TRY();
	{
		for (PQconninfoOption *option = options; option->keyword; option++)
		{
			if (option->val != NULL)
				said = lappend(said, makeDefElem(pstrdup(option->keyword),
												 (Node *) makeString(pstrdup(option->val)), -1));
		}
	}
	PG_FINALLY();
	{
		PQconninfoFree(options);
	}
	PG_END_TRY();
	return said;
}
