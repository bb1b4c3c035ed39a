/*-------------------------------------------------------------------------
 *
 * worker/upkeep/wal_keys.c
 *	  From messages of the output plugin to keys in the segments.
 *
 * Whatever happened to a row, its key goes into the log as K, and of an UPDATE that gave it
 * another key both; TRUNCATE goes as T.  What the row is, batches read.  So a key too many
 * does no harm, and one too few would be a row that is lost: where it cannot be told
 * for certain which columns of the table as it is now the values belong to, the table is
 * given up, and copied anew.
 *
 * What was written before the table joined is passed over: its copy has it.  A TRUNCATE of a former
 * life would take away at the target what was copied since.
 *
 * Columns are told by their place among those of the replica identity, which is the order
 * of their numbers; where that is all of the row, by their names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"

#include "extension/capture/cache.h"
#include "extension/capture/feed.h"
#include "extension/log/segment.h"
#include "extension/owner.h"
#include "worker/query.h"
#include "worker/upkeep/pgoutput.h"
#include "worker/upkeep/wal_keys.h"

/* it was, but not as it is since it joined */
#define NOT_DESCRIBED	(-1)

/* a column of a key */
typedef struct KeyColumn
{
	AttrNumber	number;
	int			place;			/* in rows of messages */
	Oid			input;			/* the function that reads its text */
	Oid			ioparam;
	int32		typmod;
} KeyColumn;

typedef struct DbsyncWalTable
{
	Oid			relid;			/* hash key */
	bool		wanted;			/* it is captured from the WAL, and can be */
	const char *problem;		/* why it cannot be, or NULL */
	Relation	rel;			/* open and locked as by writers, or NULL */
	TupleTableSlot *slot;
	int			captured_id;
	XLogRecPtr	since;			/* what lies before is not for us */
	int			ncolumns;		/* of rows of messages; NOT_DESCRIBED */
	int			nkeys;
	KeyColumn	keys[INDEX_MAX_KEYS];
} DbsyncWalTable;

/* captured id of the table whose key is being read, or whose was as there was an error */
static int	reading = 0;

int
dbsync_wal_keys_failed(void)
{
	int			failed = reading;

	reading = 0;
	return failed;
}

void
dbsync_wal_keys_begin(DbsyncWalKeys *keys)
{
	HASHCTL		ctl = {0};

	memset(keys, 0, sizeof(*keys));
	keys->context = AllocSetContextCreate(TopTransactionContext, "dbsync WAL keys", ALLOCSET_DEFAULT_SIZES);
	keys->scratch = AllocSetContextCreate(keys->context, "dbsync WAL message", ALLOCSET_DEFAULT_SIZES);
	keys->feed = MemoryContextAlloc(keys->context, sizeof(DbsyncFeed));
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(DbsyncWalTable);
	ctl.hcxt = keys->context;
	keys->tables = hash_create("dbsync WAL tables", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* The columns of the key, in the order of their numbers, and how their text is read. */
static void
learn_key(DbsyncWalTable *table, const DbsyncShape *shape)
{
	table->nkeys = shape->nkeys;
	for (int k = 0; k < shape->nkeys; k++)
	{
		AttrNumber	number = shape->columns[shape->keys[k]];
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(table->rel), number - 1);
		KeyColumn	column = {.number = number,.typmod = att->atttypmod};
		int			at = k;

		getTypeInputInfo(getBaseTypeAndTypmod(att->atttypid, &column.typmod), &column.input, &column.ioparam);
		for (; at > 0 && table->keys[at - 1].number > number; at--)
			table->keys[at] = table->keys[at - 1];
		table->keys[at] = column;
	}
}

/* Where the WAL was as it joined.  It is locked, so it cannot leave and join again meanwhile. */
static XLogRecPtr
find_since(int captured_id)
{
	const char *args[1] = {psprintf("%d", captured_id)};
	uint64		found;
	XLogRecPtr	since;

	SPI_connect();
	found = dbsync_query_latest("SELECT t.since FROM dbsync_internal.published_table t"
								" WHERE t.captured_id = $1::pg_catalog.int4", 1, args);
	since = found == 0 ? PG_UINT64_MAX
		: DatumGetLSN(DirectFunctionCall1(pg_lsn_in, CStringGetDatum(dbsync_query_text(0, 1))));
	SPI_finish();
	return since;
}

/* A table that is not captured so by now is passed over: whoever goes on with it copies it first. */
static void
open_table(DbsyncWalTable *table)
{
	DbsyncEntry *entry;

	table->rel = try_table_open(table->relid, RowExclusiveLock);
	if (table->rel == NULL || table->rel->rd_rel->relkind != RELKIND_RELATION)
		return;
	entry = dbsync_cache_find(table->rel);
	table->wanted = entry->mode == DBSYNC_MODE_CAPTURE && entry->captured.by == DBSYNC_BY_WAL &&
		entry->captured.relid == table->relid;
	table->captured_id = entry->captured.id;
	if (!table->wanted)
		return;
	table->since = find_since(table->captured_id);
	table->slot = MakeSingleTupleTableSlot(RelationGetDescr(table->rel), &TTSOpsVirtual);
	if (entry->shape.nkeys == 0)
		table->problem = "it has no key any more";
	else
		learn_key(table, &entry->shape);
}

/* Where a column of the key is among those of a message; -1: nobody knows. */
static int
find_place(const DbsyncWalTable *table, const KeyColumn *key, int k, const DbsyncPgoutput *message)
{
	const char *name = NameStr(TupleDescAttr(RelationGetDescr(table->rel), key->number - 1)->attname);

	for (int i = 0; i < message->ncolumns; i++)
	{
		const DbsyncPgoutputColumn *column = &message->columns[i];

		if (message->identity == REPLICA_IDENTITY_FULL ? strcmp(column->name, name) == 0
			: column->key && k-- == 0)
			return i;
	}
	return -1;
}

static int
count_key_columns(const DbsyncPgoutput *message)
{
	int			n = 0;

	for (int i = 0; i < message->ncolumns; i++)
		n += message->columns[i].key;
	return n;
}

/* A text that was written as a value of another type would be read as another one. */
static void
learn_places(DbsyncWalTable *table, const DbsyncPgoutput *message)
{
	table->ncolumns = message->ncolumns;
	if (message->identity != REPLICA_IDENTITY_FULL && count_key_columns(message) != table->nkeys)
	{
		table->problem = "its replica identity was not its key";
		return;
	}
	for (int k = 0; k < table->nkeys; k++)
	{
		KeyColumn  *key = &table->keys[k];
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(table->rel), key->number - 1);

		key->place = find_place(table, key, k, message);
		if (key->place >= 0 && message->columns[key->place].type == att->atttypid &&
			message->columns[key->place].typmod == att->atttypmod)
			continue;
		table->problem = "columns of its key were altered when not all had been read from the WAL";
		return;
	}
}

static bool
is_wanted(const DbsyncWalTable *table)
{
	return table->wanted && table->problem == NULL;
}

/* As it was before it joined is of no concern; if it is as it was then, nobody has described it since. */
static void
learn_table(DbsyncWalKeys *keys, const DbsyncPgoutput *message, XLogRecPtr lsn)
{
	bool		found;
	DbsyncWalTable *table = hash_search(keys->tables, &message->relid, HASH_ENTER, &found);
	MemoryContext old = MemoryContextSwitchTo(keys->context);

	if (!found)
	{
		memset((char *) table + sizeof(Oid), 0, sizeof(DbsyncWalTable) - sizeof(Oid));
		open_table(table);
	}
	if (is_wanted(table) && lsn < table->since)
		table->ncolumns = NOT_DESCRIBED;
	else if (is_wanted(table))
		learn_places(table, message);
	MemoryContextSwitchTo(old);
}

/* What the plugin has not described, it cannot tell of. */
static DbsyncWalTable *
find_table(DbsyncWalKeys *keys, Oid relid)
{
	DbsyncWalTable *table = hash_search(keys->tables, &relid, HASH_FIND, NULL);

	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the output plugin \"pgoutput\" tells of table %u, which it has not described", relid)));
	return table;
}

static void
put(DbsyncWalKeys *keys, DbsyncWalTable *table, char op, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(keys->context);

	if (keys->current != table)
	{
		if (keys->current != NULL)
			dbsync_feed_end(keys->feed);
		dbsync_feed_begin(keys->feed, table->rel);
		keys->current = table;
	}
	table->wanted = dbsync_feed_put(keys->feed, op, slot);
	MemoryContextSwitchTo(old);
}

/*
 * A value of a key: of the row, or where it is untouched and too large to be said again, of what it
 * was, which has it then.
 */
static const DbsyncPgoutputValue *
value_of(const KeyColumn *key, const DbsyncPgoutputRow *row, const DbsyncPgoutputRow *before)
{
	const DbsyncPgoutputValue *value = key->place < row->n ? &row->values[key->place] : NULL;

	if (value != NULL && value->kind == 'u' && key->place < before->n)
		value = &before->values[key->place];
	return value != NULL && value->kind == 't' ? value : NULL;
}

/*
 * As the table's owner, since what is inside a value can be of a domain of anybody's.  False if the
 * key is not all there.
 */
static bool
read_key(DbsyncWalTable *table, const DbsyncPgoutputRow *row, const DbsyncPgoutputRow *before)
{
	TupleTableSlot *slot = table->slot;
	DbsyncOwner saved;
	bool		whole = true;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	reading = table->captured_id;
	dbsync_owner_begin(&saved, table->rel->rd_rel->relowner);
	for (int k = 0; k < table->nkeys && whole; k++)
	{
		const KeyColumn *key = &table->keys[k];
		const DbsyncPgoutputValue *value = value_of(key, row, before);

		whole = value != NULL;
		if (!whole)
			break;
		slot->tts_values[key->number - 1] = OidInputFunctionCall(key->input, pnstrdup(value->data, value->length),
																 key->ioparam, key->typmod);
		slot->tts_isnull[key->number - 1] = false;
	}
	dbsync_owner_end(&saved);
	reading = 0;
	ExecStoreVirtualTuple(slot);
	return whole;
}

static void
take_key(DbsyncWalKeys *keys, DbsyncWalTable *table, const DbsyncPgoutputRow *row, const DbsyncPgoutputRow *before)
{
	if (!is_wanted(table))
		return;
	if (read_key(table, row, before))
		put(keys, table, DBSYNC_OP_KEY, table->slot);
	else
		table->problem = "the WAL did not say the key of a row";
	ExecClearTuple(table->slot);
}

/* Has the row the key that it had? */
static bool
has_same_key(const DbsyncWalTable *table, const DbsyncPgoutputRow *row, const DbsyncPgoutputRow *before)
{
	for (int k = 0; k < table->nkeys; k++)
	{
		const DbsyncPgoutputValue *a = value_of(&table->keys[k], row, before);
		const DbsyncPgoutputValue *b = value_of(&table->keys[k], before, before);

		if (a == NULL || b == NULL || a->length != b->length || memcmp(a->data, b->data, a->length) != 0)
			return false;
	}
	return true;
}

static void
take_row(DbsyncWalKeys *keys, const DbsyncPgoutput *message, XLogRecPtr lsn)
{
	DbsyncWalTable *table = find_table(keys, message->relid);

	if (!is_wanted(table) || lsn < table->since)
		return;
	if (table->ncolumns == NOT_DESCRIBED)
	{
		table->problem = "the WAL did not say the key of a row";
		return;
	}
	if ((message->before.n != 0 && message->before.n != table->ncolumns) ||
		(message->after.n != 0 && message->after.n != table->ncolumns))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the output plugin \"pgoutput\" tells of a row of table \"%s\" with another number of columns than it has described",
						RelationGetRelationName(table->rel))));
	if (message->before.n != 0 &&
		(message->after.n == 0 || !has_same_key(table, &message->after, &message->before)))
		take_key(keys, table, &message->before, &message->before);
	if (message->after.n != 0)
		take_key(keys, table, &message->after, &message->before);
}

void
dbsync_wal_keys_take(DbsyncWalKeys *keys, XLogRecPtr lsn, const char *data, Size size)
{
	MemoryContext old = MemoryContextSwitchTo(keys->scratch);
	DbsyncPgoutput message;

	if (!dbsync_pgoutput_read(data, size, &message))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("the output plugin \"pgoutput\" has said what is no message of its protocol"),
				 errdetail("%zu bytes at %X/%X.", size, LSN_FORMAT_ARGS(lsn))));
	keys->messages++;
	switch (message.type)
	{
		case DBSYNC_PGOUTPUT_COMMIT:
			keys->end = lsn;
			break;
		case DBSYNC_PGOUTPUT_RELATION:
			learn_table(keys, &message, lsn);
			break;
		case DBSYNC_PGOUTPUT_INSERT:
		case DBSYNC_PGOUTPUT_UPDATE:
		case DBSYNC_PGOUTPUT_DELETE:
			take_row(keys, &message, lsn);
			break;
		case DBSYNC_PGOUTPUT_TRUNCATE:
			for (int i = 0; i < message.nrelids; i++)
			{
				DbsyncWalTable *table = find_table(keys, message.relids[i]);

				if (is_wanted(table) && lsn >= table->since)
					put(keys, table, DBSYNC_OP_TRUNCATE, NULL);
			}
			break;
		default:
			break;
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(keys->scratch);
}

void
dbsync_wal_keys_end(DbsyncWalKeys *keys, void (*give_up) (int captured_id, const char *reason))
{
	HASH_SEQ_STATUS all;
	DbsyncWalTable *table;
	MemoryContext old = MemoryContextSwitchTo(keys->context);

	if (keys->current != NULL)
		dbsync_feed_end(keys->feed);
	hash_seq_init(&all, keys->tables);
	while ((table = hash_seq_search(&all)) != NULL)
	{
		if (table->slot != NULL)
			ExecDropSingleTupleTableSlot(table->slot);
		if (table->rel != NULL)
			table_close(table->rel, NoLock);
	}
	hash_seq_init(&all, keys->tables);
	while ((table = hash_seq_search(&all)) != NULL)
		if (table->problem != NULL)
			give_up(table->captured_id, table->problem);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(keys->context);
}
