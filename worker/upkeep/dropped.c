/*-------------------------------------------------------------------------
 *
 * worker/upkeep/dropped.c
 *	  Tables that were dropped at the source leave their subscriptions.
 *
 * Who dropped a table had it to himself: all that was captured of it is of transactions that
 * he saw, or of his own.  So nothing is left to be sent when the subscription is between two
 * windows and sees his.  That is told from the position alone, whatever crashes on the way:
 *
 *	before the position is on the target's disk		the table stays; its rows are sent again
 *	behind that, before the table has left			the position says it again
 *
 * Once it has left nobody could send the rows again: so the target confirms that they are on
 * its disk before.  A held table is further back than the position, and stays until it has
 * been released, or somebody takes it out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "worker/batch/batch.h"
#include "worker/batch/confirm.h"
#include "worker/driver/driver.h"
#include "worker/query.h"
#include "worker/snapshot.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/upkeep/dropped.h"

static bool
is_through(const DbsyncWork *work, const DbsyncTable *table)
{
	if (table->dropped == 0)
		return false;
	/* nothing more of it is sent */
	if (table->state == DBSYNC_TABLE_SUSPENDED)
		return true;
	return !dbsync_table_is_held(table) && !table->part_dirty && work->position.upto == NULL &&
		dbsync_snapshot_sees(work->position.after, table->dropped);
}

static bool
is_any_through(const DbsyncWork *work)
{
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		if (is_through(work, lfirst(lc)))
			return true;
	}
	return false;
}

static void
leave_all(void *arg)
{
	DbsyncWork *work = arg;
	const char *reached = dbsync_snapshot_text(work->position.after);
	ListCell   *lc;

	dbsync_query_begin(false, "taking out dropped tables");
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);
		const char *args[2];

		if (!is_through(work, table))
			continue;
		args[0] = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
		args[1] = reached;
		dbsync_query_run("SELECT dbsync_internal.end_dropped($1::pg_catalog.uuid, $2::pg_catalog.pg_snapshot)",
						 2, args);
	}
	dbsync_query_commit();
}

static void
tell(const DbsyncWork *work, const DbsyncTable *table)
{
	bool		suspended = table->state == DBSYNC_TABLE_SUSPENDED;
	bool		begun = table->part.nkeys > 0;

	ereport(LOG,
			(errmsg("table %s was dropped, and has left subscription \"%s\"", table->qualified,
					work->subscription->name),
			 suspended ? errdetail("It was suspended: target table \"%s.%s\" stays as it was then.",
								   table->target_schema, table->target_table)
			 : table->part.live ? errdetail("Target table \"%s.%s\" has all of its changes, and stays.",
											table->target_schema, table->target_table)
			 : begun ? errdetail("Its first copy was not finished: target table \"%s.%s\" has " INT64_FORMAT " rows of it, and stays.",
								 table->target_schema, table->target_table, table->part.rows)
			 : errdetail("Its first copy had not begun: target table \"%s.%s\" stays as it is.",
						 table->target_schema, table->target_table)));
}

bool
dbsync_dropped_leave(DbsyncWork *work)
{
	ListCell   *lc;

	/* as long as there is one it is not */
	if (dbsync_subscription_is_settled(work->subscription) || !is_any_through(work))
		return false;
	/* the position that is known here may be further than the ledger's */
	dbsync_batch_write_position(work);
	dbsync_confirm(work);
	if (!dbsync_query_attempt(leave_all, work))
	{
		/* somebody holds a row of it: later */
		work->retention_needed = true;
		return false;
	}
	foreach(lc, work->subscription->tables)
	{
		if (is_through(work, lfirst(lc)))
			tell(work, lfirst(lc));
	}
	dbsync_subscription_forget(work->subscription);
	return true;
}
