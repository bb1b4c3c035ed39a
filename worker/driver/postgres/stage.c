/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/stage.c
 *	  PostgreSQL driver: temporary tables from which rows are written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/stage.h"
#include "worker/driver/postgres/step.h"

bool
dbsync_postgres_stage_make(PostgresTarget *target, DbsyncTargetTable *table, PostgresStageKind kind)
{
	PostgresStage *stage = &table->stages[kind];

	if (!stage->made)
	{
		if (!dbsync_postgres_execute(target, table, dbsync_postgres_stage_create_sql(table, kind), NULL))
			return false;
		stage->made = true;
	}
	else if (stage->filled == target->batches &&
			 !dbsync_postgres_execute(target, table,
									  psprintf("TRUNCATE %s", dbsync_postgres_stage_name(table, kind)),
									  NULL))
		return false;			/* filled earlier in this very transaction */
	stage->filled = target->batches;
	return true;
}
