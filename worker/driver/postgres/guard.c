/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/guard.c
 *	  PostgreSQL driver: is a table still what it was when it was looked up?
 *
 * A table is looked up once per connection, and nobody tells us of DDL on the
 * target.  Where statements name columns and types, a change makes them fail or
 * does not matter.  A binary COPY into the table takes eight bytes for whatever
 * the column has become, and a row that is deleted and inserted loses a column
 * that the target has been given since.  So these begin with a lock, under which
 * what they rely on is compared.  Queued, it costs no round trip; a table that has
 * changed raises on the server, and is looked up anew with the next connection.
 *
 * Triggers and rules can leave out any row that we write, which is no error on the server.
 * So the last statements of each batch look whether its tables have got some: what was
 * made before we wrote is seen by then, and what is made later waits for our locks.
 * Code there, a CHECK or a trigger that is accepted, can also change settings that say
 * what rows behind it mean, or what fires for them.  They look for that as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/step.h"

/*
 * Which relation stands behind the name, its columns, and whether a delete and an
 * insert could be told from an update: by triggers, rules, publications of some
 * kinds only, and rows elsewhere that reference it.  Not by the flags of pg_class, which
 * outlive the last rule or trigger until a VACUUM.  Parameter: its name.
 */
#define FACTS_SQL \
	"SELECT concat_ws(' '," \
	" c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)" \
	" AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgenabled <> 'D'" \
	"  AND (g.tgenabled <> 'O' OR current_setting('session_replication_role') <> 'replica'))" \
	" AND NOT EXISTS (SELECT FROM pg_publication WHERE NOT (pubinsert AND pubupdate AND pubdelete))" \
	" AND NOT " POSTGRES_IS_REFERENCED "," \
	" c.oid, (SELECT string_agg(concat_ws(':', a.attnum, a.attname, a.atttypid, a.attgenerated), ' '" \
	"  ORDER BY a.attnum) FROM pg_attribute a" \
	"  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))" \
	" FROM pg_class c WHERE c.oid = $1::regclass"

const char *
dbsync_postgres_look_at_facts_sql(void)
{
	return FACTS_SQL;
}

/* the planner cannot work the cast out beforehand, as it does not know the case */
const char *
dbsync_postgres_same_facts_sql(void)
{
	return "SELECT CAST(CASE WHEN (" FACTS_SQL ") = $2 THEN '1'"
		" ELSE 'dbsync: the table has changed' END AS integer)";
}

bool
dbsync_postgres_look_at_facts(PostgresTarget *target, DbsyncTargetTable *table)
{
	const char *values[1] = {table->quoted};
	const PostgresAnswer *answer = dbsync_postgres_query_fixed(target, POSTGRES_LOOK_AT_FACTS,
															   1, values, "?t");

	if (answer == NULL)
		return false;
	table->facts = pstrdup(dbsync_postgres_answer_rows(answer) == 1
						   ? dbsync_postgres_answer_text(answer, 0, 0) : "");
	if (table->facts[0] != 't')
		table->replaceable = false;
	return true;
}

bool
dbsync_postgres_guard(PostgresTarget *target, DbsyncTargetTable *table)
{
	const char *values[2] = {table->quoted, table->facts};

	if (!dbsync_postgres_merge_finish(target))
		return false;
	if (table->guarded == target->batches)
		return true;
	table->guarded = target->batches;
	if (!dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_PLAIN,
								   psprintf("LOCK TABLE %s IN ROW EXCLUSIVE MODE", table->only)) ||
		!dbsync_postgres_queue_fixed(target, POSTGRES_SAME_FACTS, 2, values))
		return false;
	target->steps[target->nsteps - 1].table = table;
	return true;
}

void
dbsync_postgres_touch(PostgresTarget *target, DbsyncTargetTable *table)
{
	MemoryContext old;

	if (table->touched == target->batches)
		return;
	table->touched = target->batches;
	old = MemoryContextSwitchTo(target->base.context);
	target->touched = lappend(target->touched, table);
	MemoryContextSwitchTo(old);
}

/*
 * Parameters: a table's name and its oid.  One row by its oid: the server keeps one plan
 * for that, where it plans arrays anew each time.
 */
static char *
same_table_sql(bool replica, const char *condition)
{
	return psprintf("SELECT CAST(CASE WHEN pg_client_encoding() <> '%s'"
					" OR current_setting('array_nulls') <> 'on' OR current_setting('lc_monetary') <> 'C'"
					"%s THEN '" POSTGRES_SETTINGS_MOVED "'"
					" WHEN c.oid = CAST($2 AS oid) AND %s"
					" THEN '1' ELSE 'dbsync: the table has changed' END AS integer)"
					" FROM pg_class c WHERE c.oid = CAST($1 AS regclass)",
					GetDatabaseEncodingName(),
					replica ? " OR current_setting('session_replication_role') <> 'replica'" : "", condition);
}

/* what goes for most tables, and costs a third: no trigger and no rule of any kind */
char *
dbsync_postgres_same_bare_table_sql(const PostgresTarget *target)
{
	return same_table_sql(target->replica_role, "c.relkind = 'r' AND NOT c.relhasrules AND NOT c.relhastriggers");
}

/* As it was refused or not when looked up; $3: are triggers accepted?  Then rows are counted. */
char *
dbsync_postgres_same_table_sql(const PostgresTarget *target)
{
	return same_table_sql(target->replica_role,
						  "NOT ("
						  "  c.relhasrules AND EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND " POSTGRES_IS_RULE ")"
						  "  OR NOT CAST($3 AS boolean) AND ("
						  "   c.relhastriggers AND EXISTS (SELECT FROM pg_trigger g"
						  "    WHERE g.tgrelid = c.oid AND " POSTGRES_IS_TRIGGER ")"
						  "   OR c.relkind = 'p' AND EXISTS (SELECT FROM pg_trigger g"
						  "    WHERE g.tgrelid IN (SELECT relid FROM pg_partition_tree(c.oid)) AND " POSTGRES_IS_TRIGGER ")))");
}

bool
dbsync_postgres_guard_touched(PostgresTarget *target)
{
	ListCell   *lc;

	foreach(lc, target->touched)
	{
		DbsyncTargetTable *table = lfirst(lc);
		const char *values[3];

		values[0] = table->quoted;
		values[1] = psprintf("%u", table->relid);
		values[2] = table->swallows ? "true" : "false";
		if (!(table->bare
			  ? dbsync_postgres_queue_fixed(target, POSTGRES_SAME_BARE_TABLE, 2, values)
			  : dbsync_postgres_queue_fixed(target, POSTGRES_SAME_TABLE, 3, values)))
			return false;
		target->steps[target->nsteps - 1].table = table;
	}
	list_free(target->touched);
	target->touched = NIL;
	return true;
}
