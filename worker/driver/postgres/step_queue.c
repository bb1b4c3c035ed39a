/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/step_queue.c
 *	  PostgreSQL driver: how statements are put into the pipeline.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/step_queue.h"

bool
dbsync_postgres_enter_pipeline(PostgresTarget *target)
{
	if (target->pipelined)
		return true;
	if (PQenterPipelineMode(target->conn) == 0)
		return dbsync_postgres_lost(target);
	target->pipelined = true;
	return true;
}

void
dbsync_postgres_add_step(PostgresTarget *target, PostgresStepKind kind, const DbsyncTargetTable *table)
{
	if (target->nsteps == target->maxsteps)
	{
		target->maxsteps = Max(target->maxsteps * 2, 64);
		target->steps = target->steps
			? repalloc(target->steps, target->maxsteps * sizeof(PostgresStep))
			: MemoryContextAlloc(target->base.context,
								 target->maxsteps * sizeof(PostgresStep));
	}
	memset(&target->steps[target->nsteps], 0, sizeof(PostgresStep));
	target->steps[target->nsteps].kind = kind;
	target->steps[target->nsteps].table = table;
	target->nsteps++;
}

bool
dbsync_postgres_queue_prepare(PostgresTarget *target, const DbsyncTargetTable *table,
			  const char *name, const char *sql, int nparams, const Oid *types)
{
	if (PQsendPrepare(target->conn, name, sql, nparams, types) == 0)
		return dbsync_postgres_lost(target);
	dbsync_postgres_add_step(target, POSTGRES_STEP_PLAIN, table);
	return true;
}

bool
dbsync_postgres_queue_prepared(PostgresTarget *target, PostgresStepKind kind,
			   const DbsyncTargetTable *table, const char *name,
			   int nparams, const char *const *values, const int *lengths, const int *formats)
{
	/* once this is set, a lost connection may have committed */
	if (kind == POSTGRES_STEP_COMMIT)
		target->commit_sent = true;
	if (PQsendQueryPrepared(target->conn, name, nparams, values, lengths, formats, 0) == 0)
		return dbsync_postgres_lost(target);
	dbsync_postgres_add_step(target, kind, table);
	return true;
}
