/*-------------------------------------------------------------------------
 *
 * worker/copy/room.c
 *	  Rows that a target has from another moment, and that are in the way of rows as of S.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "extension/owner.h"
#include "worker/copy/room.h"
#include "worker/driver/driver.h"
#include "worker/kept.h"
#include "worker/relay.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/target.h"
#include "worker/target_compare.h"

bool
dbsync_room_is_to_be_had(const DbsyncWork *work, const DbsyncTable *table)
{
	return table->shape->nkeys > 0 && table->operations == DBSYNC_SENDS_ALL && !table->ties.checked &&
		dbsync_target_clears(work->target) && dbsync_target_compares(work->target) && !dbsync_kept_rows(work->subscription, table);
}

/* Rows of these keys as of S, those that are there. */
static int64
send_rows(DbsyncWork *work, DbsyncTable *table, const List *keys, DbsyncRowsMode mode)
{
	DbsyncRelay *relay = dbsync_relay_create(work->target, table->handle, table, table->shape, DBSYNC_RELAY_REMAINING);
	DbsyncOwner saved;
	int64		sent;

	if (mode == DBSYNC_ROWS_CLEAR_DOUBTED)
		dbsync_relay_send_text(relay);
	dbsync_target_rows_begin(work->target, table->handle, mode, list_length(keys), "making room for rows");
	dbsync_owner_begin(&saved, dbsync_table_owner(table));
	dbsync_lookup(table, table->shape, dbsync_lookup_distinct(table->shape, keys), false, DBSYNC_RELAY_REMAINING, relay, NULL, NULL);
	dbsync_owner_end(&saved);
	if (!dbsync_relay_result(relay, &sent) || !dbsync_target_try_rows_end(work->target))
		dbsync_target_raise(work->target, "making room for rows");
	return dbsync_relay_written(relay);
}

static List *
clear_for(DbsyncWork *work, DbsyncTable *table, const List *keys, bool doubted)
{
	List	   *cleared = NIL;

	if (keys == NIL)
		return NIL;
	(void) send_rows(work, table, keys, doubted ? DBSYNC_ROWS_CLEAR_DOUBTED : DBSYNC_ROWS_CLEAR);
	dbsync_target_rows_clear(work->target, table->handle, NIL, &cleared);
	return cleared;
}

List *
dbsync_room_follow(DbsyncWork *work, DbsyncTable *table, List **left)
{
	List	   *cleared = NIL;

	dbsync_target_rows_clear(work->target, table->handle, NIL, &cleared);
	*left = clear_for(work, table, cleared, false);
	return cleared;
}

List *
dbsync_room_make(DbsyncWork *work, DbsyncTable *table, const List *keys, bool doubted, List **left)
{
	List	   *cleared = clear_for(work, table, keys, doubted);

	*left = clear_for(work, table, cleared, doubted);
	return cleared;
}

int64
dbsync_room_fill(DbsyncWork *work, DbsyncTable *table, const List *keys)
{
	return keys == NIL ? 0 : send_rows(work, table, keys, DBSYNC_ROWS_APPEND);
}
