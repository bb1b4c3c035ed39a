/*-------------------------------------------------------------------------
 *
 * fuzz/parsers/pgoutput.c
 *	  What the output plugin says: from the server, and yet nothing is read that is not there.
 *
 *-------------------------------------------------------------------------
 */
#include "worker/upkeep/pgoutput.c"

#include "fuzz/parsers/shim.h"

static void
check_row(const DbsyncPgoutputRow *row, const char *data, Size size)
{
	for (int i = 0; i < row->n; i++)
	{
		const DbsyncPgoutputValue *value = &row->values[i];

		fuzz_check(value->kind == 'n' || value->kind == 'u' || value->kind == 't');
		fuzz_check(value->kind == 't' || value->length == 0);
		fuzz_check(value->length >= 0 && value->data >= data && value->data + value->length <= data + size);
	}
}

void
fuzz_one(const char *data, Size size)
{
	DbsyncPgoutput message;

	if (!dbsync_pgoutput_read(data, size, &message))
		return;
	fuzz_check(size > 0 && message.type == data[0]);
	fuzz_check((message.relids != NULL) == (message.type == DBSYNC_PGOUTPUT_TRUNCATE));
	for (int i = 0; i < message.ncolumns; i++)
	{
		fuzz_check(message.columns[i].name > data);
		fuzz_check(message.columns[i].name + strlen(message.columns[i].name) < data + size);
	}
	check_row(&message.before, data, size);
	check_row(&message.after, data, size);

	/* nothing can be left away, and nothing put behind it */
	for (Size shorter = 0; shorter < size; shorter++)
	{
		DbsyncPgoutput other;

		fuzz_check(!dbsync_pgoutput_read(data, shorter, &other));
		if (shorter == 200)
			break;
	}
}
