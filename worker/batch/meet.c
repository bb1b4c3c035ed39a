/*-------------------------------------------------------------------------
 *
 * worker/batch/meet.c
 *	  A worker lets a verify process in, at a position that the target has reached.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/snapmgr.h"

#include "worker/batch/choose.h"
#include "worker/batch/meet.h"
#include "worker/batch/repair.h"
#include "worker/copy/reverse.h"
#include "worker/query.h"
#include "worker/sequence.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/table_lock.h"
#include "worker/work.h"

/* batches of one S, at most: it must not grow old */
#define MAX_BATCHES		100

/* how long the target stands still for a process that does not come, in ms */
#define STAND_MS		5000

const char *
dbsync_meet_unfit(const DbsyncTable *table)
{
	if (table->dropped != 0)
		return "it was dropped";
	if (table->state == DBSYNC_TABLE_SUSPENDED)
		return "it is suspended";
	if (table->scan != NULL)
		return "it is read by a column of its own, so the target is at another moment";
	if (table->from_wal)
		return "its changes are read from the WAL, so the target is at another moment";
	return NULL;
}

static const char *
obstacle_of(const DbsyncTable *table)
{
	if (table == NULL)
		return "it is not in the subscription";
	if (dbsync_meet_unfit(table) != NULL)
		return dbsync_meet_unfit(table);
	if (!table->part.live || table->part_dirty)
		return "it is being copied";
	return dbsync_table_is_held(table) ? "it is held" : NULL;
}

/* A worker of the target's is connected to this database, so it may write here at any moment. */
static bool
somebody_applies_here(void)
{
	bool		connected;

	SPI_connect();
	connected = dbsync_query("SELECT 1 FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database()"
							 " AND a.backend_type = 'client backend' AND a.application_name LIKE 'dbsync %'"
							 " AND a.application_name NOT LIKE '% verify%' LIMIT 1", 0, NULL) > 0;
	SPI_finish();
	return connected;
}

void
dbsync_meet_begin(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncMeeting asked;
	DbsyncTable *table;
	const char *obstacle;

	batch->meeting = NULL;
	batch->repairing = NULL;
	if (batch->past || batch->held != NULL || !dbsync_meeting_is_wanted(work->subscription_id, &asked))
		return;
	if (asked.wish == DBSYNC_WISH_SEQUENCES)
	{
		/* whoever has nothing else to do looks at them */
		dbsync_sequences_forget(work);
		dbsync_meeting_repaired(&asked, 0, 0, true);
		return;
	}
	table = dbsync_subscription_table(work->subscription, asked.table);
	obstacle = obstacle_of(table);
	if (obstacle != NULL)
	{
		dbsync_meeting_refuse(&asked, obstacle);
		return;
	}
	if (asked.wish == DBSYNC_WISH_REPAIR ? !dbsync_repair_begin(batch, table) : !dbsync_table_lock(table))
	{
		dbsync_meeting_put_off(&asked);
		return;
	}
	batch->meeting = palloc(sizeof(DbsyncMeeting));
	*batch->meeting = asked;
	batch->meeting_table = table;
}

void
dbsync_meet_check(DbsyncBatch *batch)
{
	if (batch->meeting == NULL)
		return;
	if (dbsync_reverse_feeds(batch->work, batch->meeting_table) && somebody_applies_here())
		dbsync_meeting_refuse(batch->meeting, "it flows both ways, and the other way is running: both ends agree only at rest");
	else if (dbsync_table_lock_is_of_now(batch->meeting_table))
		return;
	else
		dbsync_meeting_put_off(batch->meeting);
	batch->meeting = NULL;
	batch->repairing = NULL;
}

bool
dbsync_meet_goes_on(const DbsyncBatch *batch, int done)
{
	if (batch->meeting == NULL || done >= MAX_BATCHES)
		return false;
	/* keys are forgotten as this ends: who has not got past a batch that is refused would begin with them again, for ever */
	if (batch->repair_doubted)
		return false;
	/* what is compared on a schedule keeps nobody waiting: others' changes come between any two of its batches */
	return !batch->caught_up || (batch->repairing != NULL && !batch->repair_over && !batch->meeting->order.scan);
}

void
dbsync_meet_stand(DbsyncBatch *batch)
{
	if (batch->meeting == NULL || batch->repairing != NULL || batch->stale || batch->again || !batch->caught_up)
		return;
	(void) dbsync_meeting_stand(batch->meeting, ExportSnapshot(GetActiveSnapshot()), STAND_MS);
}
