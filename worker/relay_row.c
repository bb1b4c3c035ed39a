/*-------------------------------------------------------------------------
 *
 * worker/relay_row.c
 *	  One row on its way: encoded, measured, and called by its key in messages.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "worker/relay_row.h"
#include "worker/row_size.h"
#include "worker/table.h"

#include "extension/compat.h"

/* values of so many bytes are not encoded without thinking of what may come of it */
#define LARGE_VALUE		(1024 * 1024)

/* a row of so many may be too much for a target; of so many it is, by far */
#define HEAVY_ROW		(128 * 1024 * 1024)
#define ROW_LIMIT		(MaxAllocSize - 64 * 1024)

/* of a key in a message */
#define KEY_SHOWN		100

int
dbsync_relay_column(const DbsyncRelay *relay, int i)
{
	if (relay->what == DBSYNC_RELAY_KEYS)
		return relay->shape->keys[i];
	return relay->sent ? relay->sent[i] : i;
}

char *
dbsync_relay_describe_row(DbsyncRelay *relay, TupleTableSlot *slot)
{
	StringInfoData key;

	if (relay->shape->nkeys == 0)
		return "a row";
	initStringInfo(&key);
	appendStringInfoString(&key, "the row with key (");
	for (int k = 0; k < relay->shape->nkeys; k++)
	{
		int			at = relay->place[relay->what == DBSYNC_RELAY_KEYS ? k : relay->shape->keys[k]];
		char	   *text = "null";

		if (!slot->tts_isnull[at])
		{
			Oid			function;
			bool		varlena;

			getTypeOutputInfo(TupleDescAttr(slot->tts_tupleDescriptor, at)->atttypid, &function, &varlena);
			text = OidOutputFunctionCall(function, slot->tts_values[at]);
		}
		appendStringInfo(&key, "%s%.*s%s", k > 0 ? ", " : "",
						 pg_mbcliplen(text, strlen(text), KEY_SHOWN), text,
						 strlen(text) > KEY_SHOWN ? "..." : "");
	}
	appendStringInfoChar(&key, ')');
	return key.data;
}

static void
refuse_row(DbsyncRelay *relay, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("table %s has a row that is too large to be sent", relay->table->qualified),
			 errdetail("%s", detail),
			 errhint("Make the row smaller or delete it, and copy the table anew with dbsync.copy_table();"
					 " or take the table out with dbsync.remove_table().")));
}

/* The text of what is stored in 500 MB may be longer than a text can be. */
static const char *
encode_large(DbsyncRelay *relay, TupleTableSlot *slot, Datum value, int i, int *length)
{
	Size		size = toast_raw_datum_size(value);
	char	   *row = dbsync_relay_describe_row(relay, slot);
	MemoryContext context = CurrentMemoryContext;
	const char *volatile result = NULL;

	PG_TRY();
	{
		result = dbsync_encoder_value(relay->encoder, i, value, length);
	}
	PG_CATCH();
	{
		ErrorData  *edata;
		int			column = dbsync_relay_column(relay, i);

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		if (!dbsync_row_size_is_too_large(edata->sqlerrcode, edata->message))
			PG_RE_THROW();
		FlushErrorState();
		refuse_row(relay, psprintf("Column \"%s\" of %s has %zu bytes, too many for the form in which it travels: %s.",
								   column >= 0 ? relay->shape->columns[column] : relay->table->selection->columns[i].name,
								   row, size, edata->message));
	}
	PG_END_TRY();
	return result;
}

/* Cheap for all that is in a row as it is, and small. */
static bool
is_large(const DbsyncRelay *relay, int i, Datum value)
{
	struct varlena *varlena = (struct varlena *) DatumGetPointer(value);

	return relay->varlena[i] &&
		(VARATT_IS_EXTERNAL(varlena) || !VARATT_IS_SHORT(varlena)) &&
		toast_raw_datum_size(value) >= LARGE_VALUE;
}

/* What the driver gets of the row must be in memory at the same time there, too. */
static void
check_size(DbsyncRelay *relay, TupleTableSlot *slot, int64 bytes)
{
	relay->bytes += bytes;
	if (bytes < HEAVY_ROW)
		return;
	dbsync_row_size_note_heavy(relay->table->captured_id);
	if (bytes > ROW_LIMIT)
		refuse_row(relay, psprintf("All values together of %s have " INT64_FORMAT " bytes as they travel, the most is %zu.",
								   dbsync_relay_describe_row(relay, slot), bytes, (Size) ROW_LIMIT));
}

void
dbsync_relay_encode_row(DbsyncRelay *relay, TupleTableSlot *slot, const TupleTableSlot *sent)
{
	DbsyncRow  *row = &relay->row;
	int64		bytes = 0;

	for (int i = 0; i < relay->ncolumns; i++)
	{
		if (sent->tts_isnull[relay->at[i]] || (row->unchanged && row->unchanged[i]))
		{
			row->values[i] = NULL;
			row->lengths[i] = 0;
		}
		else
		{
			Datum		value = sent->tts_values[relay->at[i]];

			row->values[i] = is_large(relay, i, value)
				? encode_large(relay, slot, value, i, &row->lengths[i])
				: dbsync_encoder_value(relay->encoder, i, value, &row->lengths[i]);
			bytes += row->lengths[i];
		}
	}
	check_size(relay, slot, bytes);
}
