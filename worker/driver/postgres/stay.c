/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/stay.c
 *	  PostgreSQL driver: may a row that is refused stay as it was?
 *
 * It may lead to one that goes by and by, and with ON DELETE CASCADE goes with it, and takes along others that nobody has
 * parked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/stay.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/table.h"

static const char *const cascades_sql =
"SELECT EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = CAST($1 AS oid) AND k.confdeltype = 'c')"
" AND EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = CAST($1 AS oid) AND k.confdeltype IN ('c', 'n', 'd'))";

/* Could a row of it go along with another one, and take others along? */
static bool
cascades(PostgresTarget *target, const DbsyncTargetTable *table, bool *does)
{
	const char *values[1] = {psprintf("%u", table->relid)};
	const PostgresAnswer *answer = dbsync_postgres_query(target, cascades_sql, 1, values, "1b");

	if (answer == NULL)
		return false;
	*does = dbsync_postgres_answer_bool(answer, 0, 0);
	return true;
}

static bool
is_there(PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncRow *row, bool *is)
{
	const char *values[INDEX_MAX_KEYS];
	const PostgresAnswer *answer;

	for (int k = 0; k < table->nkeys; k++)
		values[k] = row->values[table->keys[k]];
	answer = dbsync_postgres_query(target, psprintf("SELECT EXISTS (SELECT FROM %s)", dbsync_postgres_one_row_sql(table)), table->nkeys, values, "1b");
	if (answer == NULL)
		return false;
	*is = dbsync_postgres_answer_bool(answer, 0, 0);
	return true;
}

bool
dbsync_postgres_look_for_old(PostgresTarget *target, PostgresDoubted *doubted)
{
	PostgresMark mark;
	DbsyncFault said;
	bool		does;
	bool		is;

	if (target->replica_role || doubted->row.kind != DBSYNC_ROW_INSERT)
		return true;
	if (!cascades(target, doubted->table, &does))
		return false;
	if (!does)
		return true;
	if (!dbsync_postgres_mark(target, list_make1(doubted->table), &mark))
		return false;
	/* a key that its columns cannot have is not there */
	if (!is_there(target, doubted->table, &doubted->row, &is))
		return dbsync_postgres_doubted_back(target, &mark, &said);
	if (is)
		doubted->row.kind = DBSYNC_ROW_UPDATE;
	return dbsync_postgres_keep(target);
}

bool
dbsync_postgres_may_stay(PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncRow *row, const DbsyncFault *said)
{
	bool		does;

	if (target->replica_role || row->kind != DBSYNC_ROW_UPDATE || row->parked != NULL)
		return true;
	if (!cascades(target, table, &does))
		return false;
	if (!does)
		return true;
	(void) dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  psprintf("a row of target table %s is refused, and foreign keys could delete what it was", table->label),
								  psprintf("It cannot be parked: others lead to it, and would go with it. It was refused: %s",
										   said->message ? said->message : "without a word"),
								  "Mend the cause on the target. Where dbsync's user may set session_replication_role, foreign keys are not"
								  " checked there, and such rows are parked.");
	target->base.fault.kind = DBSYNC_FAULT_TOO_MANY;
	target->base.fault.rows_of = table;
	return false;
}
