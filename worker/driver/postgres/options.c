/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/options.c
 *	  Which options a target of each driver takes, and where.
 *
 * PostgreSQL: whatever the libpq at hand knows, but for what it calls debugging
 * and for what we set ourselves.  User and secrets belong to the user mapping,
 * where other roles cannot read them; all else to the server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq-fe.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "worker/driver/postgres/options.h"

PG_FUNCTION_INFO_V1(dbsync_postgres_validator);

/* ours, in user mappings */
#define PASSWORD_REQUIRED	"password_required"

/*
 * They make the server read files as its own operating system user, which could
 * lend that user's identity to whoever sets them.  Where they count is for
 * worker/connection.c to say.
 */
static const char *const superuser_options[] = {
	"passfile", "service", "servicefile", "sslcert", "sslkey",
};

/* allowed in user mappings as well, as postgres_fdw does */
static const char *const either_options[] = {"sslcert", "sslkey"};

static bool
is_among(const char *keyword, const char *const *list, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(keyword, list[i]) == 0)
			return true;
	}
	return false;
}

/* libpq's list; its memory is libpq's, so it is fetched once and kept */
static const PQconninfoOption *
libpq_options(void)
{
	static PQconninfoOption *options = NULL;

	if (options == NULL)
		options = PQconndefaults();
	if (options == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Could not get libpq's default connection options.")));
	return options;
}

static bool
is_hidden(const PQconninfoOption *option)
{
	return strchr(option->dispchar, 'D') != NULL ||
		strcmp(option->keyword, "fallback_application_name") == 0 ||
		strcmp(option->keyword, "client_encoding") == 0;
}

static bool
is_valid_in(const PQconninfoOption *option, Oid catalog)
{
	bool		personal = strcmp(option->keyword, "user") == 0 ||
	strchr(option->dispchar, '*') != NULL;

	if (is_hidden(option))
		return false;
	if (catalog == UserMappingRelationId)
		return personal || is_among(option->keyword, either_options, lengthof(either_options));
	return catalog == ForeignServerRelationId && !personal;
}

static bool
is_valid_option(const char *keyword, Oid catalog)
{
	if (catalog == UserMappingRelationId && strcmp(keyword, PASSWORD_REQUIRED) == 0)
		return true;
	if (catalog == ForeignServerRelationId && strcmp(keyword, DBSYNC_POSTGRES_BEFORE_TRIGGERS) == 0)
		return true;
	for (const PQconninfoOption *option = libpq_options(); option->keyword; option++)
	{
		if (strcmp(option->keyword, keyword) == 0)
			return is_valid_in(option, catalog);
	}
	return false;
}

/* So it is with all that lends the identity of the server's own account, or waives the password that keeps others from borrowing it. */
static bool
lends_account(const char *keyword)
{
	return strcmp(keyword, PASSWORD_REQUIRED) == 0 ||
		is_among(keyword, superuser_options, lengthof(superuser_options));
}

static void
put_option(DbsyncOption *option, const char *name, bool secret)
{
	option->name = name;
	option->where = (is_valid_option(name, ForeignServerRelationId) ? DBSYNC_OPTION_SERVER : 0) |
		(is_valid_option(name, UserMappingRelationId) ? DBSYNC_OPTION_MAPPING : 0);
	option->superuser = lends_account(name)
		? "It makes the server read a file as its own operating system user, or do without a password." : NULL;
	option->secret = secret;
}

const DbsyncOption *
dbsync_postgres_options(void)
{
	static DbsyncOption *list = NULL;
	DbsyncOption *made;
	int			n = 0;

	if (list != NULL)
		return list;
	for (const PQconninfoOption *option = libpq_options(); option->keyword; option++)
		n++;
	made = MemoryContextAllocZero(TopMemoryContext, sizeof(DbsyncOption) * (n + 3));
	n = 0;
	for (const PQconninfoOption *option = libpq_options(); option->keyword; option++)
	{
		if (!is_hidden(option))
			put_option(&made[n++], option->keyword, strchr(option->dispchar, '*') != NULL);
	}
	put_option(&made[n++], PASSWORD_REQUIRED, false);
	put_option(&made[n++], DBSYNC_POSTGRES_BEFORE_TRIGGERS, false);
	list = made;
	return list;
}

bool
dbsync_postgres_is_libpq_option(const char *keyword)
{
	for (const PQconninfoOption *option = libpq_options(); option->keyword; option++)
	{
		if (strcmp(option->keyword, keyword) == 0)
			return !is_hidden(option);
	}
	return false;
}

static void
raise_invalid_option(const char *keyword, Oid catalog)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (const PQconninfoOption *option = libpq_options(); option->keyword; option++)
	{
		if (is_valid_in(option, catalog))
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", option->keyword);
	}
	if (catalog == UserMappingRelationId)
		appendStringInfoString(&valid, ", " PASSWORD_REQUIRED);
	if (catalog == ForeignServerRelationId)
		appendStringInfoString(&valid, ", " DBSYNC_POSTGRES_BEFORE_TRIGGERS);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", keyword),
			 valid.len > 0
			 ? errhint("Valid options in this context are: %s", valid.data)
			 : errhint("There are no valid options in this context.")));
}

/*
 * What stands where a port belongs may be the password of a URI without an @: it
 * is neither stored where everybody can read it, nor repeated by libpq.
 */
static void
check_port(DefElem *def)
{
	const char *port = defGetString(def);

	if (port[strspn(port, "0123456789,")] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"port\" must be a number"),
				 errhint("Write postgresql://user@host:port/dbname, and give the password as password => '...' of its own.")));
}

static void
check_value(DefElem *def)
{
	if (strcmp(def->defname, "port") == 0)
		check_port(def);
	if (strcmp(def->defname, PASSWORD_REQUIRED) == 0 && !defGetBoolean(def) && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("password_required=false is superuser-only"),
				 errhint("User mappings with the password_required option set to false may only be created or modified by the superuser.")));
	/* raises an error if it is none */
	if (strcmp(def->defname, DBSYNC_POSTGRES_BEFORE_TRIGGERS) == 0)
		(void) defGetBoolean(def);
	if (strcmp(def->defname, PASSWORD_REQUIRED) != 0 &&
		lends_account(def->defname) && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("option \"%s\" is superuser-only", def->defname),
				 errdetail("It makes the server read a file as its own operating system user.")));
}

Datum
dbsync_postgres_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (!is_valid_option(def->defname, catalog))
			raise_invalid_option(def->defname, catalog);
		check_value(def);
	}
	PG_RETURN_VOID();
}
