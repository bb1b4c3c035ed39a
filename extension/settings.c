/*-------------------------------------------------------------------------
 *
 * extension/settings.c
 *	  The settings (GUCs) of dbsync.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "common/string.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "extension/clock.h"
#include "extension/route.h"
#include "extension/settings.h"

/* bytes of dbsync.tag */
#define TAG_MAX		1024

char	   *dbsync_tag = NULL;
char	   *dbsync_origin = NULL;
bool		dbsync_applying;
bool		dbsync_direct_capture;
int			dbsync_carry_bytes;
int			dbsync_segment_size;
int			dbsync_batch_rows;
int			dbsync_copy_chunk_rows;
int			dbsync_copy_connections;
int			dbsync_target_tables;
int			dbsync_retry_max;
int			dbsync_install_lock_timeout;
int			dbsync_retention_interval;
int			dbsync_poll_interval;
int			dbsync_gather_max;
int			dbsync_target_timeout;
int			dbsync_call_timeout;
int			dbsync_sequence_headroom;
int			dbsync_idle_rate;
int			dbsync_wal_keep;
int			dbsync_max_subscriptions_per_role;

/*
 * Refuse a value without repeating it, as the server would: it may be of any size, and
 * of any bytes.
 */
#define refuse_value(name, ...) \
	(GUC_check_errmsg("invalid value for parameter \"%s\"", name), \
	 GUC_check_errdetail(__VA_ARGS__), false)

/*
 * A tag is kept with every transaction and shown to people, so it is short and valid.
 * What a file says is read before there is a database to say in which encoding.
 */
static bool
check_tag(char **newval, void **extra, GucSource source)
{
	size_t		size = strlen(*newval);

	if (size > TAG_MAX)
		return refuse_value("dbsync.tag", "It has %zu bytes; %d is the most.", size, TAG_MAX);
	if (OidIsValid(MyDatabaseId)
		? pg_verifymbstr(*newval, (int) size, true)
		: pg_is_ascii(*newval))
		return true;
	return refuse_value("dbsync.tag", "It is no valid text in this database's encoding.");
}

static bool
check_origin(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0' || dbsync_route_length(*newval) > 0)
		return true;
	return refuse_value("dbsync.origin",
						"It names databases as \"<system identifier>/<database oid>\", %d at most, with a space between two.",
						DBSYNC_ROUTE_MAX);
}

static void
define_session_settings(void)
{
	DefineCustomStringVariable("dbsync.tag",
							   "Written into the header of this session's captured transactions.",
							   "Set it with SET LOCAL to say why something was changed.",
							   &dbsync_tag, "", PGC_USERSET, 0,
							   check_tag, NULL, NULL);

	/*
	 * Who sets it keeps his changes from the databases that it names, so that takes
	 * a right: GRANT SET ON PARAMETER.
	 */
	DefineCustomStringVariable("dbsync.origin",
							   "Database on which this session's changes were first made, and those that passed them on.",
							   "Set by dbsync's own apply sessions; empty means this database.",
							   &dbsync_origin, "", PGC_SUSET, 0,
							   check_origin, NULL, NULL);

	/*
	 * Anybody's, as all it does is to refuse: an apply session that may not set
	 * dbsync.origin fails where it would be captured, whenever the table was.
	 */
	DefineCustomBoolVariable("dbsync.applying",
							 "This session applies changes of another database.",
							 "Set by dbsync's own apply sessions: without dbsync.origin nothing of them is captured, they fail.",
							 &dbsync_applying, false, PGC_USERSET, GUC_NOT_IN_SAMPLE,
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

	/* Who calls sits there; what workers do is waited for by nobody. */
	DefineCustomIntVariable("dbsync.call_timeout",
							"How long a function of dbsync waits for one thing: a lock, a target's answer, a worker that is to end.",
							"A shorter lock_timeout or dbsync.target_timeout counts; 0 leaves it to those.",
							&dbsync_call_timeout, 60 * 1000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
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
	DefineCustomIntVariable("dbsync.target_tables",
							"How many tables of a target a worker keeps looked up.",
							"Those that were not written to for the longest time are looked up again when rows of them come.",
							&dbsync_target_tables, 500, 1, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.retry_max",
							"Longest pause between two attempts of a failing subscription.",
							NULL, &dbsync_retry_max, 60000, 10, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.install_lock_timeout",
							"How long the installation of capture triggers may make writers of a table wait.",
							NULL, &dbsync_install_lock_timeout, 1000, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.retention_interval",
							"How often a worker looks for segments to close or to empty, and for bundles that need not be kept.",
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

	/*
	 * Who is dead is noticed by TCP within a minute; this is for one who is there and
	 * mute.  To give up a statement that would have ended is worse than to wait, as the
	 * next attempt takes as long: so it is longer than any should take.
	 */
	DefineCustomIntVariable("dbsync.target_timeout",
							"Silence of a target after which its connection is given up.",
							"A statement of many rows is given a millisecond more for each of them. 0 waits for ever.",
							&dbsync_target_timeout, 60 * 60 * 1000, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.sequence_headroom",
							"How many values the sequences of targets are kept ahead of the source's.",
							"They are set when half of it is used; 0 sets them whenever there are new values.",
							&dbsync_sequence_headroom, 1000, 0, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.idle_rate",
							"Transactions a second below which a cluster is idle, for policies that wait for that.",
							"Those that have written count.",
							&dbsync_idle_rate, 10, 1, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dbsync.wal_keep",
							"How much WAL the replication slot of tables that are captured from the WAL may keep.",
							"Beyond it the slot is dropped, and these tables must be copied anew; 0 means no limit.",
							&dbsync_wal_keep, 10 * 1024 * 1024, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
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
	dbsync_clock_define();
	MarkGUCPrefixReserved("dbsync");
}
