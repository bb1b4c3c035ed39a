/*-------------------------------------------------------------------------
 *
 * extension/owner.c
 *	  Running what users have written as the owner of the table that it belongs to.
 *
 * Settings are undone as after an error: what the code has SET would otherwise stay,
 * and what a session trusts must not come from a domain's CHECK.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "extension/owner.h"

void
dbsync_owner_begin(DbsyncOwner *saved, Oid owner)
{
	GetUserIdAndSecContext(&saved->user, &saved->security);
	saved->nest = NewGUCNestLevel();

	/* a caller's own operators in the path would run as the owner; workers have none */
	if (strcmp(namespace_search_path, DBSYNC_SAFE_PATH) != 0)
		(void) set_config_option("search_path", DBSYNC_SAFE_PATH, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(owner, saved->security | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
}

void
dbsync_owner_end(const DbsyncOwner *saved)
{
	AtEOXact_GUC(false, saved->nest);
	SetUserIdAndSecContext(saved->user, saved->security);
}

void
dbsync_owner_check(void)
{
	if (!InSecurityRestrictedOperation())
		elog(ERROR, "values of users' types are not read as their table's owner");
}
