/*-------------------------------------------------------------------------
 *
 * worker/selecting.c
 *	  Rows of a table become those that are sent: expressions and filter are worked out.
 *
 * Columns that are sent as they are are taken from the row that comes; a query sees what expressions
 * and filter read of it, and nothing else.  It runs as the table's owner if the subscription's may act as
 * him, else as the subscription's (dbsync_internal.selection_role()): nobody's code with rights
 * that he has not, and never with a superuser's because a superuser has made the subscription.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "extension/selection/selection.h"
#include "worker/row_describe.h"
#include "worker/selection.h"

#include "extension/compat.h"

struct DbsyncSelecting
{
	DbsyncSelection *selection;
	DbsyncSelector *selector;
	const DbsyncTableShape *shape;
	const char *table;			/* its name in messages */
	const int  *place;			/* of the shape's columns in rows that come */
	int		   *read;			/* of the shape's columns: those that the query gets */
	TupleTableSlot *row;		/* for the query */
	TupleDesc	desc;			/* of rows that are sent */
	TupleTableSlot *out;
	const int  *sent;			/* see dbsync_selecting_begin() */
	int			nsent;
	bool	   *is_key;			/* of columns that are sent */
};

static Oid
role_of(const DbsyncSelection *selection, Oid table_owner)
{
	return has_privs_of_role(selection->owner, table_owner) ? table_owner : selection->owner;
}

/* What the query sees of a row. */
static TupleDesc
describe_read(const DbsyncSelection *selection, const DbsyncTableShape *shape, const int *read)
{
	TupleDesc	desc = CreateTemplateTupleDesc(selection->nread);

	for (int i = 0; i < selection->nread; i++)
	{
		TupleDescInitEntry(desc, i + 1, selection->read_names[i], shape->types[read[i]], shape->typmods[read[i]], 0);
		TupleDescInitEntryCollation(desc, i + 1, shape->collations[read[i]]);
	}
	dbsync_finish_desc_compat(desc);
	return desc;
}

/* What was chosen is known by oids: all that the server says of one that leads nowhere is the number. */
static bool
is_of_gone(const ErrorData *edata)
{
	return edata->sqlerrcode == ERRCODE_INTERNAL_ERROR &&
		(strstr(edata->message, "cache lookup failed") != NULL ||
		 strstr(edata->message, "could not open relation with OID") != NULL);
}

/* What is worked out has failed: say of which table, and of which row if it was one. */
pg_noreturn static void
raise_failed(const char *table, const char *row)
{
	ErrorData  *edata = CopyErrorData();
	char	   *where = row ? psprintf("In what is sent of table %s, of %s.", table, row)
		: psprintf("In what is sent of table %s.", table);

	FlushErrorState();
	edata->detail = edata->detail ? psprintf("%s %s", edata->detail, where) : where;
	edata->hint = psprintf("Mend what columns and filter need, or choose others, which copies the table anew: SELECT dbsync.alter_table(..., %s, ...).",
						   quote_literal_cstr(table));
	if (is_of_gone(edata))
	{
		edata->sqlerrcode = ERRCODE_UNDEFINED_OBJECT;
		edata->message = psprintf("something that columns or filter of table %s need has been dropped", table);
		edata->detail = "It may be a table that is looked into, a function, an operator or a type. Another one of its name is another one.";
		edata->hint = psprintf("Give columns and filter anew, which copies the table anew: SELECT dbsync.alter_table(..., %s, columns => ..., filter => ...). dbsync.selections shows what they were.",
							   quote_literal_cstr(table));
	}
	/* in a text that nobody has written */
	edata->cursorpos = edata->internalpos = 0;
	edata->internalquery = NULL;
	ReThrowError(edata);
}

TupleDesc
dbsync_selection_describe(DbsyncSelection *selection, const DbsyncTableShape *shape, const char *table)
{
	MemoryContext context = CurrentMemoryContext;
	TupleDesc	desc = NULL;

	(void) dbsync_selection_read_columns(selection, shape, table);

	selection->running = true;
	PG_TRY();
	{
		desc = dbsync_selector_describe(selection->query);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		raise_failed(table, NULL);
	}
	PG_END_TRY();
	selection->running = false;
	return desc;
}

static void
describe_sent(DbsyncSelecting *s, const DbsyncTableShape *shape, TupleDesc desc, TupleDesc worked_out)
{
	int			n = 0;

	s->desc = CreateTemplateTupleDesc(s->nsent);
	s->is_key = palloc0(sizeof(bool) * Max(s->nsent, 1));
	for (int i = 0; i < s->nsent; i++)
	{
		int			column = s->sent ? s->sent[i] : i;

		if (column >= 0)
			TupleDescCopyEntry(s->desc, i + 1, desc, s->place[column] + 1);
		else
			TupleDescCopyEntry(s->desc, i + 1, worked_out, ++n);
		for (int k = 0; k < shape->nkeys; k++)
			s->is_key[i] |= shape->keys[k] == column;
	}
	dbsync_finish_desc_compat(s->desc);
	s->out = MakeSingleTupleTableSlot(s->desc, &TTSOpsVirtual);
}

DbsyncSelecting *
dbsync_selecting_begin(DbsyncSelection *selection, const DbsyncTableShape *shape, const char *table,
					   TupleDesc desc, const int *place, const int *sent, int nsent)
{
	DbsyncSelecting *s = palloc0(sizeof(DbsyncSelecting));
	MemoryContext context = CurrentMemoryContext;
	TupleDesc	read;

	s->selection = selection;
	s->shape = shape;
	s->table = table;
	s->place = place;
	s->sent = sent;
	s->nsent = nsent;
	s->read = dbsync_selection_read_columns(selection, shape, table);
	read = describe_read(selection, shape, s->read);
	s->row = MakeSingleTupleTableSlot(read, &TTSOpsVirtual);
	selection->running = true;
	PG_TRY();
	{
		s->selector = dbsync_selector_begin(selection->query, read, role_of(selection, GetUserId()));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		raise_failed(table, NULL);
	}
	PG_END_TRY();
	selection->running = false;
	describe_sent(s, shape, desc, dbsync_selector_desc(s->selector));
	return s;
}

TupleDesc
dbsync_selecting_desc(const DbsyncSelecting *selecting)
{
	return selecting->desc;
}

/* Columns as they come, or only the key's; the rest is null. */
static void
take_columns(DbsyncSelecting *s, const TupleTableSlot *slot, bool key_only)
{
	ExecClearTuple(s->out);
	for (int i = 0; i < s->nsent; i++)
	{
		int			column = s->sent ? s->sent[i] : i;

		s->out->tts_isnull[i] = column < 0 || (key_only && !s->is_key[i]) || slot->tts_isnull[s->place[column]];
		s->out->tts_values[i] = s->out->tts_isnull[i] ? (Datum) 0 : slot->tts_values[s->place[column]];
	}
}

static TupleTableSlot *
work_out(DbsyncSelecting *s, TupleTableSlot *slot)
{
	MemoryContext context = CurrentMemoryContext;
	TupleTableSlot *volatile worked_out = NULL;

	s->selection->running = true;
	PG_TRY();
	{
		worked_out = dbsync_selector_row(s->selector, s->row);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		raise_failed(s->table, dbsync_row_describe(s->shape, s->place, false, slot));
	}
	PG_END_TRY();
	s->selection->running = false;
	return worked_out;
}

TupleTableSlot *
dbsync_selecting_row(DbsyncSelecting *s, TupleTableSlot *slot)
{
	TupleTableSlot *worked_out;
	int			n = 0;

	ExecClearTuple(s->row);
	for (int i = 0; i < s->selection->nread; i++)
	{
		s->row->tts_values[i] = slot->tts_values[s->place[s->read[i]]];
		s->row->tts_isnull[i] = slot->tts_isnull[s->place[s->read[i]]];
	}
	ExecStoreVirtualTuple(s->row);
	worked_out = work_out(s, slot);
	if (worked_out == NULL)
		return NULL;
	take_columns(s, slot, false);
	for (int i = 0; i < s->nsent; i++)
	{
		if (s->sent == NULL || s->sent[i] >= 0)
			continue;
		s->out->tts_values[i] = worked_out->tts_values[n];
		s->out->tts_isnull[i] = worked_out->tts_isnull[n++];
	}
	return ExecStoreVirtualTuple(s->out);
}

TupleTableSlot *
dbsync_selecting_key(DbsyncSelecting *s, TupleTableSlot *slot)
{
	take_columns(s, slot, true);
	return ExecStoreVirtualTuple(s->out);
}

void
dbsync_selecting_end(DbsyncSelecting *s)
{
	dbsync_selector_end(s->selector);
	ExecDropSingleTupleTableSlot(s->row);
	ExecDropSingleTupleTableSlot(s->out);
}
