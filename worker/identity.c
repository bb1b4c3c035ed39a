/*-------------------------------------------------------------------------
 *
 * worker/identity.c
 *	  Who this database is, who the target is, and who it has been.
 *
 * Changes are known by the databases that they have come through (their routes),
 * so two of them must not have one identity, and one of them may have had several.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/route.h"
#include "worker/driver/driver.h"
#include "worker/identity.h"
#include "worker/work.h"

char *
dbsync_identity_own(void)
{
	return dbsync_route_identity(GetSystemIdentifier(), MyDatabaseId);
}

bool
dbsync_identity_is_own(const DbsyncTarget *target)
{
	return target->identity.origin != NULL &&
		strcmp(target->identity.origin, dbsync_identity_own()) == 0;
}

/*
 * A physical copy that has become a database of its own has the identity of the one
 * that it was made from: what one of them makes would be taken for the other's.
 * The very same database answers with our own start.
 *
 * What the driver calls the target goes into the ledger and is read again from there:
 * what could not be read would be taken for damage for ever.
 */
void
dbsync_identity_check(DbsyncWork *work)
{
	const DbsyncTargetIdentity *identity = &work->target->identity;

	if (identity->origin != NULL && dbsync_route_length(identity->origin) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("target \"%s\" has an origin that cannot be part of a route", work->subscription->target),
				 errdetail("Its driver, \"%s\", must tell one identity, two numbers with a slash between them, or none.",
						   work->target->driver->name)));
	if (dbsync_identity_is_own(work->target) && identity->server_start != PgStartTime)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("target \"%s\" is a physical copy of this database, or this one is of it",
						work->subscription->target),
				 errdetail("Both are database %s. Changes made by one would be taken for the other's, and not be sent.",
						   identity->origin),
				 errhint("Load one of the two from a dump (pg_dump) into a cluster of its own (initdb).")));
}

/*
 * All whom the target has been: changes that it made under another identity, before
 * it was loaded from a dump say, are under way, and must not come back to it as
 * somebody else's.  The first batch writes it down.
 */
void
dbsync_identity_note(DbsyncWork *work)
{
	DbsyncLedger *ledger = &work->ledger;
	const char *origin = work->target->identity.origin;
	MemoryContext old = MemoryContextSwitchTo(work->target_context);

	if (ledger->identities != NULL && dbsync_route_length(ledger->identities) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the ledger on target \"%s\" is damaged", work->subscription->target),
				 errdetail("It does not say which databases the target has been.")));
	/* where it is not known who it is, the driver takes no table that is captured */
	if (ledger->identities == NULL && origin != NULL)
		ledger->identities = origin;
	else if (origin != NULL &&
			 !dbsync_route_has(ledger->identities, origin))
	{
		List	   *places = dbsync_route_places(ledger->identities);

		/* the oldest has been forgotten by everybody */
		if (list_length(places) == DBSYNC_ROUTE_MAX)
			ledger->identities = strchr(ledger->identities, ' ') + 1;
		ledger->identities = psprintf("%s %s", ledger->identities, origin);
	}
	work->target_identities = ledger->identities ? dbsync_route_places(ledger->identities) : NIL;
	MemoryContextSwitchTo(old);
}
