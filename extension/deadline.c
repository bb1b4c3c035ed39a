/*-------------------------------------------------------------------------
 *
 * extension/deadline.c
 *	  How long a function that somebody calls waits for one thing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/proc.h"
#include "utils/guc.h"

#include "extension/deadline.h"
#include "extension/settings.h"

int
dbsync_deadline_or(int other)
{
	if (dbsync_call_timeout == 0 || other == 0)
		return Max(dbsync_call_timeout, other);
	return Min(dbsync_call_timeout, other);
}

void
dbsync_deadline_for_locks(void)
{
	int			limit = dbsync_deadline_or(LockTimeout);
	char		text[16];

	if (limit == LockTimeout)
		return;
	snprintf(text, sizeof(text), "%d", limit);
	(void) set_config_option("lock_timeout", text, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

const char *
dbsync_deadline_lock_hint(void)
{
	return "Another transaction has what this call needs: pg_locks and pg_blocking_pids() show whose it is. Try again"
		" when it has ended. lock_timeout and dbsync.call_timeout set how long to wait for it.";
}
