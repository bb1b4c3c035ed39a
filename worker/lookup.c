/*-------------------------------------------------------------------------
 *
 * worker/lookup.c
 *	  Subscriptions as users' sessions look them up and switch them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "extension/catalog.h"
#include "worker/lookup.h"
#include "worker/query.h"

/*
 * Become the owner of the extension, whose tables these are; returns who we
 * were.  An error puts it right by itself.
 */
static void
become_owner(Oid *user, int *security)
{
	HeapTuple	tuple;
	Oid			schema = dbsync_catalog_schema();

	GetUserIdAndSecContext(user, security);
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "schema of dbsync has gone");
	SetUserIdAndSecContext(((Form_pg_namespace) GETSTRUCT(tuple))->nspowner,
						   *security | SECURITY_LOCAL_USERID_CHANGE);
	ReleaseSysCache(tuple);
}

static void
read_found(const char *where, const char *arg, DbsyncFound *found)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		isnull;
	Oid			user;
	int			security;

	memset(found, 0, sizeof(*found));
	become_owner(&user, &security);
	SPI_connect();
	PushActiveSnapshot(GetLatestSnapshot());
	if (dbsync_query(psprintf("SELECT id, enabled, position IS NOT NULL, owner::pg_catalog.oid, target, uid"
							  " FROM dbsync.subscription WHERE %s", where), 1, &arg) == 1)
	{
		found->id = dbsync_query_int(0, 1);
		found->enabled = dbsync_query_bool(0, 2);
		found->has_run = dbsync_query_bool(0, 3);
		found->owner = dbsync_query_oid(0, 4);
		found->target = MemoryContextStrdup(caller, dbsync_query_text(0, 5));
		found->uid = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0],
												  SPI_tuptable->tupdesc, 6, &isnull));
	}
	PopActiveSnapshot();
	SPI_finish();
	SetUserIdAndSecContext(user, security);
}

DbsyncFound
dbsync_lookup_owned(const char *name)
{
	DbsyncFound found;

	read_found("name = $1::pg_catalog.name", name, &found);
	if (found.id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("subscription \"%s\" does not exist", name),
				 errhint("dbsync.status lists the subscriptions of this database.")));
	if (!has_privs_of_role(GetUserId(), found.owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of subscription \"%s\"", name)));
	return found;
}

void
dbsync_lookup_set_enabled(int id, bool enabled)
{
	Oid			user;
	int			security;
	const char *args[2];

	args[0] = enabled ? "true" : "false";
	args[1] = psprintf("%d", id);
	become_owner(&user, &security);
	dbsync_query_run("UPDATE dbsync.subscription SET enabled = $1::pg_catalog.bool"
					 " WHERE id = $2::pg_catalog.int4", 2, args);
	SetUserIdAndSecContext(user, security);
}

DbsyncFound
dbsync_lookup_id(int id)
{
	DbsyncFound found;

	read_found("id = $1::pg_catalog.int4", psprintf("%d", id), &found);
	return found;
}
