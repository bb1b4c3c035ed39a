/*-------------------------------------------------------------------------
 *
 * worker/target_config.c
 *	  From a foreign server and a user mapping to what a driver connects with.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/syscache.h"

#include "extension/settings.h"
#include "worker/target_config.h"
#include "worker/waiting.h"

static ForeignServer *
find_server(const char *server_name)
{
	ForeignServer *server = GetForeignServerByName(server_name, true);

	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("target \"%s\" does not exist", server_name),
				 errhint("Create it with dbsync.create_target().")));
	return server;
}

static const char *
find_driver(ForeignServer *server)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);

	if (dbsync_driver_find(wrapper->fdwname) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("foreign server \"%s\" is not a target", server->servername),
				 errdetail("Its foreign data wrapper \"%s\" is none of dbsync's.", wrapper->fdwname)));
	return wrapper->fdwname;
}

/* a driver that needs no credentials needs no user mapping either */
static List *
mapping_options(Oid owner, Oid serverid)
{
	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(owner),
							   ObjectIdGetDatum(serverid)) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
							   ObjectIdGetDatum(serverid)))
		return NIL;
	return GetUserMapping(owner, serverid)->options;
}

/* only a superuser can have set it to false: the validator sees to that */
static bool
waives_password(List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "password_required") == 0)
			return !defGetBoolean(def);
	}
	return false;
}

DbsyncTargetConfig *
dbsync_target_config(const char *server_name, Oid owner)
{
	ForeignServer *server = find_server(server_name);
	List	   *mapping = mapping_options(owner, server->serverid);
	DbsyncTargetConfig *config = palloc0(sizeof(DbsyncTargetConfig));

	config->name = server->servername;
	config->driver = find_driver(server);
	config->options = list_concat(server->options, mapping);
	config->password_required = !superuser_arg(owner) && !waives_password(mapping);
	config->application_name = "dbsync";
	config->waits = dbsync_waiting_tell;
	config->timeout = &dbsync_target_timeout;
	return config;
}
