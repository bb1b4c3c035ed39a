/*-------------------------------------------------------------------------
 *
 * worker/progress.c
 *	  How far the first copy has come that is under way, and how fast rows go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "worker/progress.h"
#include "worker/report.h"

/* rows or bytes of which the slot is not told yet, at most */
#define ROWS_UNTOLD		500
#define BYTES_UNTOLD	(1024 * 1024)

/* how old what "since" says is when "next" takes its place, in microseconds */
#define SAMPLE_AGE		(5 * USECS_PER_SEC)

static DbsyncFlow copied;		/* not told yet */
static DbsyncFlow applied;

static void
add(DbsyncFlow *sum, const DbsyncFlow *flow)
{
	sum->rows += flow->rows;
	sum->excluded += flow->excluded;
	sum->bytes += flow->bytes;
}

/* After a pause it begins anew: what was before says nothing of how fast it goes now. */
static void
move_samples(DbsyncMeter *meter, TimestampTz now)
{
	if (now - meter->next_at < SAMPLE_AGE)
		return;
	if (now - meter->next_at > 2 * SAMPLE_AGE)
	{
		meter->since_at = now;
		meter->since = meter->sent;
	}
	else
	{
		meter->since_at = meter->next_at;
		meter->since = meter->next;
	}
	meter->next_at = now;
	meter->next = meter->sent;
}

/* lock held */
static void
measure(DbsyncMeter *meter, const DbsyncFlow *flow)
{
	if (flow->rows == 0)
		return;
	move_samples(meter, GetCurrentTimestamp());
	add(&meter->sent, flow);
}

void
dbsync_progress_publish(void)
{
	DbsyncProgress *progress = dbsync_report_progress();

	if (progress != NULL && (copied.rows > 0 || applied.rows > 0))
	{
		dbsync_shmem_lock(true);
		measure(&progress->copied, &copied);
		measure(&progress->applied, &applied);
		if (progress->copying.table != 0)
			add(&progress->copying.under_way, &copied);
		dbsync_shmem_unlock();
	}
	memset(&copied, 0, sizeof(copied));
	memset(&applied, 0, sizeof(applied));
}

void
dbsync_progress_count(bool of_copy, bool excluded, int64 bytes)
{
	DbsyncFlow *flow = of_copy ? &copied : &applied;

	flow->rows++;
	flow->excluded += excluded;
	flow->bytes += bytes;
	if (flow->rows >= ROWS_UNTOLD || flow->bytes >= BYTES_UNTOLD)
		dbsync_progress_publish();
}

void
dbsync_progress_begin_copy(int captured_id, const DbsyncFlow *reached)
{
	DbsyncProgress *progress = dbsync_report_progress();

	dbsync_progress_publish();
	if (progress == NULL)
		return;
	dbsync_shmem_lock(true);
	memset(&progress->copying, 0, sizeof(progress->copying));
	progress->copying.table = captured_id;
	progress->copying.reached = *reached;
	dbsync_shmem_unlock();
}

void
dbsync_progress_reach(int captured_id, const DbsyncFlow *reached)
{
	DbsyncProgress *progress = dbsync_report_progress();
	DbsyncCopying *copying;

	dbsync_progress_publish();
	if (progress == NULL || captured_id == 0 || progress->copying.table != captured_id)
		return;
	copying = &progress->copying;
	dbsync_shmem_lock(true);
	copying->under_way.rows = Max(0, copying->under_way.rows - (reached->rows - copying->reached.rows));
	copying->under_way.excluded = Max(0, copying->under_way.excluded - (reached->excluded - copying->reached.excluded));
	copying->under_way.bytes = Max(0, copying->under_way.bytes - (reached->bytes - copying->reached.bytes));
	copying->reached = *reached;
	dbsync_shmem_unlock();
}

void
dbsync_progress_end_copy(void)
{
	DbsyncProgress *progress = dbsync_report_progress();

	dbsync_progress_publish();
	if (progress == NULL || progress->copying.table == 0)
		return;
	dbsync_shmem_lock(true);
	memset(&progress->copying, 0, sizeof(progress->copying));
	dbsync_shmem_unlock();
}
