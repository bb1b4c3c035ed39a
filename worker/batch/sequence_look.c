/*-------------------------------------------------------------------------
 *
 * worker/batch/sequence_look.c
 *	  Sequences whose values are in no row that travels: they are looked at now and then.
 *
 * What a transaction took and rolled back, and what users do with a sequence that was added by
 * name, is in no batch.  So when a worker has nothing else to do it looks at all of them, every
 * dbsync.poll_interval at most, while transactions end.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/batch/batch.h"
#include "worker/batch/sequence_look.h"
#include "worker/batch/sequences.h"
#include "worker/query.h"
#include "worker/sequence.h"
#include "worker/subscription.h"

#include "extension/compat.h"

/* Is there one that could not be set, and is to be tried again? */
static bool
is_retry_due(const DbsyncWork *work, TimestampTz now)
{
	ListCell   *lc;

	foreach(lc, work->sequences->all)
	{
		const DbsyncSequence *sequence = lfirst(lc);

		if (sequence->failures > 0 && sequence->retry_at <= now && dbsync_sequences_flow(work, sequence))
			return true;
	}
	return false;
}

bool
dbsync_sequence_look_is_due(const DbsyncWork *work)
{
	const DbsyncSequences *sequences = work->sequences;
	TimestampTz now = GetCurrentTimestamp();

	if (work->target == NULL || work->subscription == NULL)
		return false;
	if (dbsync_sequences_are_stale(work) || sequences->changed)
		return true;
	if (sequences->all == NIL)
		return false;
	/* behind a connection that was lost: the target may be back where it was */
	return work->run != 0 || sequences->looked_at == 0 || is_retry_due(work, now) ||
		(sequences->completions != dbsync_completions_compat() &&
		 TimestampDifferenceExceeds(sequences->looked_at, now, dbsync_poll_interval));
}

void
dbsync_sequence_look(DbsyncWork *work)
{
	uint64		completions = dbsync_completions_compat();

	if (!dbsync_sequence_look_is_due(work))
		return;
	dbsync_query_begin(false, "looking at sequences");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	dbsync_sequences_choose(work);
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	work->sequences->completions = completions;
	work->sequences->looked_at = GetCurrentTimestamp();
	if (work->sequences->sent != NIL)
		dbsync_batch_write_position(work);
	dbsync_sequences_write_notes(work);
}
