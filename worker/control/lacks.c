/*-------------------------------------------------------------------------
 *
 * worker/control/lacks.c
 *	  What an answer that all is there leaves out, as it is said to who has waited for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/control/lacks.h"

bool
dbsync_lacks_suspended(const char *name, const DbsyncFound *found)
{
	char	   *tables = dbsync_lookup_suspended(found->id);

	if (tables == NULL)
		return false;
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("subscription \"%s\" goes on without tables that are suspended: %s", name, tables),
			 errhint("dbsync.table_status.note says why. To go on: SELECT dbsync.copy_table(%s, ...).",
					 quote_literal_cstr(name))));
	return true;
}

void
dbsync_lacks_check_held(const char *name, const DbsyncFound *found)
{
	char	   *table;
	char	   *reason;
	char	   *action;

	if (!dbsync_lookup_held(found->id, &table, &reason, &action))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table %s of subscription \"%s\" is held", table, name),
			 errdetail("The other tables go on. It waits because of this: %s", reason),
			 errhint("%s", action)));
}

void
dbsync_lacks_tell_parked(const char *name, const DbsyncFound *found)
{
	int64		rows = dbsync_lookup_parked(found->id);

	if (rows == 0)
		return;
	ereport(NOTICE,
			(errmsg("rows of subscription \"%s\" that its target has refused are parked there: " INT64_FORMAT, name, rows),
			 errhint("To see them: SELECT * FROM dbsync.quarantine WHERE subscription = %s.", quote_literal_cstr(name))));
}
