/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/pending.c
 *	  PostgreSQL driver: what waits for the end of the transaction, and stands in the way of ALTER TABLE.
 *
 * That is foreign keys that are checked there, and constraint triggers.  In replica role only those
 * of the target's own that somebody has had fire there are left; they are called for rows of the table
 * that is altered, and for no others: a trigger that waits until all is there may look at all of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/pending.h"
#include "worker/driver/postgres/step.h"

/* of the table, and those below it */
static const char *const deferred_sql =
"WITH RECURSIVE tree (oid) AS ("
" SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2"
" UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent)"
" SELECT string_agg(DISTINCT format('%I.%I', n.nspname, k.conname), ', ')"
" FROM tree JOIN pg_trigger t ON t.tgrelid = tree.oid JOIN pg_constraint k ON k.oid = t.tgconstraint"
" JOIN pg_namespace n ON n.oid = k.connamespace WHERE t.tginitdeferred AND t.tgenabled IN ('A', 'R')";

static bool
find_deferred(Changing *changing)
{
	const char *values[2] = {changing->spec->schema, changing->spec->table};
	const PostgresAnswer *answer = dbsync_postgres_query(changing->target, deferred_sql, 2, values, "1T");

	if (answer == NULL)
		return false;
	if (!dbsync_postgres_answer_is_null(answer, 0, 0))
		changing->deferred = pstrdup(dbsync_postgres_answer_text(answer, 0, 0));
	return true;
}

static bool
set_constraints(const Changing *changing, const char *when)
{
	return changing->deferred == NULL ||
		dbsync_postgres_execute(changing->target, NULL, psprintf("SET CONSTRAINTS %s %s", changing->deferred, when), NULL);
}

bool
dbsync_postgres_pending_now(Changing *changing)
{
	if (!changing->target->replica_role)
		changing->deferred = "ALL";
	else if (!find_deferred(changing))
		return false;
	return set_constraints(changing, "IMMEDIATE");
}

bool
dbsync_postgres_pending_later(Changing *changing)
{
	return set_constraints(changing, "DEFERRED");
}
