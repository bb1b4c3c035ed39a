/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/step.c
 *	  PostgreSQL driver: statements go out, results come back.
 *
 * A queued statement is a step.  Steps are sent in libpq's pipeline mode and
 * their results read, in order, when somebody settles; the first refusal is the
 * fault, and since the server skips what follows it, nothing of a refused batch
 * can be committed.  A statement is prepared the first time it is queued.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/sequence_answer.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/step_queue.h"
#include "worker/driver/postgres/wait.h"

static PostgresStepKind
kind_of(PostgresFixed fixed)
{
	switch (fixed)
	{
		case POSTGRES_FENCE:
		case POSTGRES_WHOLE_FENCE:
		case POSTGRES_BUNDLE_FENCE:
		case POSTGRES_CONFIRM:
			return POSTGRES_STEP_FENCE;
		case POSTGRES_SAME_FACTS:
		case POSTGRES_SAME_BARE_TABLE:
		case POSTGRES_SAME_TABLE:
			return POSTGRES_STEP_GUARD;
		case POSTGRES_COMMIT:
			return POSTGRES_STEP_COMMIT;
		case POSTGRES_PINS:
			return POSTGRES_STEP_SETTING;
		case POSTGRES_SEQUENCE:
			return POSTGRES_STEP_SEQUENCE;
		default:
			return POSTGRES_STEP_PLAIN;
	}
}

/* what a statement of this kind answers; as dbsync_postgres_read_answer() takes it */
static const char *
shape_of(PostgresStepKind kind)
{
	switch (kind)
	{
		case POSTGRES_STEP_SETTING:
			return POSTGRES_ANY_ROWS;
		case POSTGRES_STEP_FENCE:
		case POSTGRES_STEP_GUARD:
		case POSTGRES_STEP_PATCH:
		case POSTGRES_STEP_GONE:
			return "1i";
		case POSTGRES_STEP_SEQUENCE:
			return POSTGRES_SEQUENCE_SHAPE;
		default:
			return NULL;
	}
}

/* *name: by which the server knows the statement, NAMEDATALEN bytes */
static bool
prepare_fixed(PostgresTarget *target, PostgresFixed fixed, char *name)
{
	snprintf(name, NAMEDATALEN, "dbsync_%d", fixed);
	if (target->prepared[fixed])
		return true;
	if (!dbsync_postgres_enter_pipeline(target) ||
		!dbsync_postgres_queue_prepare(target, NULL, name, target->fixed_sql[fixed], 0, NULL))
		return false;
	target->prepared[fixed] = true;
	return true;
}

bool
dbsync_postgres_queue_fixed(PostgresTarget *target, PostgresFixed fixed,
							int nparams, const char *const *values)
{
	char		name[NAMEDATALEN];

	if (!prepare_fixed(target, fixed, name) || !dbsync_postgres_enter_pipeline(target))
		return false;
	return dbsync_postgres_queue_prepared(target, kind_of(fixed), NULL, name, nparams, values, NULL, NULL);
}

/*
 * What has been sent without a BEGIN becomes the beginning of a transaction block:
 * a Sync is to come in the middle of it, or a command that wants a block.  The
 * isolation level is out of the question by now; the session's is pinned.
 */
static bool
make_block(PostgresTarget *target)
{
	if (!target->implicit)
		return true;
	target->implicit = false;
	return dbsync_postgres_queue_fixed(target, POSTGRES_BLOCK, 0, NULL);
}

bool
dbsync_postgres_queue_sql(PostgresTarget *target, const DbsyncTargetTable *table,
						  PostgresStepKind kind, const char *sql)
{
	if (!make_block(target) || !dbsync_postgres_enter_pipeline(target))
		return false;
	if (PQsendQueryParams(target->conn, sql, 0, NULL, NULL, NULL, NULL, 0) == 0)
		return dbsync_postgres_lost(target);
	dbsync_postgres_add_step(target, kind, table);
	/* what the socket does not take now goes with the next */
	return PQflush(target->conn) < 0 ? dbsync_postgres_lost(target) : true;
}

/*
 * Was a row written?  Not where a trigger of the target returned NULL instead of it,
 * which is no error there.
 */
static bool
check_written(PostgresTarget *target, const PostgresStep *step, const PostgresAnswer *answer)
{
	if (dbsync_postgres_answer_affected(answer) == 1)
		return true;
	return dbsync_postgres_swallowed(target, step->table);
}

/* Rows that are left out as they are inserted are refused like a single one. */
static bool
check_count(PostgresTarget *target, const PostgresStep *step, int64 written)
{
	if (written >= step->wanted)
		return true;
	if (step->missing == NULL)
		return dbsync_postgres_swallowed(target, step->table);
	*step->missing += step->wanted - Max(written, 0);
	return true;
}

static bool
read_step(PostgresTarget *target, const PostgresStep *step)
{
	const PostgresAnswer *answer;

	if (step->kind == POSTGRES_STEP_COMMIT)
		return dbsync_postgres_read_commit(target);
	answer = dbsync_postgres_read_answer(target, step, shape_of(step->kind));
	if (answer == NULL)
		return false;
	if (step->kind == POSTGRES_STEP_ROW)
		return check_written(target, step, answer);
	if (step->kind == POSTGRES_STEP_MERGE)
		target->merge.found = dbsync_postgres_answer_affected(answer);
	if (step->kind == POSTGRES_STEP_COUNT)
		return check_count(target, step, dbsync_postgres_answer_affected(answer));
	if (step->kind == POSTGRES_STEP_SEQUENCE)
		dbsync_postgres_sequence_answered(target, answer);
	return true;
}

/* Send what is queued, with a Sync behind it, and read all results. */
static bool
end_pipeline(PostgresTarget *target)
{
	if (PQpipelineSync(target->conn) == 0)
		return dbsync_postgres_lost(target);
	target->synced = true;
	if (!dbsync_postgres_flush(target))
		return dbsync_postgres_lost(target);
	for (int i = 0; i < target->nsteps; i++)
	{
		if (!read_step(target, &target->steps[i]))
			return false;
	}
	target->nsteps = 0;

	if (!dbsync_postgres_read_sync(target))
		return false;
	target->synced = false;
	if (PQexitPipelineMode(target->conn) == 0)
		return dbsync_postgres_lost(target);
	target->pipelined = false;
	return true;
}

bool
dbsync_postgres_settle(PostgresTarget *target)
{
	if (!target->pipelined)
		return true;
	return make_block(target) && end_pipeline(target);
}

/*
 * One statement outside of pipeline mode, settled before.  Its rows come one by one,
 * so that there can be no more of them than there should be.  Either its text is given, or
 * the name that it was prepared under.
 */
static bool
send_one(PostgresTarget *target, const char *sql, const char *prepared,
		 int nparams, const char *const *values, const char *shape)
{
	int			sent;

	if (target->broken || !dbsync_postgres_settle(target))
		return false;
	sent = prepared ? PQsendQueryPrepared(target->conn, prepared, nparams, values, NULL, NULL, 0)
		: PQsendQueryParams(target->conn, sql, nparams, NULL, values, NULL, NULL, 0);
	if (sent == 0 ||
		(shape != NULL && PQsetSingleRowMode(target->conn) == 0) ||
		!dbsync_postgres_flush(target))
		return dbsync_postgres_lost(target);
	return true;
}

static const PostgresAnswer *
run(PostgresTarget *target, const DbsyncTargetTable *table, const char *sql, const char *prepared,
	int nparams, const char *const *values, const char *shape)
{
	PostgresStep step = {.kind = POSTGRES_STEP_PLAIN,.table = table};

	if (!send_one(target, sql, prepared, nparams, values, shape))
		return NULL;
	return dbsync_postgres_read_answer(target, &step, shape);
}

bool
dbsync_postgres_send(PostgresTarget *target, const char *sql, int nparams, const char *const *values, const char *shape)
{
	return send_one(target, sql, NULL, nparams, values, shape);
}

const PostgresAnswer *
dbsync_postgres_receive(PostgresTarget *target, const DbsyncTargetTable *table, const char *shape)
{
	PostgresStep step = {.kind = POSTGRES_STEP_PLAIN,.table = table};

	return target->broken ? NULL : dbsync_postgres_read_answer(target, &step, shape);
}

const PostgresAnswer *
dbsync_postgres_query(PostgresTarget *target, const char *sql,
					  int nparams, const char *const *values, const char *shape)
{
	return run(target, NULL, sql, NULL, nparams, values, shape);
}

const PostgresAnswer *
dbsync_postgres_query_fixed(PostgresTarget *target, PostgresFixed fixed,
							int nparams, const char *const *values, const char *shape)
{
	char		name[NAMEDATALEN];

	if (target->broken || !prepare_fixed(target, fixed, name))
		return NULL;
	return run(target, NULL, NULL, name, nparams, values, shape);
}

bool
dbsync_postgres_execute(PostgresTarget *target, const DbsyncTargetTable *table,
						const char *sql, int64 *affected)
{
	const PostgresAnswer *answer = run(target, table, sql, NULL, 0, NULL, NULL);

	if (answer == NULL)
		return false;
	if (affected)
		*affected = dbsync_postgres_answer_affected(answer);
	return true;
}

void
dbsync_postgres_remember(PostgresTarget *target, char **place, const char *value)
{
	if (*place)
		pfree(*place);
	*place = MemoryContextStrdup(target->base.context, value);
}

static bool
queue_pins(PostgresTarget *target, const char *const *values)
{
	if (target->pinned)
	{
		/* code there, a CHECK say, may have changed the encoding; the server tells */
		if (PQclientEncoding(target->conn) == GetDatabaseEncoding() &&
			target->pinned_commit && strcmp(target->pinned_commit, values[0]) == 0 &&
			strcmp(target->pinned_origin, values[1]) == 0)
			return true;
		/* a transaction that fails takes the connection with it */
		dbsync_postgres_remember(target, &target->pinned_commit, values[0]);
		dbsync_postgres_remember(target, &target->pinned_origin, values[1]);
	}
	return dbsync_postgres_queue_fixed(target, POSTGRES_PINS, target->sets_origin ? 2 : 1, values);
}

bool
dbsync_postgres_begin(PostgresTarget *target, const char *synchronous_commit,
					  const char *origin)
{
	const char *values[2] = {synchronous_commit, origin && target->sets_origin ? origin : ""};

	return dbsync_postgres_queue_fixed(target, POSTGRES_BEGIN, 0, NULL) &&
		queue_pins(target, values);
}

bool
dbsync_postgres_begin_short(PostgresTarget *target, const char *synchronous_commit,
							const char *origin)
{
	const char *values[2] = {synchronous_commit, origin && target->sets_origin ? origin : ""};

	/* else BEGIN must say what the session's defaults may not */
	if (!target->pinned)
		return dbsync_postgres_begin(target, synchronous_commit, origin);
	target->implicit = true;
	return queue_pins(target, values);
}

/*
 * Statements up to a Sync are one transaction, which the Sync commits: all or
 * nothing, as the server skips what follows an error.  That is all of an error's
 * answer there, so none, and no transaction open, means committed.
 */
static bool
commit_implicitly(PostgresTarget *target)
{
	target->implicit = false;
	target->commit_sent = true;
	if (!end_pipeline(target))
		return false;
	if (PQtransactionStatus(target->conn) != PQTRANS_IDLE)
		return dbsync_postgres_refuse(target, ERRCODE_PROTOCOL_VIOLATION,
									  "the target has left the transaction open", NULL, NULL);
	target->commit_sent = false;
	return true;
}

bool
dbsync_postgres_commit(PostgresTarget *target)
{
	if (target->implicit)
		return commit_implicitly(target);
	return dbsync_postgres_queue_fixed(target, POSTGRES_COMMIT, 0, NULL) &&
		end_pipeline(target);
}
