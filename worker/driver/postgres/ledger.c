/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/ledger.c
 *	  PostgreSQL driver: reading and writing the ledger, and the fence.
 *
 * The fence is the batch's own UPDATE of its ledger row: one statement, the first,
 * looks whether the row is as expected, locks it and moves it on.  It has to raise
 * on the server, because the end of the pipeline, which commits, is on its way
 * before we could look at a row count, and without a function on the target: so it
 * casts a sentence to a number when there was no such row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/install.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/ledger.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/quarantine.h"
#include "worker/driver/postgres/step.h"

/* columns of a subscription's row, as parameters 2 ... 14; 1 is its id */
#define POSITION_PARAMETERS	14

/* those of a position that came in bundles, which are written as a whole each time */
#define BUNDLE_PARAMETERS	16

/* those that differ from batch to batch come last: 2 ... 8 of the usual fence */
#define FENCE_PARAMETERS	8

#define FROM_MICROSECONDS(param) \
	"timestamptz 'epoch' + " param "::bigint * interval '1 microsecond'"

#define MOVING_ASSIGNMENTS \
	"lsn = $2, batch = $3, after = $4, upto = $5, closing = $6, closing_xid = $7, checksum = $8"

#define WHOLE_ASSIGNMENTS \
	"name = $2, system_identifier = $3, database_oid = $4, timeline = $5," \
	" server_start = " FROM_MICROSECONDS("$6") "," \
	" identities = $7," \
	" lsn = $8, batch = $9, after = $10, upto = $11, closing = $12, closing_xid = $13," \
	" checksum = $14"

/*
 * EXISTS keeps the planner from working the cast out beforehand.  The batch's number has a cast, as minus an integer it would be taken for
 * one, and there may be more than two billion batches.
 */
#define FENCE(assignments, batch, chain) \
	"WITH moved AS (UPDATE dbsync_ledger.position SET " assignments ", updated = now()" \
	" WHERE id = $1 AND batch = CAST(" batch " AS bigint) - 1" chain " RETURNING true)" \
	" SELECT CAST(CASE WHEN EXISTS (SELECT FROM moved) THEN '1'" \
	" ELSE '" POSTGRES_LEDGER_MOVED "' END AS integer)"

const char *
dbsync_postgres_fence_sql(void)
{
	return FENCE(MOVING_ASSIGNMENTS, "$3", "");
}

const char *
dbsync_postgres_position_sql(void)
{
	return "UPDATE dbsync_ledger.position SET " MOVING_ASSIGNMENTS " WHERE id = $1";
}

const char *
dbsync_postgres_whole_fence_sql(void)
{
	return FENCE(WHOLE_ASSIGNMENTS, "$9", "");
}

/* A batch of an old chain must not follow on one of a new chain that has the number before. */
const char *
dbsync_postgres_bundle_fence_sql(void)
{
	return FENCE(WHOLE_ASSIGNMENTS ", chain = $15, note = $16", "$9", " AND chain = $15");
}

/* of a subscription's row, what differs from batch to batch */
static void
moving_values(const DbsyncLedger *ledger, const char **values)
{
	values[0] = dbsync_postgres_lsn_text(ledger->lsn);
	values[1] = psprintf(INT64_FORMAT, ledger->batch);
	values[2] = ledger->after;
	values[3] = ledger->upto;
	values[4] = ledger->closing ? dbsync_postgres_lsn_text(ledger->closing) : NULL;
	values[5] = ledger->closing ? psprintf(INT64_FORMAT, (int64) ledger->closing_xid) : NULL;
	values[6] = psprintf(INT64_FORMAT, ledger->checksum);
}

/* all of it */
static void
position_values(const DbsyncLedger *ledger, const char **values)
{
	int			n = 0;

	values[n++] = dbsync_postgres_uuid_text(&ledger->subscription);
	values[n++] = ledger->subscription_name;
	values[n++] = psprintf(INT64_FORMAT, (int64) ledger->system_identifier);
	values[n++] = psprintf("%u", ledger->database_oid);
	values[n++] = psprintf("%u", ledger->timeline);
	values[n++] = psprintf(INT64_FORMAT, ledger->server_start + DBSYNC_POSTGRES_UNIX_EPOCH);
	values[n++] = ledger->identities;
	moving_values(ledger, values + n);
}

/* the same of a position that came in bundles */
static void
bundle_values(const DbsyncLedger *ledger, const char **values)
{
	position_values(ledger, values);
	values[POSITION_PARAMETERS] = psprintf(INT64_FORMAT, ledger->chain);
	values[POSITION_PARAMETERS + 1] = ledger->note;
}

/* columns of the query below as they come; NULL: this one may be null */
static const char *const ledger_columns[] = {NULL, "system_identifier", "database_oid",
	"timeline", "lsn", "server_start", "batch", "after", NULL, NULL, NULL, "checksum", NULL, NULL, NULL};

/* a null where there must be none is refused by the worker, in words that name the column */
#define LEDGER_SHAPE	"?TLOLTLLTTTLLTLT"

static void
ledger_from_answer(const PostgresAnswer *answer, DbsyncLedger *ledger)
{
	int			f = 0;

	ledger->null_column = dbsync_postgres_null_column(answer, 0, ledger_columns, lengthof(ledger_columns));
	ledger->subscription_name = dbsync_postgres_field(answer, 0, f++);
	ledger->system_identifier = (uint64) dbsync_postgres_number_field(answer, 0, f++);
	ledger->database_oid = (Oid) dbsync_postgres_number_field(answer, 0, f++);
	ledger->timeline = (TimeLineID) dbsync_postgres_number_field(answer, 0, f++);
	ledger->lsn = dbsync_postgres_lsn_field(answer, 0, f++);
	ledger->server_start = dbsync_postgres_number_field(answer, 0, f++) - DBSYNC_POSTGRES_UNIX_EPOCH;
	ledger->batch = dbsync_postgres_number_field(answer, 0, f++);
	ledger->after = dbsync_postgres_field(answer, 0, f++);
	ledger->upto = dbsync_postgres_field(answer, 0, f++);
	ledger->closing = dbsync_postgres_lsn_field(answer, 0, f++);
	ledger->closing_xid = (uint64) dbsync_postgres_number_field(answer, 0, f++);
	ledger->checksum = dbsync_postgres_number_field(answer, 0, f++);
	ledger->identities = dbsync_postgres_field(answer, 0, f++);
	ledger->chain = dbsync_postgres_number_field(answer, 0, f++);
	ledger->note = dbsync_postgres_field(answer, 0, f++);
}

bool
dbsync_postgres_ledger_read(DbsyncTarget *base, const pg_uuid_t *subscription,
							DbsyncLedger *ledger, bool *found)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[1] = {dbsync_postgres_uuid_text(subscription)};
	MemoryContext old;
	const PostgresAnswer *answer;

	*found = false;
	memset(ledger, 0, sizeof(DbsyncLedger));
	ledger->subscription = *subscription;

	/* the table may be made here: its commit is to last */
	if (!dbsync_postgres_begin(target, "on", NULL) ||
		!dbsync_postgres_ledger_install(target))
		return false;
	answer = dbsync_postgres_query(target, psprintf(
								   "SELECT name, system_identifier, database_oid, timeline, lsn,"
								   " CAST(extract(epoch FROM server_start) * 1000000 AS bigint),"
								   " batch, after, upto, closing, closing_xid, checksum, identities, %s"
								   " FROM dbsync_ledger.position WHERE id = $1 AND subscription = $1",
								   target->ledger_has_chain ? "chain, note" : "CAST(NULL AS bigint), CAST(NULL AS text)"),
								   1, values, LEDGER_SHAPE);
	if (answer == NULL)
		return false;
	if (dbsync_postgres_answer_rows(answer) > 0)
	{
		old = MemoryContextSwitchTo(base->context);
		ledger_from_answer(answer, ledger);
		MemoryContextSwitchTo(old);
		*found = true;
	}
	return dbsync_postgres_commit(target);
}

bool
dbsync_postgres_ledger_create(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[BUNDLE_PARAMETERS];
	bool		bundles = ledger->chain != 0;

	bundle_values(ledger, values);
	return dbsync_postgres_begin(target, "on", NULL) &&
		(!bundles || dbsync_postgres_ledger_add_chain(target)) &&
		dbsync_postgres_query(target, psprintf(
							  "INSERT INTO dbsync_ledger.position (id, subscription, name,"
							  " system_identifier, database_oid, timeline, server_start, identities, lsn,"
							  " batch, after, upto, closing, closing_xid, checksum%s)"
							  " VALUES ($1, $1, $2, $3, $4, $5, " FROM_MICROSECONDS("$6") ","
							  " $7, $8, $9, $10, $11, $12, $13, $14%s)",
							  bundles ? ", chain, note" : "", bundles ? ", $15, $16" : ""),
							  bundles ? BUNDLE_PARAMETERS : POSITION_PARAMETERS, values, NULL) != NULL &&
		dbsync_postgres_commit(target);
}

/* Two receivers may come with the same chain: one of them is late. */
static bool
refuse_restart(PostgresTarget *target)
{
	(void) dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  "the ledger on the target has moved on to this chain, or a later one", NULL, NULL);
	target->base.fault.kind = DBSYNC_FAULT_LEDGER_MOVED;
	return false;
}

bool
dbsync_postgres_ledger_restart(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[BUNDLE_PARAMETERS];
	const PostgresAnswer *answer;

	bundle_values(ledger, values);
	if (!dbsync_postgres_begin(target, "on", NULL) || !dbsync_postgres_ledger_add_chain(target))
		return false;
	answer = dbsync_postgres_query(target, "UPDATE dbsync_ledger.position SET " WHOLE_ASSIGNMENTS
								   ", chain = $15, note = $16, updated = now()"
								   " WHERE id = $1 AND subscription = $1 AND coalesce(chain, 0) < $15",
								   BUNDLE_PARAMETERS, values, NULL);
	if (answer == NULL)
		return false;
	if (dbsync_postgres_answer_affected(answer) != 1)
		return refuse_restart(target);
	return dbsync_postgres_query(target, "DELETE FROM dbsync_ledger.position WHERE subscription = $1 AND id <> subscription",
								 1, values, NULL) != NULL &&
		dbsync_postgres_commit(target);
}

bool
dbsync_postgres_ledger_forget(DbsyncTarget *base, const pg_uuid_t *subscription)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[1] = {dbsync_postgres_uuid_text(subscription)};

	return dbsync_postgres_begin(target, "on", NULL) &&
		dbsync_postgres_query(target, "DELETE FROM dbsync_ledger.position WHERE subscription = $1",
							  1, values, NULL) != NULL &&
		dbsync_postgres_unpark_subscription(target, subscription) &&
		dbsync_postgres_commit(target);
}

bool
dbsync_postgres_queue_fence(PostgresTarget *target, const DbsyncLedger *ledger)
{
	const char *values[BUNDLE_PARAMETERS];

	if (ledger->chain != 0)
	{
		bundle_values(ledger, values);
		return dbsync_postgres_queue_fixed(target, POSTGRES_BUNDLE_FENCE, BUNDLE_PARAMETERS, values);
	}
	/* of the rest, only the name can change while we are connected */
	if (target->ledger_name != NULL && strcmp(target->ledger_name, ledger->subscription_name) == 0)
	{
		values[0] = dbsync_postgres_uuid_text(&ledger->subscription);
		moving_values(ledger, values + 1);
		return dbsync_postgres_queue_fixed(target, POSTGRES_FENCE, FENCE_PARAMETERS, values);
	}
	dbsync_postgres_remember(target, &target->ledger_name, ledger->subscription_name);
	position_values(ledger, values);
	return dbsync_postgres_queue_fixed(target, POSTGRES_WHOLE_FENCE, POSITION_PARAMETERS, values);
}

bool
dbsync_postgres_ledger_move(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	const char *values[FENCE_PARAMETERS];

	values[0] = dbsync_postgres_uuid_text(&ledger->subscription);
	moving_values(ledger, values + 1);
	return dbsync_postgres_queue_fixed((PostgresTarget *) base, POSTGRES_POSITION,
									   FENCE_PARAMETERS, values);
}

const char *
dbsync_postgres_confirm_sql(void)
{
	return "WITH confirmed AS (UPDATE dbsync_ledger.position SET updated = now() WHERE id = $1 RETURNING true)"
		" SELECT CAST(CASE WHEN EXISTS (SELECT FROM confirmed) THEN '1'"
		" ELSE '" POSTGRES_LEDGER_GONE "' END AS integer)";
}

/*
 * WAL is written in order: a synchronous commit now takes with it all that was
 * committed asynchronously before.  It must write something, or there would be
 * nothing to wait for.  One round trip, as somebody may wait for it.
 */
bool
dbsync_postgres_confirm(DbsyncTarget *base, const pg_uuid_t *subscription)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[1] = {dbsync_postgres_uuid_text(subscription)};

	return dbsync_postgres_begin_short(target, "on", NULL) &&
		dbsync_postgres_queue_fixed(target, POSTGRES_CONFIRM, 1, values) &&
		dbsync_postgres_commit(target);
}
