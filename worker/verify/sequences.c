/*-------------------------------------------------------------------------
 *
 * worker/verify/sequences.c
 *	  Are the target's sequences ahead of its rows, as the source's are?
 *
 * The source gives values all the time, of which no row may ever tell: so the target's sequence is not held against the
 * source's, but against the rows that the target has as of S.  Where the source's is beyond them, the target's has
 * to be.  One that is behind would give a value that is there already, as soon as somebody writes there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/snapmgr.h"

#include "worker/copy/reverse.h"
#include "worker/query.h"
#include "worker/sequence.h"
#include "worker/sequence_value.h"
#include "worker/shape.h"
#include "worker/target.h"
#include "worker/target_compare.h"
#include "worker/verify/sequences.h"

void
dbsync_verify_sequences_read(DbsyncVerify *v)
{
	dbsync_query_begin(false, "reading sequences");
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	dbsync_sequences_read(v->work);
	PopActiveSnapshot();
	SPI_finish();
	dbsync_query_commit();
	MemoryContextSwitchTo(v->context);
}

/* Where the target's rows have a column of the table; -1: it is not sent. */
static int
find_sent(const DbsyncTable *table, int attnum)
{
	int			column = dbsync_shape_find_column(table->shape, attnum);

	if (column < 0 || table->sent == NULL)
		return column;
	for (int i = 0; i < table->nsent; i++)
	{
		if (table->sent[i] == column)
			return i;
	}
	return -1;
}

/* Does the target's give values next that its rows have, which the source's does not? */
static void
compare_one(DbsyncVerify *v, const DbsyncSequence *sequence)
{
	DbsyncSequenceValue here;
	DbsyncReadSequence there;
	int			column = find_sent(v->table, sequence->attnum);
	int			way;

	if (column < 0 || dbsync_sequence_read(sequence->relid, &here) != DBSYNC_SEQUENCE_READ || !here.used || here.cycles)
		return;
	way = here.increment < 0 ? -1 : 1;
	dbsync_target_read_sequence(v->work->target, v->handle, column, way < 0, &there);
	if (!there.found || (way > 0 ? there.last >= there.furthest : there.last <= there.furthest) ||
		(way > 0 ? here.last < there.furthest : here.last > there.furthest))
		return;
	v->behind = psprintf("%s%sthe target's sequence %s has come to " INT64_FORMAT ", and its rows to " INT64_FORMAT,
						 v->behind ? v->behind : "", v->behind ? "; " : "", there.name, there.last, there.furthest);
}

void
dbsync_verify_sequences_compare(DbsyncVerify *v)
{
	ListCell   *lc;

	/* where both ends write, each has values of its own */
	if (v->work->sequences == NULL || !dbsync_target_has_sequences(v->work->target) ||
		dbsync_reverse_applies(v->table->qualified))
		return;
	foreach(lc, v->work->sequences->all)
	{
		const DbsyncSequence *sequence = lfirst(lc);

		if (sequence->captured_id == v->table->captured_id && !sequence->left_out)
			compare_one(v, sequence);
	}
}
