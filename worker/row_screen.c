/*-------------------------------------------------------------------------
 *
 * worker/row_screen.c
 *	  Looking at rows on their way to the driver by a few of their columns, before all of them is encoded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/row_screen.h"

int
dbsync_row_screen_needed(const DbsyncRowScreen *screen, const int *at)
{
	int			needed = 1;

	for (int i = 0; i < screen->n; i++)
		needed = Max(needed, at[screen->columns[i]] + 1);
	return needed;
}

bool
dbsync_row_screen_wants_number(const DbsyncRowScreen *screen, const TupleTableSlot *row, const int *at)
{
	int			i = at[screen->columns[0]];
	Datum		value = row->tts_values[i];

	if (row->tts_isnull[i])
		return screen->number(screen->arg, true, 0);
	switch (TupleDescAttr(row->tts_tupleDescriptor, i)->attlen)
	{
		case sizeof(int16):
			return screen->number(screen->arg, false, DatumGetInt16(value));
		case sizeof(int32):
			return screen->number(screen->arg, false, DatumGetInt32(value));
		default:
			return screen->number(screen->arg, false, DatumGetInt64(value));
	}
}

bool
dbsync_row_screen_has(const DbsyncRowScreen *screen, int column)
{
	for (int i = 0; i < screen->n; i++)
	{
		if (screen->columns[i] == column)
			return true;
	}
	return false;
}
