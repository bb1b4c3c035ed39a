/*-------------------------------------------------------------------------
 *
 * worker/control/lookup.c
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
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "extension/catalog.h"
#include "extension/config.h"
#include "extension/deadline.h"
#include "extension/settings.h"
#include "extension/shmem.h"
#include "worker/control/lookup.h"
#include "worker/limit.h"
#include "worker/query.h"

typedef struct Caller
{
	Oid			user;
	int			security;
	int			nest_level;
} Caller;

/*
 * Become the owner of the extension, whose tables these are, and look names up
 * in pg_catalog only: the caller's search_path may lead to operators of his own.
 * An error puts both right by itself.
 */
static Caller
become_owner(void)
{
	Caller		caller;
	HeapTuple	tuple;

	GetUserIdAndSecContext(&caller.user, &caller.security);
	caller.nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	dbsync_deadline_for_locks();
	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(dbsync_catalog_schema()));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "schema of dbsync has gone");
	SetUserIdAndSecContext(((Form_pg_namespace) GETSTRUCT(tuple))->nspowner,
						   caller.security | SECURITY_LOCAL_USERID_CHANGE);
	ReleaseSysCache(tuple);
	return caller;
}

static void
become_caller(const Caller *caller)
{
	SetUserIdAndSecContext(caller->user, caller->security);
	AtEOXact_GUC(false, caller->nest_level);
}

static void
read_found(const char *where, const char *arg, DbsyncFound *found)
{
	MemoryContext caller = CurrentMemoryContext;
	bool		isnull;
	const char *zone;
	Caller		caller_role;

	memset(found, 0, sizeof(*found));
	caller_role = become_owner();
	SPI_connect();
	if (dbsync_query_latest(psprintf("SELECT * FROM (SELECT id, enabled, position IS NOT NULL,"
									 " dbsync_internal.owner_of(id)::pg_catalog.oid, target, uid, policy, time_zone, 0 AS kind, name, false AS played"
									 " FROM dbsync.subscription UNION ALL"
									 /* in the ledgers of targets it is the subscription whose bundles it plays */
									 " SELECT id, enabled, subscription IS NOT NULL,"
									 " dbsync_internal.owner_of(id)::pg_catalog.oid, target, coalesce(subscription, uid), policy, NULL, 1, name, chain IS NOT NULL"
									 " FROM dbsync.receiver) job WHERE %s", where), 1, &arg) == 1)
	{
		found->kind = dbsync_query_int4(0, 9) == 0 ? DBSYNC_JOB_SUBSCRIPTION : DBSYNC_JOB_RECEIVER;
		found->id = dbsync_query_int(0, 1);
		found->enabled = dbsync_query_bool(0, 2);
		found->has_run = dbsync_query_bool(0, 3);
		found->owner = dbsync_query_oid(0, 4);
		found->target = MemoryContextStrdup(caller, dbsync_query_text(0, 5));
		found->uid = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0],
												  SPI_tuptable->tupdesc, 6, &isnull));
		found->policy = MemoryContextStrdup(caller, dbsync_query_text(0, 7));
		zone = dbsync_query_text(0, 8);
		found->has_played = dbsync_query_bool(0, 11);
		found->time_zone = zone ? MemoryContextStrdup(caller, zone) : NULL;
	}
	SPI_finish();
	become_caller(&caller_role);
}

static const char *
word_of(DbsyncJob kind)
{
	return kind == DBSYNC_JOB_RECEIVER ? "receiver" : "subscription";
}

DbsyncFound
dbsync_lookup_owned(DbsyncJob kind, const char *name)
{
	DbsyncFound found;

	read_found(kind == DBSYNC_JOB_RECEIVER ? "kind = 1 AND name = $1::pg_catalog.name"
			   : "kind = 0 AND name = $1::pg_catalog.name", name, &found);
	if (found.id == 0 && kind == DBSYNC_JOB_RECEIVER)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("receiver \"%s\" does not exist", name),
				 errhint("dbsync.receivers lists the receivers of this database.")));
	if (found.id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("subscription \"%s\" does not exist", name),
				 errhint("dbsync.status lists the subscriptions of this database.")));
	if (OidIsValid(found.owner) ? !has_privs_of_role(GetUserId(), found.owner) : !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of %s \"%s\"", word_of(kind), name)));
	return found;
}

int
dbsync_lookup_enabled_of(Oid owner, int id)
{
	Caller		caller;
	const char *args[2];
	int			n;

	args[0] = psprintf("%u", owner);
	args[1] = psprintf("%d", id);
	caller = become_owner();
	SPI_connect();
	(void) dbsync_query_latest("SELECT count(*) FROM (SELECT id, enabled FROM dbsync.subscription"
							   " UNION ALL SELECT id, enabled FROM dbsync.receiver) s"
							   " WHERE s.enabled AND s.id <> $2::pg_catalog.int4"
							   " AND dbsync_internal.owner_of(s.id) = $1::pg_catalog.oid", 2, args);
	n = (int) dbsync_query_int(0, 1);
	SPI_finish();
	become_caller(&caller);
	return n;
}

char *
dbsync_lookup_suspended(int id)
{
	MemoryContext context = CurrentMemoryContext;
	Caller		caller;
	const char *arg = psprintf("%d", id);
	const char *names;
	char	   *result = NULL;

	caller = become_owner();
	SPI_connect();
	(void) dbsync_query_latest("SELECT string_agg(n.name, ', ' ORDER BY n.name)"
							   " FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id"
							   " CROSS JOIN LATERAL dbsync_internal.name_of(c) n (name)"
							   " WHERE a.subscription_id = $1::pg_catalog.int4 AND a.state = 'suspended'", 1, &arg);
	names = dbsync_query_text(0, 1);
	if (names != NULL)
		result = MemoryContextStrdup(context, names);
	SPI_finish();
	become_caller(&caller);
	return result;
}

bool
dbsync_lookup_held(int id, char **table, char **reason, char **action)
{
	MemoryContext context = CurrentMemoryContext;
	Caller		caller;
	const char *arg = psprintf("%d", id);
	bool		found;

	caller = become_owner();
	SPI_connect();
	found = dbsync_query_latest("SELECT h.\"table\", h.held_for, h.next_action"
								" FROM dbsync_internal.held_tables($1::pg_catalog.int4) h LIMIT 1", 1, &arg) > 0;
	if (found)
	{
		*table = MemoryContextStrdup(context, dbsync_query_text(0, 1));
		*reason = MemoryContextStrdup(context, dbsync_query_text(0, 2));
		*action = MemoryContextStrdup(context, dbsync_query_text(0, 3));
	}
	SPI_finish();
	become_caller(&caller);
	return found;
}

int64
dbsync_lookup_parked(int id)
{
	Caller		caller;
	const char *arg = psprintf("%d", id);
	int64		n;

	caller = become_owner();
	SPI_connect();
	(void) dbsync_query_latest("SELECT count(*) FROM dbsync.subscription_table a JOIN dbsync_internal.parked_row p ON p.attachment = a.uid"
							   " WHERE a.subscription_id = $1::pg_catalog.int4", 1, &arg);
	n = dbsync_query_int(0, 1);
	SPI_finish();
	become_caller(&caller);
	return n;
}

/* Its row may be locked by an open transaction that has added a table, say. */
static void
advise(void *arg)
{
	if (geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE)
		errhint("%s", dbsync_deadline_lock_hint());
}

void
dbsync_lookup_begin_change(void)
{
	Caller		caller = become_owner();
	ErrorContextCallback callback = {.callback = advise, .previous = error_context_stack};

	error_context_stack = &callback;
	dbsync_config_lock(false);
	error_context_stack = callback.previous;
	become_caller(&caller);
}

void
dbsync_lookup_set_enabled(const DbsyncFound *found, bool enabled)
{
	Caller		caller;
	const char *args[2];
	ErrorContextCallback callback = {.callback = advise, .previous = error_context_stack};

	args[0] = enabled ? "true" : "false";
	args[1] = psprintf("%d", found->id);
	caller = become_owner();
	error_context_stack = &callback;
	if (found->kind == DBSYNC_JOB_RECEIVER)
		dbsync_query_run("UPDATE dbsync.receiver SET enabled = $1::pg_catalog.bool,"
						 " note = CASE WHEN NOT $1::pg_catalog.bool THEN note END WHERE id = $2::pg_catalog.int4", 2, args);
	/* what it is to do by the clock counts from its first start on; to be verified from where there is something to compare */
	else
		dbsync_query_run("UPDATE dbsync.subscription SET enabled = $1::pg_catalog.bool,"
						 " note = CASE WHEN NOT $1::pg_catalog.bool THEN note END,"
						 " last_run = CASE WHEN $1::pg_catalog.bool THEN coalesce(last_run, dbsync_internal.policy_clock()) ELSE last_run END,"
						 " last_verify = CASE WHEN $1::pg_catalog.bool AND \"position\" IS NULL THEN dbsync_internal.policy_clock() ELSE last_verify END"
						 " WHERE id = $2::pg_catalog.int4", 2, args);
	error_context_stack = callback.previous;
	become_caller(&caller);
}

DbsyncFound
dbsync_lookup_id(int id)
{
	DbsyncFound found;

	read_found("id = $1::pg_catalog.int4", psprintf("%d", id), &found);
	return found;
}

void
dbsync_lookup_check_limit(const DbsyncFound *found)
{
	Oid			owner = dbsync_limited_role(found->owner);
	int			n;

	if (!OidIsValid(owner) || dbsync_max_subscriptions_per_role == 0)
		return;
	dbsync_shmem_lock(false);
	n = dbsync_shmem_workers_of(owner, true);
	dbsync_shmem_unlock();
	n += dbsync_lookup_enabled_of(owner, found->id);
	if (n >= dbsync_max_subscriptions_per_role)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg(DBSYNC_LIMIT_MESSAGE),
				 errdetail(DBSYNC_LIMIT_DETAIL, dbsync_max_subscriptions_per_role),
				 errhint(DBSYNC_LIMIT_HINT)));
}
