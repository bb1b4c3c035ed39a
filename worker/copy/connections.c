/*-------------------------------------------------------------------------
 *
 * worker/copy/connections.c
 *	  Further connections to the target, for the first copies of large tables.
 *
 * Rows cost the target several times what they cost us, so one worker can feed
 * several of its backends.  A batch with a chunk of a table may have others beside
 * it: each carries the chunk that follows, as of the same snapshot S, over a
 * connection of its own.  The rows of all of them travel at the same time.  The
 * commits come one after the other, in the order of the keys, and each is that of
 * an ordinary batch: fence, position, boundary and rows in one transaction.
 *
 *		main	fence(n)  window up to S  rows of (a, b]  ledger(n+1, S, b)  COMMIT
 *		side	                          rows of (b, c]                           fence(n+1)  ledger(n+2, S, c)  COMMIT
 *
 * So there is no state between the two commits that has to be taken back: the
 * target is at S with all up to b, and goes on from there.  Until its fence the
 * side's batch is rows that nobody sees, and goes with its connection.
 *
 * Its fence comes late, because it waits for the batch before.  It does not come
 * too late: the main connection's is held while all rows are read, and a worker
 * that has taken our place since has changed the batch number.
 *
 * Trouble on a side is no trouble of the copy.  Its range, and those behind it, are
 * left out, the main connection goes on alone, and meets by itself whatever it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/connection.h"
#include "worker/copy/connections.h"
#include "worker/copy/schedule.h"
#include "worker/driver/driver.h"
#include "worker/identity.h"
#include "worker/query.h"
#include "worker/relay.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/target_table.h"

/* rows of a chunk that has others behind it, of dbsync.copy_chunk_rows */
#define PART_BETWEEN	0.6

/* not to be tried again at once */
static void
put_off(DbsyncWork *work)
{
	work->sides_after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), dbsync_retry_max);
}

void
dbsync_connections_close(DbsyncWork *work, int keep)
{
	while (work->nsides > keep)
	{
		DbsyncSide *side = work->sides[--work->nsides];

		/* it may have been the one that failed */
		if (side->begun || side->ending)
			put_off(work);
		if (side->target != NULL)
			dbsync_target_close(side->target);
		MemoryContextDelete(side->context);
	}
}

bool
dbsync_connections_fault_is(const DbsyncWork *work, DbsyncFaultKind kind)
{
	for (int i = 0; i < work->nsides; i++)
	{
		if (dbsync_target_fault_is(work->sides[i]->target, kind))
			return true;
	}
	return false;
}

bool
dbsync_connections_refuse_row(const DbsyncWork *work)
{
	for (int i = 0; i < work->nsides; i++)
	{
		if (dbsync_target_has_fault(work->sides[i]->target) && work->sides[i]->target->fault.of_row)
			return true;
	}
	return false;
}

/*
 * Do without this connection and those behind it for a while, and say why, if it is
 * not by choice.
 */
static void
give_up(DbsyncWork *work, int keep)
{
	const DbsyncFault *fault = &work->sides[keep]->target->fault;

	if (fault->message != NULL)
		ereport(LOG,
				(errmsg("first copy of subscription \"%s\" goes on over %s",
						work->subscription->name,
						keep == 0 ? "one connection" : psprintf("%d connections", keep + 1)),
				 errdetail_log("%s%s%s", fault->message,
							   fault->detail ? ": " : "", fault->detail ? fault->detail : "")));
	put_off(work);
	dbsync_connections_close(work, keep);
}

/*
 * A table's first chunk goes alone: it shows that there are more, and may have the
 * table emptied.  Rows that could be there already would have to be looked for.
 */
static bool
is_wanted(const DbsyncWork *work, const DbsyncTable *table)
{
	return table != NULL && table->handle != NULL && table->copy_data &&
		table->part.nkeys > 0 && work->send_as < DBSYNC_SEND_REPLACE_ALL &&
		!dbsync_table_keeps_rows(table) &&
		dbsync_target_table_takes_several(work->target, table->handle);
}

static bool
connect_side(DbsyncWork *work)
{
	MemoryContext context = AllocSetContextCreate(work->context, "dbsync side",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncSide *side = palloc0(sizeof(DbsyncSide));
	bool		ok;

	/* from here on closed with the others, whatever happens */
	side->context = context;
	work->sides[work->nsides++] = side;

	MemoryContextSwitchTo(old);
	side->target = dbsync_connection_open(work->subscription, ", copy", context, &ok);
	MemoryContextSwitchTo(old);
	/* names of hosts may lead elsewhere from one connection to the next */
	if (ok && dbsync_target_is_same(side->target, work->target))
		return true;
	give_up(work, work->nsides - 1);
	return false;
}

static bool
open_table(DbsyncWork *work, DbsyncSide *side, const DbsyncTable *table)
{
	if (side->handle != NULL && side->of == table->handle && side->captured_id == table->captured_id &&
		side->generation == work->subscription->generation)
		return true;
	/* a driver may look at types of ours */
	dbsync_query_begin(false, "looking up the target's table");
	side->handle = dbsync_target_table_look_up(side->target, side->context, table,
											  table->shape);
	dbsync_query_commit();
	side->of = table->handle;
	side->captured_id = table->captured_id;
	side->generation = work->subscription->generation;
	return side->handle != NULL &&
		dbsync_target_table_takes_several(side->target, side->handle);
}

void
dbsync_connections_prepare(DbsyncWork *work)
{
	DbsyncTable *table = dbsync_schedule_next_table(work);
	int			wanted = is_wanted(work, table) ? dbsync_copy_connections - 1 : 0;

	dbsync_connections_close(work, wanted);
	while (work->nsides < wanted && work->sides_after <= GetCurrentTimestamp())
	{
		if (!connect_side(work))
			return;
	}
	for (int i = 0; i < work->nsides; i++)
	{
		if (!open_table(work, work->sides[i], table))
			give_up(work, i);
	}
}

static bool
begin_range(DbsyncWork *work, DbsyncSide *side, DbsyncTable *table)
{
	DbsyncTarget *target = side->target;

	side->begun = dbsync_target_try_begin(target, &work->ledger, dbsync_identity_own(),
								dbsync_copy_chunk_rows, DBSYNC_BATCH_CHUNK | DBSYNC_BATCH_BESIDE) &&
		dbsync_target_try_rows_begin(target, side->handle, DBSYNC_ROWS_APPEND, dbsync_copy_chunk_rows);
	return side->begun;
}

/*
 * Begin as many batches as the table has ranges; returns their number.  All chunks
 * but the last have "limit" rows, as those go in front of others, which takes longer.
 */
static int
begin_batches(DbsyncWork *work, DbsyncTable *table, int64 limit)
{
	char	  **after = table->part.boundary;
	int			n;

	/* the batch may be for another table than we were prepared for */
	if (!is_wanted(work, table))
		return 0;
	for (n = 0; n < work->nsides; n++)
	{
		DbsyncSide *side = work->sides[n];

		if (side->of != table->handle || side->captured_id != table->captured_id)
			break;
		after = dbsync_chunk_find_end(table, after, limit);
		if (after == NULL)
			break;
		side->after = after;
		if (!begin_range(work, side, table))
			give_up(work, n);
	}
	return Min(n, work->nsides);
}

int64
dbsync_connections_begin(DbsyncWork *work, DbsyncTable *table)
{
	DbsyncTarget *before = work->target;
	int64		limit = Max(1, dbsync_copy_chunk_rows * PART_BETWEEN);
	int			n;

	for (int i = 0; i < work->nsides; i++)
		work->sides[i]->begun = false;
	n = begin_batches(work, table, limit);
	for (int i = 0; i < n; i++)
	{
		DbsyncSide *side = work->sides[i];

		side->limit = i < n - 1 ? limit : dbsync_copy_chunk_rows;
		side->relay = dbsync_relay_create(side->target, side->handle, table, table->shape, DBSYNC_RELAY_CHUNK);
		side->chunk = dbsync_chunk_open(table, side->after, side->limit,
										DBSYNC_RELAY_CHUNK, side->relay);
		dbsync_target_rows_go_between(before);
		before = side->target;
	}
	return n > 0 ? limit : dbsync_copy_chunk_rows;
}

long
dbsync_connections_share(long rows, int64 limit)
{
	return Max(1, rows * limit / dbsync_copy_chunk_rows);
}

bool
dbsync_connections_send(DbsyncWork *work, long rows, bool wait, bool *sent)
{
	bool		more = false;
	int64		total;

	for (int i = 0; i < work->nsides; i++)
	{
		DbsyncSide *side = work->sides[i];

		if (!side->begun || side->chunk == NULL)
			continue;
		if (!wait && !dbsync_target_rows_have_room(side->target))
		{
			more = true;
			continue;
		}
		wait = false;
		*sent = true;
		if (dbsync_chunk_read(side->chunk, dbsync_connections_share(rows, side->limit)))
		{
			more = true;
			continue;
		}
		dbsync_chunk_close(side->chunk);
		side->chunk = NULL;
		if (!dbsync_relay_result(side->relay, &total))
			give_up(work, i);
	}
	return more;
}

/* Chunks that do not join would leave a hole for good. */
static void
check_joint(const DbsyncSide *side, const DbsyncTable *table)
{
	for (int k = 0; k < table->shape->nkeys; k++)
	{
		if (strcmp(side->after[k], table->part.boundary[k]) != 0)
			elog(ERROR, "chunks of table %s do not join", table->qualified);
	}
}

DbsyncSide *
dbsync_connections_next(DbsyncWork *work, DbsyncTable *table, char ***last_key, int64 *rows)
{
	for (int i = 0; i < work->nsides; i++)
	{
		DbsyncSide *side = work->sides[i];

		side->ending = false;
		if (!side->begun)
			continue;
		side->begun = false;
		side->ending = true;
		check_joint(side, table);
		if (!dbsync_target_try_rows_end(side->target))
		{
			give_up(work, i);
			return NULL;
		}
		(void) dbsync_relay_result(side->relay, rows);
		*last_key = dbsync_chunk_last_key(table, side->relay);
		return side;
	}
	return NULL;
}
