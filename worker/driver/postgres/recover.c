/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/recover.c
 *	  PostgreSQL driver: going on behind a refusal, within the transaction.
 *
 * Everywhere else a refusal ends the connection, so nobody has to know what has been done and what not.  Here
 * all that the server still has to say is read and passed by, and the transaction goes back to a savepoint:
 * temporary tables that were made since are gone, locks are let go of, and so are settings.  What was to be prepared
 * behind the refusal was not; so all statements are prepared anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#define POSTGRES_READS_RESULTS
#include "worker/driver/driver.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/recover.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/wait.h"

/* answers that are passed by, beside two for each statement under way */
#define SOME_ANSWERS	16

bool
dbsync_postgres_mark(PostgresTarget *target, const List *tables, PostgresMark *mark)
{
	ListCell   *lc;

	/* what goes before it is none of its business */
	if (!dbsync_postgres_merge_finish(target) || !dbsync_postgres_settle(target))
		return false;
	mark->n = 0;
	mark->tables = palloc(sizeof(PostgresTableMark) * Max(list_length(tables), 1));
	foreach(lc, tables)
	{
		DbsyncTargetTable *table = lfirst(lc);
		PostgresTableMark *of = &mark->tables[mark->n++];

		of->table = table;
		memcpy(of->stages, table->stages, sizeof(of->stages));
		of->guarded = table->guarded;
		of->emptied = table->emptied;
		of->tuples = table->tuples;
	}
	mark->joined_by_index = target->joined_by_index;
	mark->batch_rows = target->batch_rows;
	return dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN, "SAVEPOINT dbsync");
}

bool
dbsync_postgres_keep(PostgresTarget *target)
{
	return dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN, "RELEASE SAVEPOINT dbsync");
}

/* A COPY that is open is broken off, from whichever side. */
static bool
end_copy(PostgresTarget *target)
{
	target->rows.copying = false;
	return PQputCopyEnd(target->conn, "dbsync: the row before is not for this table") == 1 ? dbsync_postgres_flush(target)
		: dbsync_postgres_lost(target);
}

/* Read all that the server has to say to what it was sent. */
static bool
pass_answers(PostgresTarget *target)
{
	int			most = target->nsteps * 2 + SOME_ANSWERS;

	if (target->rows.copying && !end_copy(target))
		return false;
	if (target->pipelined && !target->synced)
	{
		if (PQpipelineSync(target->conn) == 0 || !dbsync_postgres_flush(target))
			return dbsync_postgres_lost(target);
		target->synced = true;
	}
	while (most-- > 0)
	{
		PGresult   *result = dbsync_postgres_next_result(target);

		if (target->broken)
			return false;
		if (result == NULL && !target->pipelined)
			return true;
		if (result != NULL && PQresultStatus(result) == PGRES_COPY_IN && !end_copy(target))
			return false;
		if (result == NULL || PQresultStatus(result) != PGRES_PIPELINE_SYNC)
			continue;
		if (PQexitPipelineMode(target->conn) == 0)
			return dbsync_postgres_lost(target);
		target->pipelined = target->synced = false;
		return true;
	}
	return dbsync_postgres_violated(target, "There is no end of it.");
}

/* Nobody knows which of them the server has. */
static bool
prepare_anew(PostgresTarget *target)
{
	ListCell   *lc;

	memset(target->prepared, 0, sizeof(target->prepared));
	foreach(lc, target->tables)
	{
		DbsyncTargetTable *table = lfirst(lc);

		memset(table->prepared, 0, sizeof(table->prepared));
		table->nmasks = table->npatterns = 0;
	}
	return dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN, "DEALLOCATE ALL");
}

static void
restore(PostgresTarget *target, const PostgresMark *mark)
{
	for (int i = 0; i < mark->n; i++)
	{
		const PostgresTableMark *of = &mark->tables[i];

		memcpy(of->table->stages, of->stages, sizeof(of->stages));
		of->table->guarded = of->guarded;
		of->table->emptied = of->emptied;
		of->table->tuples = of->tuples;
	}
	target->joined_by_index = mark->joined_by_index;
	target->batch_rows = mark->batch_rows;
	memset(&target->merge, 0, sizeof(target->merge));
	target->together = NIL;
	target->rows.table = NULL;
	target->nsteps = 0;
}

bool
dbsync_postgres_go_back(PostgresTarget *target, const PostgresMark *mark)
{
	if (target->broken || PQstatus(target->conn) == CONNECTION_BAD || !pass_answers(target))
		return false;
	restore(target, mark);
	return dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN, "ROLLBACK TO SAVEPOINT dbsync") &&
		dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN, "RELEASE SAVEPOINT dbsync") &&
		prepare_anew(target) && dbsync_postgres_settle(target);
}

static void
let_go(const char *words)
{
	if (words != NULL)
		pfree(unconstify(char *, words));
}

void
dbsync_postgres_forget_fault(PostgresTarget *target)
{
	DbsyncFault *fault = &target->base.fault;

	let_go(fault->message);
	let_go(fault->detail);
	let_go(fault->hint);
	let_go(fault->context);
	let_go(fault->late);
	memset(fault, 0, sizeof(DbsyncFault));
}
