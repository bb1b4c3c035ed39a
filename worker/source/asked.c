/*-------------------------------------------------------------------------
 *
 * worker/source/asked.c
 *	  Reading a relation by a query, whatever it is: a table, a view, a foreign table.
 *
 * The planner finds the way: an index, if there is one, or a pass over all of it.  Names of relation and columns are those of the
 * moment; who has renamed a column meanwhile has altered the relation, and the query fails.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#include "extension/owner.h"
#include "worker/source/asked.h"
#include "worker/source/keys.h"

struct DbsyncAsked
{
	DestReceiver receiver;		/* first: stands before the relay */
	DestReceiver *next;
	const DbsyncTable *table;
	const DbsyncTableShape *shape;
	Portal		portal;
	bool		keys_only;
	bool		started;
	bool		stopped;		/* the driver has refused a row */
	int64		left;
};

void
dbsync_asked_append_relation(StringInfo sql, const DbsyncTable *table)
{
	char		kind = get_rel_relkind(table->relid);
	char	   *name = get_rel_name(table->relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("%s does not exist any more", table->qualified),
				 errhint("Take it out of its subscriptions with dbsync.remove_table().")));
	/* children by inheritance are tables of their own */
	appendStringInfo(sql, "%s%s", kind == RELKIND_RELATION || kind == RELKIND_FOREIGN_TABLE ? "ONLY " : "",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(table->relid)), name));
}

void
dbsync_asked_append_collation(StringInfo sql, const DbsyncTableShape *shape, int k)
{
	HeapTuple	tuple;
	Form_pg_collation form;

	if (!OidIsValid(shape->key_collations[k]))
		return;
	tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(shape->key_collations[k]));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for collation %u", shape->key_collations[k]);
	form = (Form_pg_collation) GETSTRUCT(tuple);
	appendStringInfo(sql, " COLLATE %s",
					 quote_qualified_identifier(get_namespace_name(form->collnamespace), NameStr(form->collname)));
	ReleaseSysCache(tuple);
}

static void
append_operator(StringInfo sql, Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	appendStringInfo(sql, " OPERATOR(%s.%s) ", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
	ReleaseSysCache(tuple);
}

void
dbsync_asked_append_equal(StringInfo sql, const DbsyncTableShape *shape, int k)
{
	bool		reverse;
	Oid			equal = get_equality_op_for_ordering_op(shape->key_before[k], &reverse);

	if (!OidIsValid(equal))
		elog(ERROR, "no operator for equality belongs to operator %u", shape->key_before[k]);
	append_operator(sql, equal);
}

static const char *
key_name(const DbsyncTableShape *shape, int k)
{
	return quote_identifier(shape->columns[shape->keys[k]]);
}

/*
 * All that is behind the key, by its own order: a > $1 OR (a = $1 AND (b > $2 ...)), and a >= $1, by which an
 * index finds its place.
 */
static void
append_behind(StringInfo sql, const DbsyncTableShape *shape)
{
	appendStringInfo(sql, " WHERE NOT (%s", key_name(shape, 0));
	dbsync_asked_append_collation(sql, shape, 0);
	append_operator(sql, shape->key_before[0]);
	appendStringInfoString(sql, "$1) AND (");
	for (int k = 0; k < shape->nkeys; k++)
	{
		bool		last = k == shape->nkeys - 1;

		appendStringInfo(sql, "$%d", k + 1);
		dbsync_asked_append_collation(sql, shape, k);
		append_operator(sql, shape->key_before[k]);
		appendStringInfoString(sql, key_name(shape, k));
		if (last)
			break;
		appendStringInfo(sql, " OR (%s", key_name(shape, k));
		dbsync_asked_append_collation(sql, shape, k);
		dbsync_asked_append_equal(sql, shape, k);
		appendStringInfo(sql, "$%d AND (", k + 1);
	}
	for (int k = 1; k < shape->nkeys; k++)
		appendStringInfoString(sql, "))");
	appendStringInfoChar(sql, ')');
}

static void
append_order(StringInfo sql, const DbsyncTableShape *shape, int64 limit)
{
	appendStringInfoString(sql, " ORDER BY ");
	for (int k = 0; k < shape->nkeys; k++)
	{
		if (k > 0)
			appendStringInfoString(sql, ", ");
		appendStringInfoString(sql, key_name(shape, k));
		dbsync_asked_append_collation(sql, shape, k);
		appendStringInfoString(sql, " USING");
		append_operator(sql, shape->key_before[k]);
	}
	appendStringInfo(sql, " LIMIT " INT64_FORMAT, limit);
}

static char *
write_query(const DbsyncTable *table, const DbsyncTableShape *shape, bool keys_only, bool behind, int64 limit, bool lying)
{
	int			n = keys_only ? shape->nkeys : shape->ncolumns;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	for (int i = 0; i < n; i++)
		appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "", quote_identifier(shape->columns[keys_only ? shape->keys[i] : i]));
	appendStringInfoString(&sql, " FROM ");
	dbsync_asked_append_relation(&sql, table);
	if (behind)
		append_behind(&sql, shape);
	if (!lying)
		append_order(&sql, shape, limit);
	return sql.data;
}

/* --- running it --- */

Portal
dbsync_asked_query(const DbsyncTable *table, const char *sql, int nargs, Oid *types, Datum *values)
{
	SPIPlanPtr	plan;
	Portal		portal;
	bool		read_only = XactReadOnly;
	Oid			user;
	int			security;

	dbsync_owner_check();
	/*
	 * Whoever has it sent sees all rows of a table: that was asked for his own sake, and not for the owner's.  Of what a view reads,
	 * nobody has asked that: he is shown what he would be shown by a query of his own, or an error.
	 */
	GetUserIdAndSecContext(&user, &security);
	if (get_rel_relkind(table->relid) != RELKIND_VIEW)
		SetUserIdAndSecContext(user, security | SECURITY_NOFORCE_RLS);
	/* a view may call functions that write */
	XactReadOnly = true;
	SPI_connect();
	plan = SPI_prepare(sql, nargs, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	portal = SPI_cursor_open(NULL, plan, values, NULL, true);
	SPI_finish();
	XactReadOnly = read_only;
	return portal;
}

/* What a receiver opens is its caller's, and not the portal's, which does not live as long. */
typedef struct Through
{
	DestReceiver receiver;
	DestReceiver *next;
	ResourceOwner owner;
} Through;

static void
start_through(DestReceiver *self, int operation, TupleDesc desc)
{
	Through    *through = (Through *) self;
	ResourceOwner portals = CurrentResourceOwner;

	CurrentResourceOwner = through->owner;
	through->next->rStartup(through->next, operation, desc);
	CurrentResourceOwner = portals;
}

static bool
receive_through(TupleTableSlot *slot, DestReceiver *self)
{
	Through    *through = (Through *) self;
	ResourceOwner portals = CurrentResourceOwner;
	bool		goes_on;

	CurrentResourceOwner = through->owner;
	goes_on = through->next->receiveSlot(slot, through->next);
	CurrentResourceOwner = portals;
	return goes_on;
}

static void
nothing(DestReceiver *self)
{
}

uint64
dbsync_asked_run(Portal portal, int64 rows, DestReceiver *receiver)
{
	Through		through = {.next = receiver, .owner = CurrentResourceOwner};
	bool		read_only = XactReadOnly;
	uint64		n;

	through.receiver.receiveSlot = receive_through;
	through.receiver.rStartup = start_through;
	through.receiver.rShutdown = through.receiver.rDestroy = nothing;
	through.receiver.mydest = DestNone;
	XactReadOnly = true;
	n = PortalRunFetch(portal, FETCH_FORWARD, rows == 0 ? FETCH_ALL : (long) rows, &through.receiver);
	XactReadOnly = read_only;
	return n;
}

static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	DbsyncAsked *asked = (DbsyncAsked *) self;

	/* each time that some are fetched */
	if (!asked->started)
		asked->next->rStartup(asked->next, operation, desc);
	asked->started = true;
}

/* Of such a row nobody could say which one it is. */
static void
check_key(const DbsyncAsked *asked, TupleTableSlot *slot)
{
	const DbsyncTableShape *shape = asked->shape;

	for (int k = 0; k < shape->nkeys; k++)
	{
		int			at = asked->keys_only ? k : shape->keys[k];

		if (slot_attisnull(slot, at + 1))
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("a row of %s has null in column \"%s\", which is in its key", asked->table->qualified, shape->columns[shape->keys[k]]),
					 errdetail("Rows of both ends are told apart by their keys."),
					 errhint("Leave such rows out, by a filter or in the view; or take it out with dbsync.remove_table(), and add it with another key.")));
	}
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	DbsyncAsked *asked = (DbsyncAsked *) self;

	check_key(asked, slot);
	asked->stopped = !asked->next->receiveSlot(slot, asked->next);
	return !asked->stopped;
}

DbsyncAsked *
dbsync_asked_open(const DbsyncTable *table, char **after, int64 limit, bool lying, DbsyncRelayWhat what, DbsyncRelay *relay)
{
	DbsyncAsked *asked = palloc0(sizeof(DbsyncAsked));
	const DbsyncTableShape *shape = table->shape;
	Oid		   *types = palloc(sizeof(Oid) * Max(shape->nkeys, 1));

	asked->receiver.receiveSlot = receive;
	asked->receiver.rStartup = startup;
	asked->receiver.rShutdown = nothing;
	asked->receiver.rDestroy = nothing;
	asked->receiver.mydest = DestNone;
	asked->next = dbsync_relay_receiver(relay);
	asked->table = table;
	asked->shape = shape;
	asked->keys_only = what == DBSYNC_RELAY_KEYS;
	asked->left = limit;
	for (int k = 0; k < shape->nkeys; k++)
		types[k] = shape->types[shape->keys[k]];
	asked->portal = dbsync_asked_query(table, write_query(table, shape, asked->keys_only, after != NULL, limit, lying),
									   after != NULL ? shape->nkeys : 0, types, after != NULL ? dbsync_keys_read(shape, after) : NULL);
	return asked;
}

bool
dbsync_asked_read(DbsyncAsked *asked, int64 rows)
{
	uint64		n;

	if (asked->left <= 0)
		return false;
	n = dbsync_asked_run(asked->portal, rows, &asked->receiver);
	if (asked->stopped)
		return false;
	asked->left = rows == 0 || n < (uint64) rows ? 0 : asked->left - (int64) n;
	return asked->left > 0;
}

void
dbsync_asked_close(DbsyncAsked *asked)
{
	SPI_cursor_close(asked->portal);
	pfree(asked);
}
