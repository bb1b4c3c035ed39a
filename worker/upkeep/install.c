/*-------------------------------------------------------------------------
 *
 * worker/upkeep/install.c
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
#include "worker/subscription.h"
#include "worker/table.h"
#include "worker/uncopied.h"
#include "worker/upkeep/install.h"
#include "worker/upkeep/wal_feed.h"
#include "worker/work.h"

/* of very many tables some are installed before others flow again: for so long, in ms */
#define INSTALL_TURN	500

/* tables are left, to be installed when there has been a batch; and is that to come first? */
static bool goes_on = false;
static bool others_turn = false;

typedef struct Installation
{
	DbsyncTable *table;
	Oid			owner;			/* of the subscription: he must have the right now */
} Installation;

static void
install_one(void *arg)
{
	Installation *installation = arg;
	DbsyncTable *table = installation->table;
	const char *args[2];
	const char *timeout = psprintf("%d", dbsync_install_lock_timeout);

	if (table->from_wal)
		dbsync_wal_feed_prepare();
	dbsync_query_begin(false, "installing capture");
	(void) set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	args[0] = psprintf("%d", table->captured_id);
	args[1] = psprintf("%u", installation->owner);
	dbsync_query_run("SELECT dbsync_internal.install_capture($1::pg_catalog.int4, $2::pg_catalog.oid)",
					 2, args);
	dbsync_query_commit();
	table->captured = true;
}

/* for table_status; written once, whatever the number of attempts */
static void
note_waiting(void *arg)
{
	const DbsyncTable *table = arg;
	const char *id = psprintf("%d", table->captured_id);

	dbsync_query_begin(false, "installing capture");
	dbsync_query_run("UPDATE dbsync.captured_table SET note = 'waiting for lock'"
					 " WHERE id = $1::pg_catalog.int4 AND note IS DISTINCT FROM 'waiting for lock'",
					 1, &id);
	dbsync_query_commit();
}

/* true if installed; false if the lock was not to be had */
static bool
try_install(Installation *installation)
{
	DbsyncTable *table = installation->table;

	if (dbsync_query_attempt(install_one, installation))
		return true;
	/* it may be another worker that installs it, which has locked the row, too */
	if (table->install_failures++ == 0)
		(void) dbsync_query_attempt(note_waiting, table);
	table->install_after =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									dbsync_query_pause(dbsync_install_lock_timeout,
													   table->install_failures));
	return false;
}

static bool
to_be_installed(const DbsyncTable *table)
{
	return !table->captured && table->state != DBSYNC_TABLE_SUSPENDED;
}

/* Before the target is reached, what a copy will bring need not be captured. */
static bool
is_wanted(const DbsyncWork *work, const DbsyncTable *table)
{
	return to_be_installed(table) && (work->target != NULL || !table->copy_data);
}

/* the one whose turn came first: tables that stay locked take turns with others */
static DbsyncTable *
next_due(DbsyncWork *work)
{
	TimestampTz now = GetCurrentTimestamp();
	DbsyncTable *next = NULL;
	ListCell   *lc;

	foreach(lc, work->subscription->tables)
	{
		DbsyncTable *table = lfirst(lc);

		if (is_wanted(work, table) && table->install_after <= now &&
			(next == NULL || table->install_after < next->install_after))
			next = table;
	}
	return next;
}

/* As many as there are, or as there is time for before the others' turn. */
static void
install_due(DbsyncWork *work, bool insist)
{
	Installation installation = {.owner = work->subscription->owner};
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), INSTALL_TURN);

	goes_on = false;
	while ((installation.table = next_due(work)) != NULL)
	{
		work->cached++;
		if (insist)
			install_one(&installation);
		/* one futile wait a round: live tables must not starve meanwhile */
		else if (!try_install(&installation))
			return;
		if (!insist && GetCurrentTimestamp() >= until)
		{
			goes_on = others_turn = next_due(work) != NULL;
			return;
		}
	}
}

bool
dbsync_install_goes_on(void)
{
	return goes_on;
}

bool
dbsync_install_tables(DbsyncWork *work, bool insist)
{
	ListCell   *lc;

	if (dbsync_subscription_is_settled(work->subscription))
	{
		goes_on = others_turn = false;
		return true;
	}
	/* what was changed here is read again first, and then a batch comes */
	if (others_turn)
		others_turn = false;
	else
		install_due(work, insist);
	dbsync_uncopied_begin(work);
	foreach(lc, work->subscription->tables)
		if (to_be_installed(lfirst(lc)))
			return false;
	return true;
}
