/*-------------------------------------------------------------------------
 *
 * worker/connection.c
 *	  From a foreign server and a user mapping to what a driver connects with.
 *
 * All connections to targets come through here, so here the rights are asked:
 * USAGE on the server, and whose credentials are being lent.
 *
 * Some options lend the identity of the server's own account, or waive the
 * password that keeps others from borrowing it (password_required 'false', sslcert,
 * sslkey, passfile, service).  Only superusers can set them, for the address that
 * they have in mind.  But whoever owns the foreign server can move the address
 * without touching them, and whoever can move the address can have the server log
 * in to itself.  So they count only where the server belongs to a superuser: then
 * nobody else can change server or mapping, and they are bound to the address for
 * which they were given, whatever is altered, dropped, made again, or granted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "extension/catalog.h"
#include "extension/deadline.h"
#include "extension/settings.h"
#include "worker/connection.h"
#include "worker/drivers.h"
#include "worker/query.h"
#include "worker/subscription.h"
#include "worker/target.h"

#include "extension/compat.h"

/* who is told of waits for an answer; NULL: nobody, in a process that is no worker */
static void (*waits) (TimestampTz since) = NULL;

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

static const DbsyncDriver *
find_driver(ForeignServer *server)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(server->fdwid);
	const DbsyncDriver *driver = dbsync_target_driver(wrapper->fdwname);

	if (driver == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("foreign server \"%s\" is not a target", server->servername),
				 errdetail("Its foreign data wrapper \"%s\" is none of dbsync's.", wrapper->fdwname)));
	return driver;
}

const DbsyncDriver *
dbsync_connection_driver(const char *server_name)
{
	return find_driver(find_server(server_name));
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

static void
check_usage(const ForeignServer *server, Oid owner)
{
	const char *role = GetUserNameFromId(owner, false);

	if (!dbsync_may_use_server_compat(server->serverid, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for target \"%s\"", server->servername),
				 errdetail("Role \"%s\" needs USAGE on the foreign server.", role),
				 errhint("Its owner can GRANT USAGE ON FOREIGN SERVER %s TO %s.",
						 quote_identifier(server->servername), quote_identifier(role))));
}

/* password_required 'true' waives nothing */
static bool
lends_credentials(const DbsyncDriver *driver, const DefElem *def)
{
	const DbsyncOption *option = dbsync_driver_option(driver, def->defname);

	if (strcmp(def->defname, "password_required") == 0)
		return !defGetBoolean(unconstify(DefElem *, def));
	return option != NULL && option->superuser != NULL;
}

static void
check_lent(const ForeignServer *server, const DbsyncDriver *driver, List *options)
{
	ListCell   *lc;

	if (superuser_arg(server->owner))
		return;
	foreach(lc, options)
	{
		const DefElem *def = lfirst_node(DefElem, lc);

		if (lends_credentials(driver, def))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("option \"%s\" is for targets that a superuser owns", def->defname),
					 errdetail("It lends the credentials of this server's own account, but role \"%s\" owns target \"%s\" and can change its address.",
							   GetUserNameFromId(server->owner, true), server->servername),
					 errhint("A superuser can take over the target with ALTER SERVER %s OWNER TO, look at its options, and GRANT USAGE ON FOREIGN SERVER %s; or take the option away.",
							 quote_identifier(server->servername), quote_identifier(server->servername))));
	}
}

/* --- files and folders of this server --- */

static void
check_file_role(const ForeignServer *server, const DbsyncDriver *driver, Oid role)
{
	const char *name = GetUserNameFromId(role, false);

	if (!has_privs_of_role(role, ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for target \"%s\"", server->servername),
				 (driver->features & DBSYNC_FEATURE_FILES) != 0
				 ? errdetail("Its root is a folder of this server, and role \"%s\" may not have the server write files.", name)
				 : errdetail("It is a file of this server, and role \"%s\" may not have the server write files.", name),
				 errhint("A superuser can GRANT pg_write_server_files TO %s.", quote_identifier(name))));
}

static void
check_wrapper(const ForeignServer *server, Oid role)
{
	Datum		usage = DirectFunctionCall3(has_foreign_data_wrapper_privilege_id_id, ObjectIdGetDatum(role),
											ObjectIdGetDatum(server->fdwid), CStringGetTextDatum("USAGE"));

	if (!DatumGetBool(usage))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for target \"%s\"", server->servername),
				 errdetail("Role \"%s\", which owns it, needs USAGE on its foreign data wrapper.", GetUserNameFromId(role, false)),
				 errhint("A superuser can GRANT USAGE ON FOREIGN DATA WRAPPER %s TO %s.",
						 quote_identifier(GetForeignDataWrapper(server->fdwid)->fdwname),
						 quote_identifier(GetUserNameFromId(role, false)))));
}

/* Somebody else's certificates and keys are read, too. */
static void
check_files_named(const ForeignServer *server, Oid role)
{
	ListCell   *lc;

	foreach(lc, server->options)
	{
		const DefElem *def = lfirst_node(DefElem, lc);

		if ((strcmp(def->defname, "recipients") == 0 || strcmp(def->defname, "receipt_keys") == 0) &&
			!has_privs_of_role(role, ROLE_PG_READ_SERVER_FILES))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for target \"%s\"", server->servername),
					 errdetail("Option \"%s\" names a file of this server, and role \"%s\" may not have the server read files.",
							   def->defname, GetUserNameFromId(role, false)),
					 errhint("A superuser can GRANT pg_read_server_files TO %s.",
							 quote_identifier(GetUserNameFromId(role, false)))));
	}
}

/* Who owns the server says where file or folder is, and whose subscription it is, what is written there. */
static void
check_files(const ForeignServer *server, const DbsyncDriver *driver, Oid owner)
{
	check_wrapper(server, server->owner);
	check_file_role(server, driver, server->owner);
	check_file_role(server, driver, owner);
	if ((driver->features & DBSYNC_FEATURE_FILES) != 0)
		check_files_named(server, server->owner);
}

/* By which the root is known; NULL: not yet. */
static char *
read_public_key(const ForeignServer *server)
{
	MemoryContext context = CurrentMemoryContext;
	const char *args[1] = {server->servername};
	char	   *key = NULL;

	SPI_connect();
	if (dbsync_query_latest("SELECT f.public_key FROM dbsync.file_target f WHERE f.target = $1::pg_catalog.name", 1, args) == 1)
		key = MemoryContextStrdup(context, dbsync_query_text(0, 1));
	SPI_finish();
	return key;
}

static List *
add_option(List *options, const char *name, const char *value)
{
	return lappend(list_copy(options), makeDefElem(pstrdup(name), (Node *) makeString(pstrdup(value)), -1));
}

static bool
is_folder(const DbsyncTargetConfig *config)
{
	return (dbsync_target_driver(config->driver)->features & DBSYNC_FEATURE_FILES) != 0;
}

static void
tell_waits(TimestampTz since)
{
	if (waits != NULL)
		waits(since);
}

/* ms of silence that are too many, as of now: a worker waits longer than a session. */
static const int *
timeout(void)
{
	static int	of_session;

	if (waits != NULL)
		return &dbsync_target_timeout;
	of_session = dbsync_deadline_or(dbsync_target_timeout);
	return &of_session;
}

static DbsyncTargetConfig *
make_config(const char *server_name, Oid owner)
{
	ForeignServer *server = find_server(server_name);
	List	   *mapping = mapping_options(owner, server->serverid);
	const DbsyncDriver *driver = find_driver(server);
	DbsyncTargetConfig *config = palloc0(sizeof(DbsyncTargetConfig));

	config->name = server->servername;
	config->driver = driver->name;
	config->options = list_concat(server->options, mapping);
	check_usage(server, owner);
	check_lent(server, driver, config->options);
	if ((driver->features & (DBSYNC_FEATURE_FILES | DBSYNC_FEATURE_SERVER_FILES)) != 0)
		check_files(server, driver, owner);
	/* a superuser's own account is not for others to send where they like, either */
	config->password_required = !superuser_arg(server->owner) ||
		(!superuser_arg(owner) && !waives_password(mapping));
	config->application_name = "dbsync";
	config->waits = tell_waits;
	config->timeout = timeout();
	return config;
}

DbsyncTargetConfig *
dbsync_connection_config(const char *server_name, Oid owner)
{
	DbsyncTargetConfig *config = make_config(server_name, owner);
	char	   *key;

	if (!is_folder(config))
		return config;
	key = read_public_key(find_server(server_name));
	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the key of target \"%s\" is not known yet", server_name),
				 errhint("Have its root made, or looked at: SELECT dbsync.public_key(%s).", quote_literal_cstr(server_name))));
	config->options = add_option(config->options, "public_key", key);
	return config;
}

DbsyncTargetConfig *
dbsync_connection_config_to_pin(const char *server_name, Oid owner, bool new_key)
{
	DbsyncTargetConfig *config = make_config(server_name, owner);
	char	   *key = read_public_key(find_server(server_name));

	if (!is_folder(config))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("target \"%s\" is no folder, and has no key", server_name)));
	if (key != NULL)
		config->options = add_option(config->options, "public_key", key);
	if (new_key)
		config->options = add_option(config->options, "new_key", "true");
	return config;
}

DbsyncTarget *
dbsync_connection_open(const DbsyncSubscription *subscription, const char *purpose,
					   MemoryContext context, bool *ok)
{
	DbsyncTargetConfig *config;
	DbsyncTarget *target;
	MemoryContext old;

	dbsync_query_begin(false, "reading the target's options");
	MemoryContextSwitchTo(context);
	config = dbsync_connection_config(subscription->target, subscription->owner);
	config->application_name = psprintf("dbsync %s%s", subscription->name, purpose);
	dbsync_query_commit();
	old = MemoryContextSwitchTo(context);
	target = dbsync_target_try_open(config, ok);
	MemoryContextSwitchTo(old);
	return target;
}

/* the address we are connected to may be another by now */
static bool target_changed = false;

/* server or user mapping have changed; can run at any moment, so it only notes */
static void
note_change(Datum arg, int cacheid, uint32 hashvalue)
{
	target_changed |= !dbsync_catalog_is_trimming();
}

bool
dbsync_connection_is_outdated(void)
{
	return target_changed;
}

void
dbsync_connection_watch(void)
{
	static bool watching = false;

	if (!watching)
	{
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, note_change, (Datum) 0);
		CacheRegisterSyscacheCallback(USERMAPPINGOID, note_change, (Datum) 0);
	}
	watching = true;
	target_changed = false;
}

void
dbsync_connection_on_waits(void (*hook) (TimestampTz since))
{
	waits = hook;
}
