/*-------------------------------------------------------------------------
 *
 * worker/source/lookup.c
 *	  Rows of a table by their keys, as a snapshot shows them.
 *
 * For who knows keys from elsewhere than the log: from a comparison with the target, or because they are parked there.  All
 * keys are looked up by one query, and the planner finds the way: by an index for few of them, by one pass over all rows for
 * many, or by whatever a view is made of.  Only what is compared with a shadow is looked up there, key by key:
 * nobody but dbsync has a right on it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "extension/log/segment.h"
#include "extension/owner.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/asked.h"
#include "worker/source/completion.h"
#include "worker/source/keys.h"
#include "worker/source/source.h"
#include "worker/table.h"

#include "extension/compat.h"

typedef struct Lookup
{
	DestReceiver receiver;		/* first: stands before the relay */
	DestReceiver *next;
	const DbsyncTable *table;
	const DbsyncTableShape *shape;
	bool		gone;			/* rows that are not there are sent as deletions */
	const List *keys;			/* of Datum * */
	DbsyncLookupEach each;		/* or NULL */
	void	   *arg;
	Bitmapset  *seen;			/* numbers of keys that have been found */
	MemoryContext context;		/* as long as this */
} Lookup;

/* --- by a query --- */

/* ROWS FROM (unnest($1), unnest($2)) WITH ORDINALITY k (k1, k2, n) */
static void
append_keys(StringInfo sql, const DbsyncTableShape *shape)
{
	appendStringInfoString(sql, "ROWS FROM (");
	for (int k = 0; k < shape->nkeys; k++)
		appendStringInfo(sql, "%spg_catalog.unnest($%d)", k > 0 ? ", " : "", k + 1);
	appendStringInfoString(sql, ") WITH ORDINALITY k (");
	for (int k = 0; k < shape->nkeys; k++)
		appendStringInfo(sql, "k%d, ", k + 1);
	appendStringInfoString(sql, "n)");
}

static int
place_in_key(const DbsyncTableShape *shape, int column)
{
	for (int k = 0; k < shape->nkeys; k++)
	{
		if (shape->keys[k] == column)
			return k;
	}
	return -1;
}

/* dbsync_op, the shape's columns, and which key it was.  Of a row that is not there the key is all there is. */
static char *
write_query(const Lookup *lookup)
{
	const DbsyncTableShape *shape = lookup->shape;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT CASE WHEN t.there THEN '%c' ELSE '%c' END::pg_catalog.\"char\"", DBSYNC_OP_UPDATE, DBSYNC_OP_DELETE);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		int			k = place_in_key(shape, i);

		if (k >= 0 && lookup->gone)
			appendStringInfo(&sql, ", coalesce(t.c%d, k.k%d)", i + 1, k + 1);
		else
			appendStringInfo(&sql, ", t.c%d", i + 1);
	}
	appendStringInfoString(&sql, ", k.n FROM ");
	append_keys(&sql, shape);
	appendStringInfo(&sql, " %s JOIN (SELECT true AS there", lookup->gone ? "LEFT" : "INNER");
	for (int i = 0; i < shape->ncolumns; i++)
		appendStringInfo(&sql, ", %s AS c%d", quote_identifier(shape->columns[i]), i + 1);
	appendStringInfoString(&sql, " FROM ");
	dbsync_asked_append_relation(&sql, lookup->table);
	appendStringInfoString(&sql, ") t ON ");
	for (int k = 0; k < shape->nkeys; k++)
	{
		appendStringInfo(&sql, "%st.c%d", k > 0 ? " AND " : "", shape->keys[k] + 1);
		dbsync_asked_append_equal(&sql, shape, k);
		appendStringInfo(&sql, "k.k%d", k + 1);
		dbsync_asked_append_collation(&sql, shape, k);
	}
	return sql.data;
}

static Datum
make_array(const Lookup *lookup, int k)
{
	Oid			type = lookup->shape->types[lookup->shape->keys[k]];
	Datum	   *values = palloc(sizeof(Datum) * Max(list_length(lookup->keys), 1));
	int			n = 0;
	int16		length;
	bool		by_value;
	char		align;
	ListCell   *lc;

	foreach(lc, lookup->keys)
		values[n++] = ((const Datum *) lfirst(lc))[k];
	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_array(values, n, type, length, by_value, align));
}

static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	Lookup	   *lookup = (Lookup *) self;

	lookup->next->rStartup(lookup->next, operation, desc);
}

static char *
describe_key(const Lookup *lookup, const Datum *key)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int k = 0; k < lookup->shape->nkeys; k++)
	{
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(lookup->shape->types[lookup->shape->keys[k]], &function, &varlena);
		appendStringInfo(&text, "%s%s", k > 0 ? ", " : "", OidOutputFunctionCall(function, key[k]));
	}
	return text.data;
}

/* Which of the two is the row nobody could say. */
static void
note_seen(Lookup *lookup, int number)
{
	MemoryContext old;

	if (bms_is_member(number, lookup->seen))
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("several rows of %s have one key", lookup->table->qualified),
				 errdetail("Key: (%s). A row must be known by its key.", describe_key(lookup, list_nth(lookup->keys, number))),
				 errhint("Take it out with dbsync.remove_table(), and add it with another key; or mend its rows.")));
	old = MemoryContextSwitchTo(lookup->context);
	lookup->seen = bms_add_member(lookup->seen, number);
	MemoryContextSwitchTo(old);
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	Lookup	   *lookup = (Lookup *) self;
	int			number;

	slot_getallattrs(slot);
	number = (int) DatumGetInt64(slot->tts_values[lookup->shape->ncolumns + 1]) - 1;
	note_seen(lookup, number);
	if (lookup->each != NULL)
		lookup->each(number, lookup->arg);
	return lookup->next->receiveSlot(slot, lookup->next);
}

static void
nothing(DestReceiver *self)
{
}

static int *
make_place(const DbsyncTableShape *shape, DbsyncRelayWhat what)
{
	bool		keys = what == DBSYNC_RELAY_KEYS;
	int			n = keys ? shape->nkeys : shape->ncolumns;
	int		   *place = palloc(sizeof(int) * Max(n, 1));

	for (int i = 0; i < n; i++)
		place[i] = (keys ? shape->keys[i] : i) + 1;
	return place;
}

static void
look_up_together(Lookup *lookup)
{
	int			nkeys = lookup->shape->nkeys;
	Oid		   *types = palloc(sizeof(Oid) * nkeys);
	Datum	   *values = palloc(sizeof(Datum) * nkeys);
	Portal		portal;

	for (int k = 0; k < nkeys; k++)
	{
		Oid			type = lookup->shape->types[lookup->shape->keys[k]];

		types[k] = get_array_type(type);
		if (!OidIsValid(types[k]))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("keys of table %s cannot be looked up", lookup->table->qualified),
					 errdetail("There is no array of type %s.", format_type_be(type))));
		values[k] = make_array(lookup, k);
	}
	lookup->receiver.receiveSlot = receive;
	lookup->receiver.rStartup = startup;
	lookup->receiver.rShutdown = lookup->receiver.rDestroy = nothing;
	lookup->receiver.mydest = DestNone;
	portal = dbsync_asked_query(lookup->table, write_query(lookup), nkeys, types, values);
	(void) dbsync_asked_run(portal, 0, &lookup->receiver);
	SPI_cursor_close(portal);
}

/* --- key by key --- */

static TupleDesc
describe_rows(const DbsyncTableShape *shape)
{
	TupleDesc	desc = CreateTemplateTupleDesc(shape->ncolumns + 1);

	TupleDescInitEntry(desc, 1, "dbsync_op", CHAROID, -1, 0);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		TupleDescInitEntry(desc, i + 2, shape->columns[i], shape->types[i], shape->typmods[i], 0);
		TupleDescInitEntryCollation(desc, i + 2, shape->collations[i]);
	}
	dbsync_finish_desc_compat(desc);
	return desc;
}

/* False: the driver has refused it. */
static bool
look_up_one(Lookup *lookup, DbsyncCompletion *completion, const Datum *key, bool *open, TupleTableSlot *slot)
{
	const DbsyncTableShape *shape = lookup->shape;
	bool		found;

	ExecClearTuple(slot);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		slot->tts_values[i + 1] = (Datum) 0;
		slot->tts_isnull[i + 1] = open[i] = true;
	}
	for (int k = 0; k < shape->nkeys; k++)
	{
		slot->tts_values[shape->keys[k] + 1] = key[k];
		slot->tts_isnull[shape->keys[k] + 1] = false;
	}
	found = dbsync_completion_find(completion, slot->tts_values + 1, slot->tts_isnull + 1, open);
	if (!found && !lookup->gone)
		return true;
	slot->tts_values[0] = CharGetDatum(found ? DBSYNC_OP_UPDATE : DBSYNC_OP_DELETE);
	slot->tts_isnull[0] = false;
	ExecStoreVirtualTuple(slot);
	return lookup->next->receiveSlot(slot, lookup->next);
}

static void
look_up_one_by_one(Lookup *lookup)
{
	DbsyncCompletion *completion = dbsync_completion_begin(lookup->table, lookup->shape);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(describe_rows(lookup->shape), &TTSOpsVirtual);
	bool	   *open = palloc(sizeof(bool) * Max(lookup->shape->ncolumns, 1));
	ListCell   *lc;

	lookup->next->rStartup(lookup->next, CMD_SELECT, slot->tts_tupleDescriptor);
	foreach(lc, lookup->keys)
	{
		CHECK_FOR_INTERRUPTS();
		if (lookup->each != NULL)
			lookup->each(foreach_current_index(lc), lookup->arg);
		if (!look_up_one(lookup, completion, lfirst(lc), open, slot))
			break;
	}
	ExecDropSingleTupleTableSlot(slot);
	dbsync_completion_end(completion);
}

void
dbsync_lookup(const DbsyncTable *table, const DbsyncTableShape *shape, const List *keys, bool gone, DbsyncRelayWhat what,
			  DbsyncRelay *relay, DbsyncLookupEach each, void *arg)
{
	Lookup	   *lookup = palloc0(sizeof(Lookup));

	dbsync_owner_check();
	lookup->next = dbsync_relay_receiver(relay);
	lookup->table = table;
	lookup->shape = shape;
	lookup->gone = gone;
	lookup->keys = keys;
	lookup->each = each;
	lookup->arg = arg;
	lookup->context = CurrentMemoryContext;
	dbsync_relay_place(relay, make_place(shape, what));
	if (table->shadow != NULL)
		look_up_one_by_one(lookup);
	else
		look_up_together(lookup);
	dbsync_relay_end(relay);
}

/* --- keys --- */

/* NULL: the types of the key cannot read it. */
static Datum *
read_key(const DbsyncTableShape *shape, char *const *key)
{
	MemoryContext context = CurrentMemoryContext;
	Datum	   *volatile values = NULL;

	PG_TRY();
	{
		values = dbsync_keys_read(shape, key);
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return values;
}

List *
dbsync_lookup_keys(const DbsyncTableShape *shape, const List *texts)
{
	List	   *keys = NIL;
	ListCell   *lc;

	dbsync_owner_check();
	foreach(lc, texts)
		keys = lappend(keys, read_key(shape, lfirst(lc)));
	return keys;
}

typedef struct Order
{
	const DbsyncTableShape *shape;
	SortSupport order;
} Order;

static int
compare_keys(const void *a, const void *b, void *arg)
{
	const Order *order = arg;

	return dbsync_keys_compare(order->shape, order->order, *(Datum *const *) a, *(Datum *const *) b);
}

List *
dbsync_lookup_distinct(const DbsyncTableShape *shape, const List *texts)
{
	Order		order = {shape, dbsync_keys_order(shape)};
	Datum	  **sorted = palloc(sizeof(Datum *) * Max(list_length(texts), 1));
	List	   *distinct = NIL;
	int			n = 0;
	ListCell   *lc;

	dbsync_owner_check();
	foreach(lc, texts)
	{
		sorted[n] = read_key(shape, lfirst(lc));
		if (sorted[n] != NULL)
			n++;
	}
	qsort_arg(sorted, n, sizeof(Datum *), compare_keys, &order);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || compare_keys(&sorted[i - 1], &sorted[i], &order) != 0)
			distinct = lappend(distinct, sorted[i]);
	}
	return distinct;
}
