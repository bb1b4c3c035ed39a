/*-------------------------------------------------------------------------
 *
 * extension/ddl/lock.c
 *	  Locks on tables, by their oids.
 *
 * The functions here ask for no rights: only those that run as the owner of the extension can
 * call them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(dbsync_lock_by_oid);
PG_FUNCTION_INFO_V1(dbsync_unlock_surplus);
PG_FUNCTION_INFO_V1(dbsync_lock_at_once);
PG_FUNCTION_INFO_V1(dbsync_has_to_itself);

/* as LOCK TABLE calls them */
static LOCKMODE
lock_mode(const char *name)
{
	if (strcmp(name, "ACCESS SHARE") == 0)
		return AccessShareLock;
	if (strcmp(name, "ROW EXCLUSIVE") == 0)
		return RowExclusiveLock;
	if (strcmp(name, "SHARE ROW EXCLUSIVE") == 0)
		return ShareRowExclusiveLock;
	if (strcmp(name, "ACCESS EXCLUSIVE") == 0)
		return AccessExclusiveLock;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown lock mode \"%s\"", name)));
}

/*
 * lock_by_oid(oid, mode): lock a table to the end of the transaction, by its oid,
 * since a name can be given to another table while one waits.  Says whether the
 * table is there.
 */
Datum
dbsync_lock_by_oid(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	LOCKMODE	mode = lock_mode(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	LockRelationOid(relid, mode);
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		PG_RETURN_BOOL(true);
	UnlockRelationOid(relid, mode);
	PG_RETURN_BOOL(false);
}

/*
 * lock_at_once(oid, mode): the same, without waiting: who has locked others already must not,
 * as somebody who waits for those may have this one.  False also if it is not to be had.
 */
Datum
dbsync_lock_at_once(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	LOCKMODE	mode = lock_mode(text_to_cstring(PG_GETARG_TEXT_PP(1)));

	if (!ConditionalLockRelationOid(relid, mode))
		PG_RETURN_BOOL(false);
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		PG_RETURN_BOOL(true);
	UnlockRelationOid(relid, mode);
	PG_RETURN_BOOL(false);
}

/* has_to_itself(oid): has this transaction locked the table so that nobody else writes to it? */
Datum
dbsync_has_to_itself(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	bool		locked;
	Relation	rel;

	/* not to wait for somebody who has it: then we have not */
	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		PG_RETURN_BOOL(false);
	rel = try_relation_open(relid, NoLock);
	locked = rel != NULL && CheckRelationLockedByMe(rel, ShareRowExclusiveLock, true);
	if (rel != NULL)
		relation_close(rel, NoLock);
	UnlockRelationOid(relid, AccessShareLock);
	PG_RETURN_BOOL(locked);
}

/* locks that one transaction keeps on tables that it adds; the server has room for 64 a session */
#define MAX_KEPT_LOCKS 1000

/*
 * unlock_surplus(oid): give back an ACCESS SHARE lock of lock_by_oid(), in the function that
 * has taken it, if this transaction has kept many already.
 */
Datum
dbsync_unlock_surplus(PG_FUNCTION_ARGS)
{
	static TimestampTz transaction = 0;
	static int	kept = 0;

	if (transaction != GetCurrentTransactionStartTimestamp())
		kept = 0;
	transaction = GetCurrentTransactionStartTimestamp();
	if (++kept > MAX_KEPT_LOCKS)
		UnlockRelationOid(PG_GETARG_OID(0), AccessShareLock);
	PG_RETURN_VOID();
}
