/*-------------------------------------------------------------------------
 *
 * worker/install.c
 *	  Installing capture, one table a transaction.
 *
 * A function called by a user cannot commit between tables, and writers queue
 * behind a waiting CREATE TRIGGER.  So the worker installs: under lock_timeout,
 * giving way and trying again, with a first position that was taken before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "extension/settings.h"
#include "worker/query.h"
#include "worker/work.h"

static void
install_one(DbsyncTable *table)
{
	const char *id = psprintf("%d", table->captured_id);
	const char *timeout = psprintf("%d", dbsync_install_lock_timeout);

	dbsync_query_begin(false, "installing capture");
	(void) set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	dbsync_query_run("SELECT dbsync_internal.install_capture($1::pg_catalog.int4)", 1, &id);
	dbsync_query_commit();
	table->captured = true;
}

/* for table_status; written once, whatever the number of attempts */
static void
note_waiting(DbsyncTable *table)
{
	const char *id = psprintf("%d", table->captured_id);

	dbsync_query_begin(false, "installing capture");
	dbsync_query_run("UPDATE dbsync.captured_table SET note = 'waiting for lock'"
					 " WHERE id = $1::pg_catalog.int4 AND note IS DISTINCT FROM 'waiting for lock'",
					 1, &id);
	dbsync_query_commit();
}

/* true if installed; false if the lock was not to be had and we may wait */
static bool
try_install(DbsyncTable *table, bool insist)
{
	MemoryContext old = CurrentMemoryContext;
	bool		first = (table->install_after == 0);
	volatile bool done = false;

	PG_TRY();
	{
		install_one(table);
		done = true;
	}
	PG_CATCH();
	{
		if (insist || geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		MemoryContextSwitchTo(old);
		FlushErrorState();
		AbortCurrentTransaction();
		table->install_after =
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(), dbsync_install_lock_timeout);
	}
	PG_END_TRY();
	if (!done && first)
		note_waiting(table);
	MemoryContextSwitchTo(old);
	return done;
}

bool
dbsync_install_tables(DbsyncWork *work, bool insist)
{
	bool		all = true;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (table->state == DBSYNC_TABLE_SUSPENDED)
			continue;
		if (!table->captured &&
			(table->install_after > GetCurrentTimestamp() || !try_install(table, insist)))
		{
			all = false;
			continue;
		}
		/* without a copy it is live from here on; the ledger must say so */
		if (!table->copy_data && !table->part.live)
		{
			table->part.live = true;
			table->part_dirty = true;
		}
	}
	return all;
}
