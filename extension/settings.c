/*-------------------------------------------------------------------------
 *
 * extension/settings.c
 *	  The settings (GUCs) of dbsync.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "extension/carried.h"
#include "extension/settings.h"

char	   *dbsync_tag = NULL;
char	   *dbsync_origin = NULL;
bool		dbsync_direct_capture;
int			dbsync_carry_bytes;
int			dbsync_segment_size;
int			dbsync_batch_rows;
int			dbsync_copy_chunk_rows;
int			dbsync_copy_connections;
int			dbsync_retry_max;
int			dbsync_install_lock_timeout;
int			dbsync_retention_interval;
int			dbsync_poll_interval;
int			dbsync_gather_max;
int			dbsync_max_subscriptions_per_role;

static void
define_session_settings(void)
{
	DefineCustomStringVariable("dbsync.tag",
							   "Written into the header of this session's captured transactions.",
							   "Set it with SET LOCAL to say why something was changed.",
							   &dbsync_tag, "", PGC_USERSET, 0,
							   NULL, NULL, NULL);

	/*
	 * Settable by anybody: an apply session is rarely a superuser, and a target
	 * must not need privileges for it.  What it can do is keep the session's own
	 * changes from travelling back to the database it names.
	 */
	DefineCustomStringVariable("dbsync.origin",
							   "Database on which this session's changes were first made.",
							   "Set by dbsync's own apply sessions; empty means this database.",
							   &dbsync_origin, "", PGC_USERSET, 0,
							   NULL, NULL, NULL);

	DefineCustomBoolVariable("dbsync.direct_capture",
							 "Captures plain statements as the executor writes their rows.",
							 "Off leaves all to triggers, which is slower and comes to the same.",
							 &dbsync_direct_capture, true, PGC_USERSET, GUC_NOT_IN_SAMPLE,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("dbsync.carry_bytes",
							"How much of a transaction's captured rows its header takes along.",
							"What has no room there goes to the segments of the tables; 0 sends all there.",
							&dbsync_carry_bytes, DBSYNC_CARRIED_MAX, 0, DBSYNC_CARRIED_MAX,
							PGC_USERSET, GUC_UNIT_BYTE | GUC_NOT_IN_SAMPLE,
							NULL, NULL, NULL);
}

static void
define_worker_settings(void)
{
	DefineCustomIntVariable("dbsync.segment_size",
							"Size at which a segment of a tracking table is closed and the next one taken.",
							NULL, &dbsync_segment_size, 128 * 1024, 8, INT_MAX,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.batch_rows",
							"Captured rows after which a batch is cut.",
							"A single transaction is never cut.",
							&dbsync_batch_rows, 1000000, 1, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.copy_chunk_rows",
							"Rows of one chunk of a first copy.",
							NULL, &dbsync_copy_chunk_rows, 200000, 1, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.copy_connections",
							"Connections to the target over which a large table is copied at first.",
							"Each takes a chunk at a time; the worker reads for all of them.",
							&dbsync_copy_connections, 1, 1, DBSYNC_MAX_COPY_CONNECTIONS,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.retry_max",
							"Longest pause between two attempts of a failing subscription.",
							NULL, &dbsync_retry_max, 60000, 10, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.install_lock_timeout",
							"How long the installation of capture triggers may make writers of a table wait.",
							NULL, &dbsync_install_lock_timeout, 1000, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.retention_interval",
							"How often a worker looks for segments to close or to empty.",
							NULL, &dbsync_retention_interval, 10000, 10, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.poll_interval",
							"How long a worker sleeps when no commit wakes it.",
							"COMMIT PREPARED wakes nobody; this bounds its delay.",
							&dbsync_poll_interval, 5000, 10, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.gather_max",
							"Longest pause between two batches while commits come faster than batches go.",
							"Larger batches cost less per row; a target that keeps up is not kept waiting.",
							&dbsync_gather_max, 100, 0, 1000,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
}

/*
 * Sessions, workers and the scouts of the launcher must see the same value: what
 * ALTER ROLE or SET say is heard by some of them only.
 */
static void
define_limits(void)
{
	DefineCustomIntVariable("dbsync.max_subscriptions_per_role",
							"How many workers one role's subscriptions can have at a time, in all databases.",
							"0 means no limit; there is none for superusers.",
							&dbsync_max_subscriptions_per_role, 4, 0, 1000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
}

void
dbsync_settings_define(void)
{
	define_session_settings();
	define_worker_settings();
	define_limits();
	MarkGUCPrefixReserved("dbsync");
}
