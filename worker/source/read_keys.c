/*-------------------------------------------------------------------------
 *
 * worker/source/read_keys.c
 *	  Rows of certain keys, as a snapshot shows them, whatever was captured.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "extension/log/segment.h"
#include "extension/owner.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/completion.h"
#include "worker/source/source.h"
#include "worker/table.h"

#include "extension/compat.h"

/* dbsync_op, then the shape's columns */
static TupleDesc
make_desc(const DbsyncTableShape *shape)
{
	TupleDesc	desc = CreateTemplateTupleDesc(1 + shape->ncolumns);

	TupleDescInitEntry(desc, 1, "dbsync_op", CHAROID, -1, 0);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		TupleDescInitEntry(desc, i + 2, shape->columns[i], shape->types[i], shape->typmods[i], 0);
		TupleDescInitEntryCollation(desc, i + 2, shape->collations[i]);
	}
	dbsync_finish_desc_compat(desc);
	return desc;
}

/* False: no more are wanted. */
static bool
send_key(DbsyncCompletion *completion, const DbsyncTableShape *shape, const Datum *key, TupleTableSlot *out, bool *open,
		 DestReceiver *receiver)
{
	char		op = DBSYNC_OP_UPDATE;

	ExecClearTuple(out);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		out->tts_values[i + 1] = (Datum) 0;
		out->tts_isnull[i + 1] = open[i] = true;
	}
	for (int k = 0; k < shape->nkeys; k++)
	{
		int			at = shape->keys[k];

		out->tts_values[at + 1] = key[k];
		out->tts_isnull[at + 1] = open[at] = false;
	}
	if (!dbsync_completion_find(completion, out->tts_values + 1, out->tts_isnull + 1, open))
		op = DBSYNC_OP_DELETE;
	out->tts_values[0] = CharGetDatum(op);
	out->tts_isnull[0] = false;
	ExecStoreVirtualTuple(out);
	return receiver->receiveSlot(out, receiver);
}

void
dbsync_read_keys(const DbsyncTable *table, const DbsyncTableShape *shape, const List *keys, DbsyncRelay *relay)
{
	DestReceiver *receiver = dbsync_relay_receiver(relay);
	DbsyncCompletion *completion = dbsync_completion_begin(table, shape);
	TupleTableSlot *out = MakeSingleTupleTableSlot(make_desc(shape), &TTSOpsVirtual);
	bool	   *open = palloc(sizeof(bool) * Max(shape->ncolumns, 1));
	ListCell   *lc;

	receiver->rStartup(receiver, CMD_SELECT, out->tts_tupleDescriptor);
	foreach(lc, keys)
	{
		CHECK_FOR_INTERRUPTS();
		if (!send_key(completion, shape, lfirst(lc), out, open, receiver))
			break;
	}
	dbsync_relay_end(relay);
	ExecDropSingleTupleTableSlot(out);
	dbsync_completion_end(completion);
}
