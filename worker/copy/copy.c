/*-------------------------------------------------------------------------
 *
 * worker/copy/copy.c
 *	  First copies: one chunk after the other, in the order of the key.
 *
 * States of a table, and who sets them:
 *
 *	new -> copying -> live		the worker, behind the target's ledger
 *	any -> suspended			suspend_table(), or capture was found off
 *	suspended -> new			copy_table(), with a new attachment uuid
 *
 * The truth is the attachment's row in the target's ledger: the key of the last
 * row copied, written in the transaction that copied it.  A worker that starts
 * again goes on behind it.  The state in the source's catalog follows.
 *
 * Transactions that were open when capture was installed neither fired its
 * triggers nor are visible to a chunk.  There are none: installation waits for
 * them (SHARE ROW EXCLUSIVE), and a chunk's snapshot is taken later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/copy/chunk.h"
#include "worker/copy/connections.h"
#include "worker/query.h"
#include "worker/work.h"

/* first pause after a failed copy, in ms */
#define COPY_RETRY_MIN 1000

/* so much of each chunk goes before it is the next one's turn */
#define ROWS_IN_TURN	200
#define BYTES_IN_TURN	(64 * 1024)

DbsyncTable *
dbsync_copy_next_table(DbsyncWork *work)
{
	DbsyncTable *next = NULL;
	DbsyncTable *failed = NULL;
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return NULL;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->state == DBSYNC_TABLE_SUSPENDED || !table->captured || !table->copy_data ||
			table->part.live || table->copy_after > GetCurrentTimestamp())
			continue;
		if (table->copy_failures > 0)
		{
			if (failed == NULL || table->copy_after < failed->copy_after)
				failed = table;
		}
		/* one that is half copied comes first */
		else if (next == NULL || (table->part.nkeys > 0 && next->part.nkeys == 0))
			next = table;
	}

	/* one futile attempt after the other would leave the others no batch */
	return failed && !work->copy_failed ? failed : next;
}

/* Writing a captured table's changes into the table itself never ends. */
static void
refuse_same_table(DbsyncWork *work, DbsyncTable *table)
{
	RangeVar   *name = makeRangeVar(pstrdup(table->target_schema),
									pstrdup(table->target_table), -1);

	if (strcmp(work->target_identity, dbsync_identity_own()) == 0 &&
		RangeVarGetRelid(name, NoLock, true) == table->relid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s cannot be its own target", table->qualified),
				 errhint("Name another target table with dbsync.add_table(..., target_table => ...).")));
}

DbsyncTargetTable *
dbsync_copy_look_up(DbsyncTarget *target, MemoryContext context, const DbsyncTable *table)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncTargetTable *handle;
	DbsyncTableSpec spec;

	spec.schema = table->target_schema;
	spec.table = table->target_table;
	spec.ncolumns = table->ncolumns;
	spec.columns = table->columns;
	spec.types = table->types;
	spec.typmods = table->typmods;
	spec.collations = table->collations;
	spec.nkeys = table->nkeys;
	spec.keys = table->keys;
	spec.ngenerated = table->ngenerated;
	spec.generated = table->generated;
	handle = target->driver->table_open(target, &spec);
	MemoryContextSwitchTo(old);
	return handle;
}

void
dbsync_copy_open_table(DbsyncWork *work, DbsyncTable *table)
{
	if (table->handle != NULL)
		return;
	refuse_same_table(work, table);
	table->handle = dbsync_copy_look_up(work->target, work->target_context, table);
	if (table->handle == NULL)
		dbsync_fault_raise(work->target, psprintf("looking up target table \"%s.%s\"",
												  table->target_schema, table->target_table));
}

void
dbsync_copy_check_target(DbsyncWork *work, DbsyncTable *table)
{
	bool		has_rows;

	if (table->existing_rows != NULL || !table->copy_data)
		return;
	if (!work->target->driver->table_has_rows(work->target, table->handle, &has_rows))
		dbsync_fault_raise(work->target, "looking for rows in the target table");
	if (has_rows)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("target table \"%s.%s\" has rows already",
						table->target_schema, table->target_table),
				 errdetail("A first copy of table %s would mix with them.", table->qualified),
				 errhint("Say what to do with them: dbsync.copy_table(%s, %s, existing_rows => 'truncate') or 'keep'.",
						 quote_literal_cstr(work->subscription->name),
						 quote_literal_cstr(table->qualified))));
}

/* remember how far the copy has come; outlives the batch */
static void
advance(DbsyncWork *work, DbsyncTable *table, char **last_key, int64 rows, bool complete)
{
	MemoryContext old = MemoryContextSwitchTo(work->subscription->context);

	if (rows > 0)
	{
		char	  **boundary = palloc(sizeof(char *) * table->nkeys);

		for (int k = 0; k < table->nkeys; k++)
			boundary[k] = pstrdup(last_key[k]);
		table->part.boundary = boundary;
		table->part.nkeys = table->nkeys;
	}
	table->part.rows += rows;
	table->part.live = complete;
	table->part_dirty = true;
	table->copy_failures = table->oversized = 0;
	MemoryContextSwitchTo(old);
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

		if (left && (wait || dbsync_side_has_room(work->target)))
		{
			left = dbsync_chunk_read(chunk, dbsync_side_share(rows_in_turn(relay), limit));
			sent = true;
			wait = false;
			if (!dbsync_relay_result(relay, &rows))
				return;
		}
		more = dbsync_side_send(work, rows_in_turn(relay), wait, &sent) || left;
		wait = !sent;
	}
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
	DbsyncRelay *relay = dbsync_relay_create(target, table->handle, table, what);
	char	  **after = table->part.nkeys > 0 ? table->part.boundary : NULL;
	DbsyncOwner saved;
	DbsyncChunk *chunk;
	int64		limit = dbsync_copy_chunk_rows;
	int64		rows;

	if (!target->driver->rows_begin(target, table->handle, mode, dbsync_copy_chunk_rows))
		dbsync_fault_raise(target, "copying rows");
	dbsync_chunk_begin_reading(&saved, table, work->subscription->owner);
	if (!alone)
		limit = dbsync_side_begin(work, table);
	chunk = dbsync_chunk_open(table, after, limit, what, relay);
	if (alone)
		(void) dbsync_chunk_read(chunk, 0);
	else
		send_in_turn(work, chunk, relay, limit);
	dbsync_chunk_close(chunk);
	dbsync_owner_end(&saved);
	if (!dbsync_relay_result(relay, &rows) || !target->driver->rows_end(target))
		dbsync_fault_raise(target, "copying rows");
	*complete = rows < limit;
	return relay;
}

int64
dbsync_copy_send_chunk(DbsyncWork *work, DbsyncTable *table, bool alone)
{
	DbsyncTarget *target = work->target;
	const DbsyncDriver *driver = target->driver;
	bool		keep = table->existing_rows && strcmp(table->existing_rows, "keep") == 0;
	DbsyncRowsMode mode = DBSYNC_ROWS_APPEND;
	DbsyncRelay *relay;
	bool		complete;
	int64		rows;

	/* without a copy it is live from S on, its start position */
	if (!table->copy_data)
	{
		advance(work, table, NULL, 0, true);
		return 0;
	}
	if (table->part.nkeys == 0 && table->existing_rows &&
		strcmp(table->existing_rows, "truncate") == 0 &&
		!driver->truncate(target, &table->handle, 1))
		dbsync_fault_raise(target, "emptying the target table");

	/* rows may be there already: all of the chunk's keys go first, or upserts do */
	if (work->careful || (keep && driver->table_wants_replace &&
						  driver->table_wants_replace(table->handle, dbsync_copy_chunk_rows)))
		(void) send_chunks(work, table, DBSYNC_ROWS_DELETE, DBSYNC_RELAY_KEYS, true, &complete);
	else if (keep)
		mode = DBSYNC_ROWS_MERGE;
	relay = send_chunks(work, table, mode, DBSYNC_RELAY_CHUNK, alone || work->nsides == 0, &complete);
	(void) dbsync_relay_result(relay, &rows);
	advance(work, table, dbsync_chunk_last_key(table, relay), rows, complete);
	return rows;
}

DbsyncTarget *
dbsync_copy_next_chunk(DbsyncWork *work, DbsyncTable *table, int64 *rows)
{
	char	  **last_key;
	DbsyncSide *side = dbsync_side_next(work, table, &last_key, rows);

	if (side == NULL)
		return NULL;
	advance(work, table, last_key, *rows, *rows < side->limit);
	return side->target;
}

static void
note_progress(void *arg)
{
	DbsyncWork *work = arg;
	ListCell   *lc;

	dbsync_query_begin(false, "noting progress");
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->note_due && table->state != DBSYNC_TABLE_SUSPENDED)
			dbsync_subscription_write_table(work->subscription, table,
											table->part.live ? DBSYNC_TABLE_LIVE : DBSYNC_TABLE_COPYING);
	}
	dbsync_query_commit();
	foreach(lc, work->subscription->tables)
		((DbsyncTable *) lfirst(lc))->note_due = false;
}

bool
dbsync_copy_note_is_due(const DbsyncWork *work)
{
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return false;
	foreach(lc, work->subscription->tables)
	{
		if (((DbsyncTable *) lfirst(lc))->note_due)
			return true;
	}
	return false;
}

void
dbsync_copy_note_progress(DbsyncWork *work)
{
	if (dbsync_copy_note_is_due(work))
		(void) dbsync_query_attempt(note_progress, work);
}

/* not the table's fault: what goes for the whole connection */
static bool
concerns_table(int sqlstate)
{
	int			class = ERRCODE_TO_CATEGORY(sqlstate);

	return class != ERRCODE_CONNECTION_EXCEPTION &&
		class != ERRCODE_OPERATOR_INTERVENTION &&
		class != ERRCODE_INSUFFICIENT_RESOURCES;
}

bool
dbsync_copy_put_off(DbsyncWork *work, int sqlstate)
{
	DbsyncTable *table = work->blamed ? dbsync_subscription_table(work->subscription, work->blamed) : NULL;

	work->blamed = 0;
	/* without a copy, the others must not go on past its start position */
	if (table == NULL || !table->copy_data || table->part.live || !concerns_table(sqlstate))
		return false;
	work->copy_failed = true;
	table->copy_failures++;
	table->copy_after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													dbsync_query_pause(COPY_RETRY_MIN,
																	   table->copy_failures));
	return true;
}

bool
dbsync_copy_is_pending(const DbsyncWork *work)
{
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return false;
	foreach(lc, work->subscription->tables)
	{
		const DbsyncTable *table = lfirst(lc);

		if (table->state != DBSYNC_TABLE_SUSPENDED && !table->part.live)
			return true;
	}
	return false;
}

bool
dbsync_copy_is_put_off(DbsyncWork *work)
{
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
		return false;
	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->copy_failures > 0 && !table->part.live && table->state != DBSYNC_TABLE_SUSPENDED)
			return true;
	}
	return false;
}
