/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/session.c
 *	  The driver for PostgreSQL targets: opening, batches, the list of functions.
 *
 * A transaction begins with its pins (dbsync_postgres_pin()) and the fence, then come rows; of
 * chunks that go beside others the fence comes last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "storage/fd.h"
#include "nodes/makefuncs.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/between.h"
#include "worker/driver/postgres/binary.h"
#include "worker/driver/postgres/change.h"
#include "worker/driver/postgres/bound.h"
#include "worker/driver/postgres/compare.h"
#include "worker/driver/postgres/connect.h"
#include "worker/driver/postgres/count.h"
#include "worker/driver/postgres/create.h"
#include "worker/driver/postgres/doubt.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/foreign_keys.h"
#include "worker/driver/postgres/enum.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/led_to.h"
#include "worker/driver/postgres/ledger.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/options.h"
#include "worker/driver/postgres/patch.h"
#include "worker/driver/postgres/pins.h"
#include "worker/driver/postgres/quarantine.h"
#include "worker/driver/postgres/rows.h"
#include "worker/driver/postgres/sequence.h"
#include "worker/driver/postgres/sequence_read.h"
#include "worker/driver/postgres/session.h"
#include "worker/driver/postgres/settings.h"
#include "worker/driver/postgres/statements.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/table.h"
#include "worker/driver/postgres/together.h"
#include "worker/driver/postgres/wait.h"
#include "worker/driver/postgres/words.h"

/*
 * A lock that stands in the way of rows that go beside another connection's is none
 * to wait for: the other connection's own locks may be held meanwhile, and the
 * server does not see that both are one worker's.
 */
#define BESIDE_LOCK_TIMEOUT	"1s"

/*
 * Hung on the target's context, so that a connection ends with it also when an
 * error passes over whoever holds it.
 */
static void
cleanup(void *arg)
{
	PostgresTarget *target = arg;

	if (target->waits_told)
		dbsync_postgres_heard(target);
	PQclear(target->result);
	target->result = NULL;
	if (target->wait_set)
		FreeWaitEventSet(target->wait_set);
	target->wait_set = NULL;
	PQfinish(target->conn);
	target->conn = NULL;
	if (target->external_fd)
		ReleaseExternalFD();
	target->external_fd = false;
}

/* the only option that is not libpq's */
static bool
has_before_triggers(List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, DBSYNC_POSTGRES_BEFORE_TRIGGERS) == 0)
			return defGetBoolean(def);
	}
	return false;
}

static PostgresTarget *
new_target(const DbsyncTargetConfig *config)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync target",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PostgresTarget *target = palloc0(sizeof(PostgresTarget));

	target->base.context = context;
	target->name = pstrdup(config->name);
	target->waits = config->waits;
	target->timeout = config->timeout;
	target->before_triggers = has_before_triggers(config->options);
	target->rows.context = AllocSetContextCreate(context, "dbsync waiting rows",
												 ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&target->rows.frame);
	initStringInfo(&target->rows.held);
	target->cleanup.func = cleanup;
	target->cleanup.arg = target;
	MemoryContextRegisterResetCallback(context, &target->cleanup);
	MemoryContextSwitchTo(old);
	return target;
}

static const char *const who_sql =
"SELECT current_user, d.datname, d.oid, pg_catalog.pg_is_in_recovery(),"
" pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE'),"
" pg_catalog.pg_backend_pid(),"
" CAST(extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000 AS bigint), %s"
" FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/* a right that there is where there may be sources */
#define SETS_ORIGIN		"pg_catalog.has_parameter_privilege('dbsync.origin', 'SET')"

static bool
look_who_answered(PostgresTarget *target)
{
	DbsyncTargetIdentity *identity = &target->base.identity;
	const char *version = PQparameterStatus(target->conn, "server_version");
	const PostgresAnswer *answer;

	identity->version = PQserverVersion(target->conn);
	identity->version_text =
		dbsync_postgres_format(target, "PostgreSQL %s",
							   version ? dbsync_postgres_clean(target, version) : "?");
	if (identity->version < DBSYNC_POSTGRES_OLDEST)
		return dbsync_postgres_refuse(target, ERRCODE_FEATURE_NOT_SUPPORTED,
									  psprintf("target \"%s\" runs %s, which is too old",
											   target->name, identity->version_text), NULL,
									  psprintf("Targets from PostgreSQL %d on are supported.",
											   DBSYNC_POSTGRES_OLDEST / 10000));
	answer = dbsync_postgres_query(target, psprintf(who_sql, identity->version >= DBSYNC_POSTGRES_GRANTS_SET
													? SETS_ORIGIN : "false"),
								   0, NULL, "1ttobbilb");
	if (answer == NULL)
		return false;
	identity->user = dbsync_postgres_format(target, "%s", dbsync_postgres_answer_text(answer, 0, 0));
	identity->database = dbsync_postgres_format(target, "%s", dbsync_postgres_answer_text(answer, 0, 1));
	target->database_oid = (Oid) dbsync_postgres_answer_int(answer, 0, 2);
	target->in_recovery = dbsync_postgres_answer_bool(answer, 0, 3);
	/* a pooler names a process of its own */
	target->direct = dbsync_postgres_answer_int(answer, 0, 5) == PQbackendPID(target->conn);
	identity->server_start = dbsync_postgres_answer_int(answer, 0, 6) - DBSYNC_POSTGRES_UNIX_EPOCH;
	target->sets_origin = dbsync_postgres_answer_bool(answer, 0, 7);
	if (!dbsync_postgres_answer_bool(answer, 0, 4))
		return true;			/* the origin is not known */

	answer = dbsync_postgres_query(target, "SELECT system_identifier FROM pg_catalog.pg_control_system()",
								   0, NULL, "1l");
	if (answer == NULL)
		return false;
	target->system_identifier = (uint64) dbsync_postgres_answer_int(answer, 0, 0);
	identity->origin = dbsync_postgres_format(target, UINT64_FORMAT "/%u",
											  target->system_identifier, target->database_oid);
	return true;
}

static void
add_property(PostgresTarget *target, const char *name, const char *value)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);
	List	  **properties = &target->base.identity.properties;

	*properties = lappend(*properties, makeDefElem(pstrdup(name), (Node *) makeString(pstrdup(value)), -1));
	MemoryContextSwitchTo(old);
}

/* What test_target() shows of a PostgreSQL server, and other connections compare. */
static bool
tell_properties(PostgresTarget *target)
{
	if (target->system_identifier != 0)
		add_property(target, "system_identifier",
					 psprintf(INT64_FORMAT, (int64) target->system_identifier));
	add_property(target, "database_oid", psprintf("%u", target->database_oid));
	add_property(target, "in_recovery", target->in_recovery ? "true" : "false");
	add_property(target, "replica_role", target->replica_role ? "true" : "false");
	return true;
}

/* only trying tells whether a right is there that any of three ways may give */
static bool
try_replica_role(PostgresTarget *target)
{
	bool		allowed;

	if (!dbsync_postgres_execute(target, NULL, "BEGIN", NULL))
		return false;
	allowed = dbsync_postgres_execute(target, NULL, "SET LOCAL session_replication_role TO replica", NULL);
	if (!allowed && (target->broken ||
					 target->base.fault.sqlstate != ERRCODE_INSUFFICIENT_PRIVILEGE))
		return false;
	memset(&target->base.fault, 0, sizeof(DbsyncFault));
	target->replica_role = allowed;
	return dbsync_postgres_execute(target, NULL, "ROLLBACK", NULL);
}

static bool
check_recovery(PostgresTarget *target)
{
	if (!target->in_recovery)
		return true;
	return dbsync_postgres_refuse(target, ERRCODE_READ_ONLY_SQL_TRANSACTION,
								  psprintf("target \"%s\" is in recovery", target->name),
								  "A standby server takes no writes.",
								  "Let the target's address lead to its primary; with several hosts,"
								  " target_session_attrs 'read-write' finds it.");
}

static DbsyncTarget *
postgres_open(const DbsyncTargetConfig *config, bool *ok)
{
	PostgresTarget *target = new_target(config);
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync connect",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);

	*ok = dbsync_postgres_connect(target, config);
	if (*ok)
	{
		PQsetnonblocking(target->conn, 1);
		dbsync_postgres_watch(target);
		*ok = dbsync_postgres_set_options(target) &&
			look_who_answered(target) && check_recovery(target) &&
			try_replica_role(target) && tell_properties(target) &&
			dbsync_postgres_set_session(target) && dbsync_postgres_pin(target);
		if (*ok)
			dbsync_postgres_write_statements(target);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return &target->base;
}

static void
postgres_close(DbsyncTarget *base)
{
	/* see cleanup() */
	MemoryContextDelete(base->context);
}

static bool
postgres_begin(DbsyncTarget *base, const DbsyncLedger *ledger,
			   const char *origin, int64 expected_rows, int flags)
{
	PostgresTarget *target = (PostgresTarget *) base;
	/* what is copied is not copied again, also after a crash of the target */
	const char *synchronous_commit = (flags & DBSYNC_BATCH_CHUNK) ? "local" : "off";
	/* what is altered is looked at in between */
	bool		large = dbsync_postgres_is_large(expected_rows) ||
		(flags & (DBSYNC_BATCH_CHANGES | DBSYNC_BATCH_CAREFUL | DBSYNC_BATCH_DOUBTED)) != 0;
	bool		begun;

	target->batches++;
	list_free(target->touched);
	target->touched = NIL;
	target->sequences = NIL;
	target->together = NIL;
	target->batch_rows = 0;
	target->careful = (flags & DBSYNC_BATCH_CAREFUL) != 0;
	target->subscription = ledger->subscription;
	dbsync_postgres_quarantine_begin(target);
	dbsync_postgres_doubt_forget(target);
	begun = large ? dbsync_postgres_begin(target, synchronous_commit, origin)
		: dbsync_postgres_begin_short(target, synchronous_commit, origin);

	if (!begun)
		return false;
	/* of chunks that go beside others the fence comes last */
	if (flags & DBSYNC_BATCH_BESIDE)
		return dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN,
										 "SET LOCAL lock_timeout = '" BESIDE_LOCK_TIMEOUT "'");
	/* the fence is the first statement that does something */
	if (!dbsync_postgres_queue_fence(target, ledger))
		return false;
	/* what is altered must not have anything left to be checked */
	if (!(flags & DBSYNC_BATCH_CHANGES ? dbsync_postgres_check_now(target) : dbsync_postgres_check_later(target)))
		return false;
	/* for a large batch, know that it is ours before reading its rows */
	return large ? dbsync_postgres_settle(target) : true;
}

/*
 * Only now, and not when the ledger's row was queued: the server would wake up for
 * it, and once more for the rest, on a processor that the worker wants too.
 */
static bool
postgres_hurry(DbsyncTarget *base)
{
	PostgresTarget *target = (PostgresTarget *) base;

	return PQflush(target->conn) < 0 ? dbsync_postgres_lost(target) : true;
}

static bool
postgres_fence(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	PostgresTarget *target = (PostgresTarget *) base;

	return dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN,
									 "SET LOCAL lock_timeout = '" POSTGRES_LOCK_TIMEOUT "'") &&
		dbsync_postgres_queue_fence(target, ledger);
}

static bool
postgres_commit(DbsyncTarget *base)
{
	PostgresTarget *target = (PostgresTarget *) base;

	return dbsync_postgres_merge_finish(target) && dbsync_postgres_doubt_check(target) && dbsync_postgres_guard_touched(target) &&
		dbsync_postgres_sequences_queue(target) && dbsync_postgres_commit(target);
}

static const char *const schemes[] = {"postgresql", "postgres", NULL};

/* all else of it is for libpq to say */
static const DbsyncAddress address = {
	.schemes = schemes,
	.example = "postgresql://user@host:port/dbname?option=value",
};

const DbsyncDriver dbsync_postgres_driver = {
	.version = DBSYNC_DRIVER_VERSION,
	.name = "dbsync_postgres",
	.features = DBSYNC_FEATURE_LEDGER | DBSYNC_FEATURE_READ_BACK | DBSYNC_FEATURE_PATCH |
		DBSYNC_FEATURE_SEVERAL | DBSYNC_FEATURE_CHANGE | DBSYNC_FEATURE_COUNT |
		DBSYNC_FEATURE_SEQUENCES | DBSYNC_FEATURE_CREATE | DBSYNC_FEATURE_FOREIGN_KEYS |
		DBSYNC_FEATURE_CLEAR | DBSYNC_FEATURE_CAREFUL | DBSYNC_FEATURE_COMPARE | DBSYNC_FEATURE_QUARANTINE,
	.dialect = DBSYNC_DIALECT_POSTGRES,
	.open = postgres_open,
	.close = postgres_close,
	.ledger_read = dbsync_postgres_ledger_read,
	.ledger_read_parts = dbsync_postgres_ledger_read_parts,
	.ledger_create = dbsync_postgres_ledger_create,
	.ledger_forget = dbsync_postgres_ledger_forget,
	.ledger_restart = dbsync_postgres_ledger_restart,
	.table_open = dbsync_postgres_table_open,
	.table_change = dbsync_postgres_doubt_table_change,
	.types_follow = dbsync_postgres_types_follow,
	.table_lacks = dbsync_postgres_table_lacks,
	.table_has_rows = dbsync_postgres_table_has_rows,
	.create_sql = dbsync_postgres_create_sql,
	.table_create = dbsync_postgres_table_create,
	.index_sql = dbsync_postgres_index_sql,
	.index_create = dbsync_postgres_index_create,
	.table_complete = dbsync_postgres_table_complete,
	.begin = postgres_begin,
	.truncate = dbsync_postgres_doubt_truncate,
	.delete_where = dbsync_postgres_doubt_delete_where,
	.rows_begin = dbsync_postgres_doubt_rows_begin,
	.rows_put = dbsync_postgres_doubt_rows_put,
	.rows_end = dbsync_postgres_doubt_rows_end,
	.ledger_move = dbsync_postgres_ledger_move,
	.ledger_write_parts = dbsync_postgres_ledger_write_parts,
	.ledger_forget_parts = dbsync_postgres_ledger_forget_parts,
	.hurry = postgres_hurry,
	.commit = postgres_commit,
	.confirm = dbsync_postgres_confirm,
	.options = dbsync_postgres_options,
	.parse_uri = dbsync_postgres_parse_uri,
	.address = &address,
	.tables_close = dbsync_postgres_tables_close,
	.table_forms = dbsync_postgres_table_forms,
	.table_wants_replace = dbsync_postgres_table_wants_replace,
	.table_takes_unchanged = dbsync_postgres_table_takes_unchanged,
	.table_takes_several = dbsync_postgres_table_takes_several,
	.table_missing = dbsync_postgres_table_missing,
	.fence = postgres_fence,
	.sequences_advance = dbsync_postgres_sequences_advance,
	.foreign_keys = dbsync_postgres_foreign_keys,
	.rows_together = dbsync_postgres_doubt_rows_together,
	.table_is_followed = dbsync_postgres_table_is_followed,
	.rows_clear = dbsync_postgres_doubt_rows_clear,
	.read_begin = dbsync_postgres_read_begin,
	.read_ask = dbsync_postgres_read_ask,
	.read_next = dbsync_postgres_read_next,
	.read_end = dbsync_postgres_read_end,
	.read_sequence = dbsync_postgres_read_sequence,
	.read_is_in_way = dbsync_postgres_read_is_in_way,
	.quarantine_read = dbsync_postgres_quarantine_read,
	.read_parked = dbsync_postgres_read_parked,
	.quarantine_free = dbsync_postgres_quarantine_free,
	.doubt = dbsync_postgres_doubt,
	.rows_go_between = dbsync_postgres_rows_go_between,
	.rows_have_room = dbsync_postgres_rows_have_room,
};
