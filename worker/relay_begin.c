/*-------------------------------------------------------------------------
 *
 * worker/relay_begin.c
 *	  Where rows that come to a relay have the columns that are sent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "extension/owner.h"
#include "worker/catcher.h"
#include "worker/encode.h"
#include "worker/last_key.h"
#include "worker/relay_state.h"
#include "worker/selection.h"
#include "worker/shape.h"
#include "worker/table.h"
#include "worker/target.h"

/* The rows have our columns and nothing else, behind dbsync_op in those of changes. */
static void
take_all(DbsyncRelay *relay, TupleDesc desc)
{
	bool		with_op = relay->what != DBSYNC_RELAY_CHUNK && relay->what != DBSYNC_RELAY_KEYS &&
		relay->what != DBSYNC_RELAY_ROWS;
	int			first = with_op ? 1 : 0;
	int			ncolumns = relay->what == DBSYNC_RELAY_KEYS ? relay->shape->nkeys : relay->shape->ncolumns;
	int		   *place = palloc(sizeof(int) * Max(ncolumns, 1));

	if (desc->natts - first != ncolumns)
		elog(ERROR, "rows have %d columns, %d are expected", desc->natts - first, ncolumns);
	for (int i = 0; i < ncolumns; i++)
		place[i] = first + i;
	relay->place = place;
}

int
dbsync_relay_column(const DbsyncRelay *relay, int i)
{
	if (relay->what == DBSYNC_RELAY_KEYS)
		return relay->shape->keys[i];
	return relay->sent ? relay->sent[i] : i;
}

/* Columns that the target does not have are passed by. */
static void
choose_sent(DbsyncRelay *relay)
{
	int		   *at;

	if (relay->sent == NULL)
	{
		relay->at = relay->place;
		return;
	}
	at = palloc(sizeof(int) * Max(relay->ncolumns, 1));
	for (int i = 0; i < relay->ncolumns; i++)
		at[i] = relay->place[relay->sent[i]];
	relay->at = at;
	relay->unchanged = palloc(sizeof(bool) * Max(relay->ncolumns, 1));
}

/* Rows are made of those that come, column by column. */
static void
begin_selecting(DbsyncRelay *relay, TupleDesc desc)
{
	int		   *at = palloc(sizeof(int) * Max(relay->ncolumns, 1));

	relay->selecting = dbsync_selecting_begin(relay->table->selection, relay->shape, relay->table->qualified,
											  desc, relay->place, relay->sent, relay->ncolumns);
	relay->sent_desc = dbsync_selecting_desc(relay->selecting);
	for (int i = 0; i < relay->ncolumns; i++)
		at[i] = i;
	relay->at = at;
}

/* How many columns of rows that come have to be taken out of them. */
static int
count_needed(const DbsyncRelay *relay, TupleDesc desc)
{
	int			needed = 1;		/* dbsync_op comes first */

	if (relay->selecting != NULL)
		return desc->natts;
	for (int i = 0; i < relay->ncolumns; i++)
		needed = Max(needed, relay->at[i] + 1);
	if (relay->what == DBSYNC_RELAY_CHUNK)
		for (int k = 0; k < relay->shape->nkeys; k++)
			needed = Max(needed, relay->place[relay->shape->keys[k]] + 1);
	return Min(needed, desc->natts);
}

/* The driver has judged by types. */
static void
check_types(const DbsyncRelay *relay)
{
	int			n = 0;

	for (int i = 0; i < relay->ncolumns; i++)
	{
		int			column = dbsync_relay_column(relay, i);
		Oid			type = column >= 0 ? relay->shape->types[column]
			: getBaseType(TupleDescAttr(relay->table->expressions, n++)->atttypid);

		if (getBaseType(TupleDescAttr(relay->sent_desc, relay->at[i])->atttypid) != type)
			elog(ERROR, "column %d of table %s has changed its type", i + 1, relay->table->qualified);
	}
}

/* Forms of what is sent, in its order; NULL: all as text. */
static const DbsyncForm *
choose_forms(const DbsyncRelay *relay)
{
	const DbsyncForm *forms = dbsync_target_table_forms(relay->target, relay->handle);
	DbsyncForm *of_keys;
	int			nsent = relay->table->sent ? relay->table->nsent : relay->shape->ncolumns;

	if (forms != NULL && relay->sends_text && forms[0].kind == DBSYNC_FORM_BINARY)
		return NULL;
	if (forms == NULL || relay->what != DBSYNC_RELAY_KEYS)
		return forms;
	of_keys = palloc(sizeof(DbsyncForm) * Max(relay->ncolumns, 1));
	for (int k = 0; k < relay->ncolumns; k++)
	{
		for (int i = 0; i < nsent; i++)
		{
			if ((relay->table->sent ? relay->table->sent[i] : i) == relay->shape->keys[k])
				of_keys[k] = forms[i];
		}
	}
	return of_keys;
}

void
dbsync_relay_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	DbsyncRelay *relay = (DbsyncRelay *) self;
	const DbsyncForm *forms;
	MemoryContext old;

	dbsync_owner_check();
	old = MemoryContextSwitchTo(relay->context);
	if (relay->place == NULL)
		take_all(relay, desc);
	relay->sent_desc = desc;
	if (relay->selects)
		begin_selecting(relay, desc);
	else
		choose_sent(relay);
	relay->needed = count_needed(relay, desc);
	relay->needed_first = relay->needed;
	if (relay->screen != NULL && relay->selecting == NULL && !relay->catches)
		relay->needed_first = dbsync_row_screen_needed(relay->screen, relay->at);
	forms = choose_forms(relay);
	if (forms != NULL)
		check_types(relay);
	relay->varlena = palloc(sizeof(bool) * Max(relay->ncolumns, 1));
	for (int i = 0; i < relay->ncolumns; i++)
		relay->varlena[i] = TupleDescAttr(relay->sent_desc, relay->at[i])->attlen == -1;
	relay->encoder = dbsync_encoder_create(relay->sent_desc, relay->at, relay->ncolumns, forms);
	relay->row.values = palloc(sizeof(char *) * Max(relay->ncolumns, 1));
	relay->row.lengths = palloc(sizeof(int) * Max(relay->ncolumns, 1));
	if (relay->what == DBSYNC_RELAY_CHUNK)
		relay->last_key = dbsync_last_key_create(relay->shape, relay->place, desc);
	if (relay->catches && relay->table->parked != NULL)
		relay->catcher = dbsync_catcher_create(relay->table, relay->shape, relay->what == DBSYNC_RELAY_KEYS, relay->place,
											   relay->sent_desc, relay->at, relay->ncolumns);
	MemoryContextSwitchTo(old);
}
