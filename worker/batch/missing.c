/*-------------------------------------------------------------------------
 *
 * worker/batch/missing.c
 *	  Rows of tables without a key that the target lacked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/uuid.h"

#include "worker/batch/missing.h"
#include "worker/query.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

void
dbsync_missing_gather(DbsyncWork *work)
{
	ListCell   *lc;

	if (!work->counts)
		return;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->handle != NULL)
			table->missing += dbsync_target_table_missing(work->target, table->handle);
	}
}

static void
note(void *arg)
{
	DbsyncWork *work = arg;
	ListCell   *lc;

	dbsync_query_begin(false, "noting missing rows");
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);
		const char *args[2];

		if (table->missing == 0)
			continue;
		args[0] = psprintf(INT64_FORMAT, table->missing);
		args[1] = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
		dbsync_query_run("UPDATE dbsync.subscription_table SET missing_rows = missing_rows + $1::pg_catalog.int8"
						 " WHERE uid = $2::pg_catalog.uuid", 2, args);
	}
	dbsync_query_commit();
	foreach(lc, work->subscription->tables)
		((DbsyncTable *) lfirst(lc))->missing = 0;
}

static bool
is_due(const DbsyncWork *work)
{
	ListCell   *lc;

	if (!work->counts)
		return false;
	foreach(lc, work->subscription->tables)
	{
		if (((DbsyncTable *) lfirst(lc))->missing > 0)
			return true;
	}
	return false;
}

void
dbsync_missing_note(DbsyncWork *work)
{
	if (is_due(work))
		(void) dbsync_query_attempt(note, work);
}
