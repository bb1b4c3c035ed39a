/*-------------------------------------------------------------------------
 *
 * worker/receive/receiver_config.c
 *	  Reading what a receiver is told, and writing down how far it has come.
 *
 * It is read for each round, which is one look at one row: so nobody has to tell a receiver that he has changed something.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/array.h"
#include "extension/compat.h"
#include "extension/node.h"
#include "worker/bundle/sign.h"
#include "worker/query.h"
#include "worker/receive/receiver_config.h"

static const char *const read_sql =
"SELECT r.uid, r.name, r.target, r.policy, r.enabled, dbsync_internal.owner_of(r.id)::pg_catalog.oid,"
" dbsync_internal.missing_file_role(dbsync_internal.owner_of(r.id)) IS NULL,"
" r.subscription, r.root, coalesce(r.options->>'in', r.root || '/in'), r.public_keys,"
" coalesce(r.chain, 0), coalesce(r.number, 0), r.receipts, r.chains,"
" o.remove, o.ddl, o.partial_after, o.gap_after, o.settle_after, o.keep_applied, o.receipt_every, o.cache_size,"
" o.existing_rows, o.identity_file, o.receipt_key_file,"
" pg_catalog.has_foreign_data_wrapper_privilege(dbsync_internal.owner_of(r.id)::pg_catalog.oid, 'dbsync_file', 'USAGE')"
" FROM dbsync.receiver r, dbsync_internal.receiver_options(r.options) o WHERE r.id = $1::pg_catalog.int4";

static Datum
field(int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, isnull);
}

static const char *
text_field(MemoryContext context, int column)
{
	const char *text = dbsync_query_text(0, column);

	return text ? MemoryContextStrdup(context, text) : NULL;
}

List *
dbsync_receiver_keys(MemoryContext context, Datum array)
{
	List	   *keys = NIL;
	int			n;
	Datum	   *elements = dbsync_array_values(array, TEXTOID, &n);

	for (int i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		uint8	   *key = dbsync_sign_read_public(TextDatumGetCString(elements[i]));

		if (key != NULL)
			keys = lappend(keys, key);
		MemoryContextSwitchTo(old);
	}
	return keys;
}

int64 *
dbsync_receiver_chains(MemoryContext context, Datum array, int *n)
{
	Datum	   *values = dbsync_array_values(array, INT8OID, n);
	int64	   *chains = MemoryContextAlloc(context, sizeof(int64) * Max(*n, 1));

	for (int i = 0; i < *n; i++)
		chains[i] = DatumGetInt64(values[i]);
	return chains;
}

bool
dbsync_receiver_is_among(const int64 *chains, int n, int64 chain)
{
	for (int i = 0; i < n; i++)
	{
		if (chains[i] == chain)
			return true;
	}
	return false;
}

/* The folders that follow from the root, and from the subscription if that is known. */
static void
name_folders(DbsyncReceiver *receiver)
{
	MemoryContext old = MemoryContextSwitchTo(receiver->context);

	receiver->tmp = psprintf("%s/cache/tmp", receiver->root);
	receiver->rejected = psprintf("%s/rejected", receiver->root);
	receiver->receipts = psprintf("%s/receipts", receiver->root);
	if (receiver->knows_subscription)
		receiver->cache = psprintf("%s/cache/%s", receiver->root,
								   DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&receiver->subscription))));
	MemoryContextSwitchTo(old);
}

static DbsyncReceiver *
take_row(MemoryContext parent, int id)
{
	MemoryContext context = AllocSetContextCreate(parent, "dbsync receiver", ALLOCSET_SMALL_SIZES);
	DbsyncReceiver *receiver = MemoryContextAllocZero(context, sizeof(DbsyncReceiver));
	bool		isnull;
	Datum		subscription;

	receiver->context = context;
	receiver->id = id;
	receiver->adopted = dbsync_node_is_adopted();
	receiver->uid = *DatumGetUUIDP(field(1, &isnull));
	receiver->name = text_field(context, 2);
	receiver->target = text_field(context, 3);
	receiver->policy = text_field(context, 4);
	receiver->enabled = dbsync_query_bool(0, 5);
	receiver->owner = dbsync_query_oid(0, 6);
	receiver->may_files = dbsync_query_bool(0, 7);
	subscription = field(8, &isnull);
	receiver->knows_subscription = !isnull;
	if (!isnull)
		receiver->subscription = *DatumGetUUIDP(subscription);
	receiver->root = text_field(context, 9);
	receiver->in = text_field(context, 10);
	receiver->keys = dbsync_receiver_keys(context, field(11, &isnull));
	receiver->chain = dbsync_query_int(0, 12);
	receiver->number = dbsync_query_int(0, 13);
	receiver->receipts_written = dbsync_query_int(0, 14);
	receiver->chains = dbsync_receiver_chains(context, field(15, &isnull), &receiver->nchains);
	receiver->remove = dbsync_query_bool(0, 16);
	receiver->applies_ddl = strcmp(dbsync_query_text(0, 17), "apply") == 0;
	receiver->partial_after = dbsync_query_int(0, 18);
	receiver->gap_after = dbsync_query_int(0, 19);
	receiver->settle_after = dbsync_query_int(0, 20);
	receiver->keep_applied = dbsync_query_int(0, 21);
	receiver->receipt_every = dbsync_query_int(0, 22);
	receiver->cache_size = dbsync_query_int(0, 23);
	receiver->existing_rows = text_field(context, 24);
	receiver->identity_file = text_field(context, 25);
	receiver->receipt_key_file = text_field(context, 26);
	receiver->may_wrapper = dbsync_query_bool(0, 27);
	name_folders(receiver);
	return receiver;
}

DbsyncReceiver *
dbsync_receiver_read(MemoryContext parent, int id)
{
	const char *args[1] = {psprintf("%d", id)};
	DbsyncReceiver *receiver = NULL;

	dbsync_query_begin(false, "reading the receiver");
	if (OidIsValid(get_extension_oid("dbsync", true)))
	{
		SPI_connect();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (dbsync_query(read_sql, 1, args) == 1)
			receiver = take_row(parent, id);
		PopActiveSnapshot();
		SPI_finish();
	}
	dbsync_query_commit();
	return receiver;
}

/* One statement, in a transaction of its own. */
static void
write_row(const char *doing, const char *sql, int nargs, const char *const *args)
{
	dbsync_query_begin(false, doing);
	dbsync_query_run(sql, nargs, args);
	dbsync_query_commit();
}

void
dbsync_receiver_write_subscription(DbsyncReceiving *receiving, const pg_uuid_t *subscription)
{
	DbsyncReceiver *receiver = receiving->receiver;
	const char *args[2] = {psprintf("%d", receiver->id),
	DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(subscription)))};

	write_row("noting whose bundles come",
			  "UPDATE dbsync.receiver SET subscription = $2::pg_catalog.uuid"
			  " WHERE id = $1::pg_catalog.int4 AND subscription IS NULL", 2, args);
	receiver->subscription = *subscription;
	receiver->knows_subscription = true;
	name_folders(receiver);
}

void
dbsync_receiver_write_progress(DbsyncReceiving *receiving)
{
	const DbsyncPlace *place = &receiving->place;
	const char *args[5] = {psprintf("%d", receiving->receiver->id), psprintf(INT64_FORMAT, place->chain),
		psprintf(INT64_FORMAT, place->number), psprintf(INT64_FORMAT, place->batch),
	receiving->played_time ? timestamptz_to_str(receiving->played_time) : NULL};

	if (!receiving->progress_due || place->chain == 0)
		return;
	/* a hundred chains are more than anybody's gateway holds back */
	write_row("noting how far the target has come",
			  "UPDATE dbsync.receiver SET chain = $2::pg_catalog.int8, number = $3::pg_catalog.int8,"
			  " batch = $4::pg_catalog.int8, \"time\" = coalesce($5::pg_catalog.timestamptz, \"time\"),"
			  " chains = CASE WHEN $2::pg_catalog.int8 = ANY (chains) THEN chains ELSE"
			  "  (SELECT pg_catalog.array_agg(c ORDER BY c) FROM (SELECT c FROM pg_catalog.unnest(chains || $2::pg_catalog.int8) c"
			  "   ORDER BY c DESC LIMIT 100) newest) END"
			  " WHERE id = $1::pg_catalog.int4", 5, args);
	receiving->progress_due = false;
}

int64
dbsync_receiver_count_receipt(DbsyncReceiving *receiving)
{
	DbsyncReceiver *receiver = receiving->receiver;
	int64		second = GetCurrentTimestamp() / USECS_PER_SEC +
		((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY);
	int64		count = Max(second, receiver->receipts_written + 1);
	const char *args[2] = {psprintf("%d", receiver->id), psprintf(INT64_FORMAT, count)};

	write_row("counting receipts",
			  "UPDATE dbsync.receiver SET receipts = $2::pg_catalog.int8 WHERE id = $1::pg_catalog.int4", 2, args);
	receiver->receipts_written = count;
	return count;
}

void
dbsync_receiver_leave_stopped(int id, const char *note)
{
	const char *args[2] = {note, psprintf("%d", id)};

	dbsync_query_begin(false, "leaving a receiver stopped");
	if (OidIsValid(get_extension_oid("dbsync", true)))
		dbsync_query_run("UPDATE dbsync.receiver SET enabled = false, note = $1"
						 " WHERE id = $2::pg_catalog.int4 AND enabled", 2, args);
	dbsync_query_commit();
}
