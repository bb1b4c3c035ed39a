/*-------------------------------------------------------------------------
 *
 * worker/target.c
 *	  Which drivers there are, and how their faults become errors.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

static const DbsyncDriver *const drivers[] = {
	&dbsync_postgres_driver,
};

const DbsyncDriver *
dbsync_driver_find(const char *wrapper)
{
	for (int i = 0; i < lengthof(drivers); i++)
	{
		if (strcmp(drivers[i]->name, wrapper) == 0)
			return drivers[i];
	}
	return NULL;
}

void
dbsync_fault_raise(DbsyncTarget *target, const char *doing)
{
	DbsyncFault *fault = &target->fault;
	/* where it happened is a fact that status shows; it has no context */
	const char *detail = fault->detail ? fault->detail : fault->context;

	ereport(ERROR,
			(errcode(fault->sqlstate ? fault->sqlstate : ERRCODE_INTERNAL_ERROR),
			 errmsg_internal("%s", fault->message ? fault->message : "unknown fault"),
			 detail ? errdetail_internal("%s", detail) : 0,
			 fault->hint ? errhint("%s", fault->hint) : 0,
			 fault->context ? errcontext("%s", fault->context) : 0,
			 doing ? errcontext("%s", doing) : 0));
	pg_unreachable();
}
