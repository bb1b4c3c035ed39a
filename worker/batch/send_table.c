/*-------------------------------------------------------------------------
 *
 * worker/batch/send_table.c
 *	  One table's rows of a cut, and in which mode they go to the target.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/batch/choose.h"
#include "worker/batch/quarantine.h"
#include "worker/batch/send_table.h"
#include "worker/catcher.h"
#include "worker/driver/driver.h"
#include "worker/relay.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"
#include "worker/unique.h"
#include "worker/work.h"

int64
dbsync_send_rows(DbsyncBatch *batch, const DbsyncCutTable *cut_table, DbsyncRowsMode mode,
				 const DbsyncReadCut *how)
{
	DbsyncTarget *target = batch->target;
	DbsyncTable *table = batch->current;
	const DbsyncTableShape *shape = dbsync_read_shape(batch->work->subscription, table, cut_table);
	DbsyncRelay *relay = dbsync_relay_create(target, table->handle, table, shape, how->what);
	int64		rows = dbsync_cut_table_rows(cut_table);
	int64		sent;

	if ((mode == DBSYNC_ROWS_MERGE || mode == DBSYNC_ROWS_TOGETHER || mode == DBSYNC_ROWS_DOUBTED) &&
		how->what != DBSYNC_RELAY_REMAINING)
		dbsync_relay_delete_filtered(relay);
	if (mode == DBSYNC_ROWS_DOUBTED)
		dbsync_relay_send_text(relay);
	if (mode != DBSYNC_ROWS_CLEAR)
		dbsync_relay_catch_parked(relay);
	/* several rows of a circle are to come by one statement, so they are many, however few */
	dbsync_target_rows_begin(target, table->handle, mode,
							 table->ties.circle && rows > 1 ? -1 : rows, "sending rows");
	dbsync_quarantine_see(batch->work);
	dbsync_read_cut(batch->work->subscription, table, batch->cut, cut_table, how, relay);
	if (!dbsync_relay_result(relay, &sent) || !dbsync_target_try_rows_end(target))
		dbsync_target_raise(target, "sending rows");
	return sent;
}

DbsyncCutTable
dbsync_send_count(const DbsyncTable *table, const DbsyncCutTable *cut_table)
{
	DbsyncCutTable sent = *cut_table;

	if (!(table->operations & DBSYNC_SENDS_INSERT))
		sent.inserts = 0;
	if (!(table->operations & DBSYNC_SENDS_UPDATE))
		/* nobody knows which of these rows are new */
		sent.updates = sent.marked = table->operations & DBSYNC_SENDS_INSERT ? sent.keys : 0;
	if (!(table->operations & DBSYNC_SENDS_DELETE))
		sent.deletes = 0;
	if (!(table->operations & DBSYNC_SENDS_TRUNCATE))
		sent.truncates = 0;
	if (!(table->operations & (DBSYNC_SENDS_INSERT | DBSYNC_SENDS_UPDATE)))
		sent.resolved = 0;
	return sent;
}

void
dbsync_send_keyless(DbsyncBatch *batch, const DbsyncCutTable *cut_table, int64 after, int64 before,
					DbsyncRelayWhat what)
{
	int64		rows = dbsync_cut_table_rows(cut_table);
	DbsyncReadCut changes = {.what = what};

	changes.after = after;
	changes.before = before;
	changes.fold = rows > cut_table->inserts;
	if (!changes.fold && what == DBSYNC_RELAY_GONE)
		return;
	batch->work->counts |= changes.fold;
	batch->rows += dbsync_send_rows(batch, cut_table, changes.fold ? DBSYNC_ROWS_COUNT : DBSYNC_ROWS_APPEND, &changes);
}

/* Is every row of the cut to be deleted and inserted, rather than updated? */
static bool
is_to_be_replaced(const DbsyncBatch *batch, const DbsyncCutTable *cut_table)
{
	/* of a key that is parked it could not be said whether its row is to go */
	if (batch->current->parked != NULL)
		return false;
	return (batch->work->send_as == DBSYNC_SEND_REPLACE_ALL && !batch->current->ties.checked) ||
		dbsync_target_table_wants_replace(batch->target, batch->current->handle,
										  dbsync_cut_table_rows(cut_table));
}

DbsyncReadCut
dbsync_send_begin(DbsyncBatch *batch, DbsyncTable *table, const DbsyncCutTable *cut_table, int64 after, int64 before)
{
	DbsyncWork *work = batch->work;
	DbsyncReadCut changes = {.what = DBSYNC_RELAY_CHANGES};

	batch->current = table;
	work->sending = table->captured_id;
	changes.marks = dbsync_send_count(table, cut_table).marked > 0;
	changes.complete = changes.marks && dbsync_choose_completes(work, table, cut_table);
	table->reads_again |= cut_table->keys > 0;
	work->completing = changes.complete ? table->captured_id : 0;
	changes.after = after;
	changes.before = before;
	changes.fold = !dbsync_cut_table_is_distinct(cut_table);
	return changes;
}

void
dbsync_send_end(DbsyncBatch *batch)
{
	/* where keys are checked others may have to be there before: see dbsync_send_ordered() */
	if (batch->current->ties.rank == 0)
		dbsync_catcher_send(batch->target, batch->current);
	batch->work->sending = batch->work->completing = batch->current->oversized = 0;
	batch->current = NULL;
}

bool
dbsync_send_appends(const DbsyncBatch *batch, const DbsyncTable *table, const DbsyncCutTable *cut_table)
{
	const DbsyncCutTable sent = dbsync_send_count(table, cut_table);

	return table->part.live && batch->work->send_as < DBSYNC_SEND_REPLACE_ALL &&
		cut_table->truncates == 0 && dbsync_cut_table_rows(&sent) == sent.inserts &&
		table->operations == DBSYNC_SENDS_ALL;
}

/*
 * Rows that are read again show S, where a unique value may have moved to one of them from another row, of which
 * nothing is in this cut.  That one would be in the way for ever.  Its own key follows, in a cut of before S,
 * and brings all of it.  Not where others' rows may be there, nor where keys are checked that could take along more.
 */
static void
make_room(DbsyncBatch *batch, const DbsyncCutTable *cut_table, const DbsyncReadCut *changes)
{
	DbsyncTable *table = batch->current;
	List	   *sets;

	if (!table->reads_again || (batch->caught_up && !table->from_wal) || table->ties.checked || dbsync_table_keeps_rows(table) ||
		!dbsync_target_clears(batch->target))
		return;
	sets = dbsync_unique_sets(table, dbsync_read_shape(batch->work->subscription, table, cut_table));
	if (sets == NIL)
		return;
	(void) dbsync_send_rows(batch, cut_table, DBSYNC_ROWS_CLEAR, changes);
	dbsync_target_rows_clear(batch->target, table->handle, sets, NULL);
}

void
dbsync_send_replaced(DbsyncBatch *batch, const DbsyncCutTable *cut_table, DbsyncReadCut changes)
{
	DbsyncReadCut keys = {.what = DBSYNC_RELAY_KEYS,.after = changes.after,.before = changes.before};

	(void) dbsync_send_rows(batch, cut_table, DBSYNC_ROWS_DELETE, &keys);
	changes.what = DBSYNC_RELAY_REMAINING;
	if (batch->work->send_as == DBSYNC_SEND_REPLACE_ALL)
		make_room(batch, cut_table, &changes);
	batch->rows += dbsync_send_rows(batch, cut_table, DBSYNC_ROWS_APPEND, &changes);
}

/*
 * Live, room is made when rows have clashed.  Nobody comes back from where files go and says so: who plays them is told
 * beforehand, and does it when they clash.
 */
static void
make_room_ahead(DbsyncBatch *batch, const DbsyncCutTable *cut_table, DbsyncReadCut changes)
{
	if (!dbsync_target_is_folder(batch->target))
		return;
	changes.what = DBSYNC_RELAY_REMAINING;
	make_room(batch, cut_table, &changes);
}

bool
dbsync_send_doubts(const DbsyncBatch *batch, const DbsyncTable *table)
{
	return batch->work->send_as == DBSYNC_SEND_DOUBTED &&
		!(table->ties.checked && dbsync_target_table_is_followed(batch->target, table->handle));
}

/* Or its rows would have to be replaced, and cannot be: see above. */
static bool
is_to_be_doubted(const DbsyncBatch *batch, const DbsyncTable *table)
{
	return dbsync_send_doubts(batch, table) ||
		(table->parked != NULL && (batch->work->send_as == DBSYNC_SEND_REPLACE_ALL ||
								   dbsync_target_table_wants_replace(batch->target, table->handle, 0)));
}

static void
send_doubted(DbsyncBatch *batch, const DbsyncCutTable *cut_table, DbsyncReadCut changes)
{
	DbsyncReadCut room = changes;

	room.what = DBSYNC_RELAY_REMAINING;
	make_room(batch, cut_table, &room);
	batch->rows += dbsync_send_rows(batch, cut_table, DBSYNC_ROWS_DOUBTED, &changes);
}

/*
 * Inserts alone go straight in; deletes need but their keys; else each key's last state is merged, or
 * takes the place of what is there, which a row with untouched columns cannot.
 */
void
dbsync_send_table(DbsyncBatch *batch, DbsyncCutTable *cut_table, int64 after, int64 before)
{
	DbsyncWork *work = batch->work;
	DbsyncTable *table = dbsync_subscription_table(work->subscription, cut_table->captured_id);
	const DbsyncCutTable sent = dbsync_send_count(table, cut_table);
	int64		rows = dbsync_cut_table_rows(&sent);
	DbsyncReadCut keys = {.what = DBSYNC_RELAY_KEYS};
	DbsyncReadCut changes;

	if (rows == 0)
		return;
	changes = dbsync_send_begin(batch, table, cut_table, after, before);
	keys.after = after;
	keys.before = before;
	if (dbsync_read_shape(work->subscription, table, cut_table)->nkeys > 0 && rows > sent.deletes)
		make_room_ahead(batch, cut_table, changes);
	if (dbsync_read_shape(work->subscription, table, cut_table)->nkeys == 0)
		dbsync_send_keyless(batch, cut_table, after, before, DBSYNC_RELAY_CHANGES);
	else if (is_to_be_doubted(batch, table))
		send_doubted(batch, cut_table, changes);
	else if (dbsync_send_appends(batch, table, cut_table))
	{
		changes.fold = false;
		batch->rows += dbsync_send_rows(batch, cut_table, DBSYNC_ROWS_APPEND, &changes);
	}
	else if (rows == sent.deletes)
		batch->rows += dbsync_send_rows(batch, cut_table, DBSYNC_ROWS_DELETE, &keys);
	else if (changes.marks && !changes.complete)
		batch->rows += dbsync_send_rows(batch, cut_table, DBSYNC_ROWS_PATCH, &changes);
	else if (is_to_be_replaced(batch, cut_table))
		dbsync_send_replaced(batch, cut_table, changes);
	else
		batch->rows += dbsync_send_rows(batch, cut_table, DBSYNC_ROWS_MERGE, &changes);
	dbsync_send_end(batch);
}
