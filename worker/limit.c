/*-------------------------------------------------------------------------
 *
 * worker/limit.c
 *	  How many workers one role may have.
 *
 * Worker slots belong to the whole server, and any role that may make a target can
 * start subscriptions: without a limit, one role could take them all from the others
 * and from parallel queries.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "extension/settings.h"
#include "extension/shmem.h"
#include "worker/limit.h"

Oid
dbsync_limited_role(Oid owner)
{
	return !OidIsValid(owner) || superuser_arg(owner) ? InvalidOid : owner;
}

void
dbsync_limit_check(const DbsyncFound *found)
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
