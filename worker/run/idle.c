/*-------------------------------------------------------------------------
 *
 * worker/run/idle.c
 *	  Is the cluster idle?
 *
 * The server counts transactions that had an id as they end.  Four times in the duration
 * that is asked for the count is noted, while something is pending; the oldest of five notes
 * is then as old as that.  Time is the server's, whatever dbsync.test_clock says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/run/idle.h"

#include "extension/compat.h"

#define QUARTERS	4

typedef struct Note
{
	TimestampTz at;
	uint64		completions;
} Note;

static Note notes[QUARTERS + 1];
static int	nnotes = 0;

void
dbsync_idle_forget(void)
{
	nnotes = 0;
}

bool
dbsync_idle_look(int64 duration)
{
	TimestampTz now = GetCurrentTimestamp();

	/* a clock that was set back begins anew */
	if (nnotes > 0 && now < notes[nnotes - 1].at)
		nnotes = 0;
	if (nnotes == 0 || now - notes[nnotes - 1].at >= duration / QUARTERS)
	{
		if (nnotes == lengthof(notes))
			memmove(notes, notes + 1, sizeof(Note) * --nnotes);
		notes[nnotes].at = now;
		notes[nnotes].completions = dbsync_completions_compat();
		nnotes++;
	}
	if (nnotes < lengthof(notes))
		return false;
	return notes[QUARTERS].completions - notes[0].completions <
		dbsync_idle_rate * ((notes[QUARTERS].at - notes[0].at) / (double) USECS_PER_SEC);
}

long
dbsync_idle_pause(int64 duration)
{
	if (nnotes == 0)
		return 0;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), notes[nnotes - 1].at + duration / QUARTERS);
}
