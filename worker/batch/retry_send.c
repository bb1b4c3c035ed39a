/*-------------------------------------------------------------------------
 *
 * worker/batch/retry_send.c
 *	  Parked keys that somebody wants to be tried again, or passed over: what is sent.
 *
 * The rows that were refused are for people: they may be of another shape, or have gone with a partition.  What is sent is
 * what S shows of the key, or that it shows nothing.  Parents come first, and go last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "extension/array.h"
#include "extension/owner.h"
#include "worker/batch/choose.h"
#include "worker/batch/retry_send.h"
#include "worker/catcher.h"
#include "worker/driver/driver.h"
#include "worker/parked.h"
#include "worker/query.h"
#include "worker/relay.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/target.h"

/* of one table, as the ledger has them */
typedef struct Asked
{
	DbsyncTable *table;
	List	   *again;			/* of Datum * */
	List	   *passed;			/* of DbsyncParkedRow */
} Asked;

static char **
read_text(uint64 row, int *nkeys)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull);
	Datum	   *elements;
	bool	   *nulls;
	char	  **key;

	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, nkeys);
	key = palloc(sizeof(char *) * Max(*nkeys, 1));
	for (int k = 0; k < *nkeys; k++)
		key[k] = nulls[k] ? NULL : TextDatumGetCString(elements[k]);
	return key;
}

static void
pass_over(Asked *asked, int nkeys, char **key)
{
	DbsyncParkedRow *row = palloc0(sizeof(DbsyncParkedRow));

	row->attachment = asked->table->uid;
	row->nkeys = nkeys;
	row->key = key;
	asked->passed = lappend(asked->passed, row);
}

/* What has been asked for, of keys that are parked. */
static Asked *
read_asked(DbsyncTable *table)
{
	Asked	   *asked = palloc0(sizeof(Asked));
	const char *uid = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
	DbsyncOwner saved;
	uint64		n;

	asked->table = table;
	if (table->parked == NULL)
		return asked;
	dbsync_owner_begin(&saved, dbsync_table_owner(table));
	dbsync_parked_prepare(table->parked, table->shape);
	dbsync_owner_end(&saved);
	n = dbsync_query("SELECT p.key, p.asked = 'skip' FROM dbsync_internal.parked_row p WHERE p.attachment = $1::pg_catalog.uuid"
					 " AND p.asked IS NOT NULL", 1, &uid);
	for (uint64 row = 0; row < n; row++)
	{
		int			nkeys;
		char	  **noted = read_text(row, &nkeys);
		char	  **key = dbsync_parked_find_text(table->parked, nkeys, noted);
		const Datum *values = key ? dbsync_parked_values(table->parked, key) : NULL;

		if (key != NULL && dbsync_query_bool(row, 2))
			pass_over(asked, nkeys, key);
		else if (values != NULL)
			asked->again = lappend(asked->again, unconstify(Datum *, values));
	}
	return asked;
}

/* Rows that are there, or those that are not. */
static void
send(DbsyncBatch *batch, const Asked *asked, DbsyncRelayWhat what)
{
	DbsyncWork *work = batch->work;
	DbsyncTarget *target = batch->target;
	DbsyncTable *table = asked->table;
	DbsyncRelay *relay;
	DbsyncOwner saved;
	int64		rows;

	if (asked->again == NIL)
		return;
	batch->current = table;
	work->sending = table->captured_id;
	relay = dbsync_relay_create(target, table->handle, table, table->shape, what);
	dbsync_relay_send_text(relay);
	dbsync_relay_catch_parked(relay);
	if (what == DBSYNC_RELAY_GONE)
		dbsync_relay_delete_filtered(relay);
	dbsync_target_rows_begin(target, table->handle, DBSYNC_ROWS_DOUBTED, list_length(asked->again), "sending rows of parked keys");
	dbsync_owner_begin(&saved, dbsync_table_owner(table));
	dbsync_lookup(table, table->shape, asked->again, true, what, relay, NULL, NULL);
	dbsync_owner_end(&saved);
	if (!dbsync_relay_result(relay, &rows) || !dbsync_target_try_rows_end(target))
		dbsync_target_raise(target, "sending rows of parked keys");
	dbsync_catcher_send(target, table);
	/* it may have been in the way of others, or they in its */
	if (work->subscription->tied)
		dbsync_target_rows_together(target, false, "sending rows of parked keys");
	work->sending = 0;
	batch->current = NULL;
}

static int
compare_ranks(const ListCell *a, const ListCell *b)
{
	return ((const Asked *) lfirst(a))->table->ties.rank - ((const Asked *) lfirst(b))->table->ties.rank;
}

void
dbsync_retry_send(DbsyncBatch *batch)
{
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, batch->retries)
		all = lappend(all, read_asked(lfirst(lc)));
	list_sort(all, compare_ranks);
	foreach(lc, all)
	{
		const Asked *asked = lfirst(lc);

		if (asked->passed != NIL)
			dbsync_target_quarantine_free(batch->target, asked->passed);
		send(batch, asked, DBSYNC_RELAY_REMAINING);
	}
	for (int i = list_length(all) - 1; i >= 0; i--)
		send(batch, list_nth(all, i), DBSYNC_RELAY_GONE);
}
