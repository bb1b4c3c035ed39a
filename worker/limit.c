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

#include "worker/limit.h"

Oid
dbsync_limited_role(Oid owner)
{
	return !OidIsValid(owner) || superuser_arg(owner) ? InvalidOid : owner;
}
