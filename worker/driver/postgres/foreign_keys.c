/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/foreign_keys.c
 *	  PostgreSQL driver: foreign keys that are checked as rows come.
 *
 * Where the session may set session_replication_role none are, and nothing is asked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/foreign_keys.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/step.h"

/*
 * A key of a partition, or to one, is one of the table that it is part of.  What a target table is
 * part of counts as well: the key of the whole binds the part.  Deferrable last.  (NOT ENFORCED: from
 * PostgreSQL 18 on.)
 */
#define KEYS_SHAPE	"*iitb"
static const char *const keys_sql =
"WITH wanted AS MATERIALIZED ("
" SELECT c.oid, o.n FROM unnest(CAST($1 AS text[]), CAST($2 AS text[])) WITH ORDINALITY AS o(schema, name, n)"
" JOIN pg_namespace s ON s.nspname = o.schema JOIN pg_class c ON c.relnamespace = s.oid AND c.relname = o.name),"
" parts AS MATERIALIZED ("
" SELECT w.oid, w.n FROM wanted w"
" UNION SELECT CAST(t.relid AS oid), w.n FROM wanted w JOIN pg_class c ON c.oid = w.oid AND c.relkind = 'p',"
"  LATERAL pg_partition_tree(w.oid) t"
" UNION SELECT CAST(t.relid AS oid), w.n FROM wanted w JOIN pg_class c ON c.oid = w.oid AND c.relispartition,"
"  LATERAL pg_partition_ancestors(w.oid) t)"
" SELECT DISTINCT CAST(coalesce(child.n, 0) AS integer), CAST(coalesce(parent.n, 0) AS integer),"
"  format('%I of table %I.%I', k.conname, n.nspname, c.relname), k.condeferrable"
" FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
" LEFT JOIN parts child ON child.oid = k.conrelid LEFT JOIN parts parent ON parent.oid = k.confrelid"
" WHERE k.contype = 'f' AND (child.n IS NOT NULL OR parent.n IS NOT NULL)"
" AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'"
" ORDER BY 1, 2, 3";

bool
dbsync_postgres_foreign_keys(DbsyncTarget *base, int ntables, const char **schemas,
							 const char **tables, bool *checked, List **keys)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[2];
	const PostgresAnswer *answer;

	*keys = NIL;
	target->defers = false;
	*checked = !target->replica_role;
	if (target->replica_role || ntables == 0)
		return true;
	values[0] = dbsync_postgres_array_text(ntables, schemas);
	values[1] = dbsync_postgres_array_text(ntables, tables);
	if (!dbsync_postgres_begin(target, "off", NULL))
		return false;
	answer = dbsync_postgres_query(target, keys_sql, 2, values, KEYS_SHAPE);
	if (answer == NULL)
		return false;
	for (int row = 0; row < dbsync_postgres_answer_rows(answer); row++)
	{
		DbsyncForeignKey *key = palloc(sizeof(DbsyncForeignKey));

		key->child = (int) dbsync_postgres_answer_int(answer, row, 0) - 1;
		key->parent = (int) dbsync_postgres_answer_int(answer, row, 1) - 1;
		key->name = pstrdup(dbsync_postgres_answer_text(answer, row, 2));
		target->defers |= dbsync_postgres_answer_bool(answer, row, 3);
		*keys = lappend(*keys, key);
	}
	return dbsync_postgres_commit(target);
}

/* Each makes a transaction block of what has been sent, which it needs. */
bool
dbsync_postgres_check_now(PostgresTarget *target)
{
	return !target->defers ||
		dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN, "SET CONSTRAINTS ALL IMMEDIATE");
}

bool
dbsync_postgres_check_later(PostgresTarget *target)
{
	return !target->defers ||
		dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN, "SET CONSTRAINTS ALL DEFERRED");
}
