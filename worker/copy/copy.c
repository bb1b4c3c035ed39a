/*-------------------------------------------------------------------------
 *
 * worker/copy/copy.c
 *	  First copies: one chunk after the other, in the order of the key.
 *
 * Transactions that were open when capture was installed neither fired its
 * triggers nor are visible to a chunk.  There are none: installation waits for
 * them (SHARE ROW EXCLUSIVE), and a chunk's snapshot is taken later.
 *
 * A table without a key has no order in which to copy it: it is one chunk, all or nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "extension/owner.h"
#include "extension/settings.h"
#include "worker/copy/chunk.h"
#include "worker/copy/connections.h"
#include "worker/copy/copy.h"
#include "worker/copy/room.h"
#include "worker/copy/scanning.h"
#include "worker/copy/schedule.h"
#include "worker/driver/driver.h"
#include "worker/progress.h"
#include "worker/relay.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/work.h"

/* so much of each chunk goes before it is the next one's turn */
#define ROWS_IN_TURN	200
#define BYTES_IN_TURN	(64 * 1024)

/* remember how far the copy has come; outlives the batch */
static void
advance(DbsyncTable *table, char **last_key, const DbsyncFlow *flow, bool complete)
{
	DbsyncLedgerPart part = table->part;
	int64		rows = flow->rows;

	table->copied_next.rows = part.rows + rows;
	table->copied_next.excluded = table->copied.excluded + flow->excluded;
	table->copied_next.bytes = table->copied.bytes + flow->bytes;
	if (rows > 0 && table->shape->nkeys > 0)
	{
		part.boundary = last_key;
		part.nkeys = table->shape->nkeys;
	}
	if (table->scan != NULL)
		dbsync_scanning_mark(table, &part, complete);
	part.rows += rows;
	part.live = complete;
	dbsync_table_set_part(table, &part);
	table->part_dirty = true;
	table->copy_failures = table->oversized = 0;
}

/* How much of the table is on the target, by what was sent last. */
static void
settle(DbsyncTable *table)
{
	/* also where we did not hear of the commit, and only the ledger has told of it */
	if (table->part.rows == table->copied_next.rows)
		table->copied = table->copied_next;
	/* what the catalog says may be of the copy before */
	else if (table->part.rows == 0)
		memset(&table->copied, 0, sizeof(DbsyncFlow));
	table->copied.rows = table->part.rows;
	table->copied.excluded = Min(table->copied.excluded, table->copied.rows);
}

static long
rows_in_turn(const DbsyncRelay *relay)
{
	return Max(1, Min(ROWS_IN_TURN, BYTES_IN_TURN / dbsync_relay_row_size(relay)));
}

/*
 * Rows of all chunks, a few of each in turn.  A connection that is full is passed
 * over while another has room, and waited for when none has; the main one comes
 * first, as it is to have its locks before the others ask for theirs.
 */
static void
send_in_turn(DbsyncWork *work, DbsyncChunk *chunk, DbsyncRelay *relay, int64 limit)
{
	bool		left = true;	/* of the first chunk */
	bool		more = true;
	bool		wait = true;
	int64		rows;

	while (more)
	{
		bool		sent = false;

		if (left && (wait || dbsync_target_rows_have_room(work->target)))
		{
			left = dbsync_chunk_read(chunk, dbsync_connections_share(rows_in_turn(relay), limit));
			sent = true;
			wait = false;
			if (!dbsync_relay_result(relay, &rows))
				return;
		}
		more = dbsync_connections_send(work, rows_in_turn(relay), wait, &sent) || left;
		wait = !sent;
	}
}

/* What is worked out anew for each chunk, as a view is, has few of them. */
static int64
rows_of_chunk(const DbsyncTable *table)
{
	char		kind = get_rel_relkind(table->relid);

	if (table->snapshot == NULL || kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE)
		return dbsync_copy_chunk_rows;
	return Max(dbsync_copy_chunk_rows, dbsync_batch_rows);
}

/*
 * Read chunks into the driver: the next one over the main connection, and those
 * behind it over the others, if there are any and it is not to go alone.  Returns
 * the relay of the first, which knows how far; *complete: there are no more.
 */
static DbsyncRelay *
send_chunks(DbsyncWork *work, DbsyncTable *table, DbsyncRowsMode mode,
			DbsyncRelayWhat what, bool alone, bool *complete)
{
	DbsyncTarget *target = work->target;
	DbsyncRelay *relay = dbsync_relay_create(target, table->handle, table, table->shape, what);
	char	  **after = table->part.nkeys > 0 ? table->part.boundary : NULL;
	DbsyncOwner saved;
	DbsyncChunk *chunk;
	bool		whole = table->shape->nkeys == 0 || table->ties.circle;
	int64		limit = whole ? PG_INT64_MAX : rows_of_chunk(table);
	int64		rows;

	if (mode == DBSYNC_ROWS_DOUBTED)
		dbsync_relay_send_text(relay);
	/* rows that reference each other are to come by one statement */
	dbsync_target_rows_begin(target, table->handle, mode,
							 table->ties.circle ? -1 : dbsync_copy_chunk_rows, "copying rows");
	/* what was put off before it has been told of by now */
	table->copied_told = mode == DBSYNC_ROWS_DOUBTED ? list_length(target->parked) + 1 : 0;
	dbsync_chunk_begin_reading(&saved, table, work->subscription->owner);
	alone = alone || whole || table->snapshot != NULL;
	if (!alone)
		limit = dbsync_connections_begin(work, table);
	chunk = dbsync_chunk_open(table, after, limit, what, relay);
	if (alone)
		(void) dbsync_chunk_read(chunk, 0);
	else
		send_in_turn(work, chunk, relay, limit);
	dbsync_chunk_close(chunk);
	dbsync_owner_end(&saved);
	if (!dbsync_relay_result(relay, &rows) || !dbsync_target_try_rows_end(target))
		dbsync_target_raise(target, "copying rows");
	*complete = rows < limit;
	dbsync_progress_publish();
	return relay;
}

/* Its rows could not be told from those that are there. */
static void
check_key(const DbsyncWork *work, const DbsyncTable *table)
{
	if (table->shape->nkeys > 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("table %s has no key, and cannot be copied beside rows that the target has", table->qualified),
			 errhint("To do without those: SELECT dbsync.copy_table(%s, %s, existing_rows => 'truncate').",
					 quote_literal_cstr(work->subscription->name), quote_literal_cstr(table->qualified))));
}

void
dbsync_copy_empty(DbsyncWork *work, List *tables)
{
	List	   *emptied = NIL;
	DbsyncTargetTable **handles;
	int			n = 0;
	ListCell   *lc;

	foreach(lc, tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->copy_data && table->part.nkeys == 0 && dbsync_table_empties(table))
			emptied = list_concat_unique_ptr(emptied, dbsync_schedule_emptied_with(work, table));
	}
	if (emptied == NIL)
		return;
	/* those that lead to others before them */
	handles = palloc(sizeof(void *) * list_length(emptied));
	for (int i = list_length(emptied) - 1; i >= 0; i--)
		handles[n++] = ((DbsyncTable *) list_nth(emptied, i))->handle;
	dbsync_target_truncate(work->target, handles, n, "emptying the target table");
}

/*
 * Rows may be there already: all of the chunk's keys go first, or upserts do.  Of a table that is tied
 * none may go, and those that must be there together wait for one another.
 */
static DbsyncRowsMode
choose_mode(DbsyncWork *work, DbsyncTable *table, bool together, bool *replaces)
{
	bool		again = work->send_as == DBSYNC_SEND_REPLACE_ALL;
	bool		keep = dbsync_table_keeps_rows(table);

	*replaces = false;
	if (table->shape->nkeys == 0)
		return DBSYNC_ROWS_APPEND;
	/* some may be refused, and nothing is to be deleted before */
	if (work->send_as == DBSYNC_SEND_DOUBTED)
		return DBSYNC_ROWS_DOUBTED;
	if (together || (table->ties.checked && (again || (keep && table->ties.circle))))
		return DBSYNC_ROWS_TOGETHER;
	*replaces = again || (keep && dbsync_target_table_wants_replace(work->target, table->handle,
																	dbsync_copy_chunk_rows));
	return keep && !*replaces ? DBSYNC_ROWS_MERGE : DBSYNC_ROWS_APPEND;
}

/*
 * Of a table whose changes nobody tells, what earlier chunks have brought is of an earlier S: a unique value may have moved from there to this
 * chunk, and its row would be in the way for ever.  Keys of rows that were, to be sent with the chunk.
 */
static List *
make_room(DbsyncWork *work, DbsyncTable *table)
{
	List	   *left;
	List	   *keys;
	bool		complete;

	if (work->send_as != DBSYNC_SEND_REPLACE_ALL || (table->snapshot == NULL && table->scan == NULL) ||
		!dbsync_room_is_to_be_had(work, table))
		return NIL;
	(void) send_chunks(work, table, DBSYNC_ROWS_CLEAR, DBSYNC_RELAY_ROWS, true, &complete);
	keys = dbsync_room_follow(work, table, &left);
	/* what is compared afterwards gets them then */
	if (left != NIL && table->snapshot == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("unique values of table %s have moved on and on since its first copy began", table->qualified),
				 errhint("Copy it anew, with a greater dbsync.copy_chunk_rows: SELECT dbsync.copy_table(%s, %s, existing_rows => 'truncate').",
						 quote_literal_cstr(work->subscription->name), quote_literal_cstr(table->qualified))));
	return keys;
}

int64
dbsync_copy_send_chunk(DbsyncWork *work, DbsyncTable *table, bool alone, bool together)
{
	DbsyncRowsMode mode;
	DbsyncFlow	flow = {0};
	DbsyncRelay *relay;
	List	   *others = NIL;
	bool		replaces;
	bool		complete;

	/* without a copy it is live from S on, its start position; what is there already is compared */
	if (!table->copy_data || (table->snapshot != NULL && table->snapshot->has_rows && table->part.nkeys == 0))
	{
		advance(table, NULL, &flow, true);
		return 0;
	}
	settle(table);
	dbsync_progress_begin_copy(table->captured_id, &table->copied);
	if (dbsync_table_keeps_rows(table))
		check_key(work, table);
	mode = choose_mode(work, table, together, &replaces);
	if (replaces)
	{
		(void) send_chunks(work, table, DBSYNC_ROWS_DELETE, DBSYNC_RELAY_KEYS, true, &complete);
		others = make_room(work, table);
	}
	relay = send_chunks(work, table, mode, DBSYNC_RELAY_CHUNK, alone || work->nsides == 0 || mode == DBSYNC_ROWS_DOUBTED, &complete);
	(void) dbsync_room_fill(work, table, others);
	flow = dbsync_relay_flow(relay);
	advance(table, dbsync_chunk_last_key(table, relay), &flow, complete);
	return flow.rows;
}

/* What the target has refused of a chunk is not there. */
static void
leave_out_refused(const DbsyncWork *work, DbsyncTable *table)
{
	const List *told = work->target->parked;

	for (int i = table->copied_told - 1; i >= 0 && i < list_length(told); i++)
	{
		const DbsyncParkedRow *row = list_nth(told, i);

		if (!row->freed && memcmp(&row->attachment, &table->uid, sizeof(pg_uuid_t)) == 0)
			table->copied_next.excluded++;
	}
	table->copied_told = 0;
}

void
dbsync_copy_reach(const DbsyncWork *work, DbsyncTable *table)
{
	leave_out_refused(work, table);
	settle(table);
	dbsync_progress_reach(table->captured_id, &table->copied);
}

DbsyncTarget *
dbsync_copy_next_chunk(DbsyncWork *work, DbsyncTable *table, int64 *rows)
{
	char	  **last_key;
	DbsyncFlow	flow;
	DbsyncSide *side = dbsync_connections_next(work, table, &last_key, rows);

	if (side == NULL)
		return NULL;
	flow = dbsync_relay_flow(side->relay);
	advance(table, last_key, &flow, *rows < side->limit);
	return side->target;
}
