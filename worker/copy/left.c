/*-------------------------------------------------------------------------
 *
 * worker/copy/left.c
 *	  How many rows the source has left.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "extension/owner.h"
#include "worker/copy/chunk.h"
#include "worker/copy/left.h"
#include "worker/driver/driver.h"
#include "worker/relay.h"

/* rows that are read at a time */
#define ROWS_AT_A_TIME	1000

/* In place of a target: no row gets that far. */
static const DbsyncDriver sink_driver = {
	.version = DBSYNC_DRIVER_VERSION,
	.name = "dbsync_count",
};

/* DbsyncRowScreen.values: that it is there is all that is asked. */
static bool
pass_by(void *arg, const char *const *values)
{
	return false;
}

int64
dbsync_left_count(const DbsyncWork *work, DbsyncTable *table, int64 enough)
{
	DbsyncTarget sink = {.driver = &sink_driver};
	DbsyncRowScreen screen = {.values = pass_by};
	DbsyncRelay *relay = dbsync_relay_create(&sink, NULL, table, table->shape, DBSYNC_RELAY_ROWS);
	DbsyncChunk *chunk;
	DbsyncOwner saved;

	dbsync_relay_screen(relay, &screen);
	dbsync_chunk_begin_reading(&saved, table, work->subscription->owner);
	chunk = dbsync_chunk_open_whole(table, DBSYNC_RELAY_ROWS, relay);
	while (dbsync_relay_written(relay) < enough && dbsync_chunk_read(chunk, ROWS_AT_A_TIME))
		CHECK_FOR_INTERRUPTS();
	dbsync_chunk_close(chunk);
	dbsync_owner_end(&saved);
	return dbsync_relay_written(relay);
}
