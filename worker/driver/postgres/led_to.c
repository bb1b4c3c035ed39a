/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/led_to.c
 *	  PostgreSQL driver: values that foreign keys lead to, and that go from row to row.
 *
 * A row whose key changes is one that goes and one that comes.  To the target's foreign keys
 * all values of the first have gone, though the second has them: what ON DELETE and ON UPDATE do there is done to
 * rows that lead to it rightly, and that may be in no batch.  NO ACTION alone looks whether somebody else
 * has the value.  Which tables have such keys is asked as they are looked up; that a value moves is seen in
 * a stage.
 *
 * So does a value that stays in its row and takes another form that is equal (1.0 and 1.00, or 'a' and 'A' by some
 * collations): ON UPDATE acts on what leads to it as if it had gone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/led_to.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"

const char *
dbsync_postgres_look_at_led_to_sql(void)
{
	return "SELECT parent.same, bool_or(k.confupdtype IN ('c', 'n', 'd')),"
		" bool_or(k.confrelid <> CAST($1 AS oid) AND EXISTS (SELECT FROM pg_partition_tree(CAST($1 AS oid)) t"
		"  WHERE t.relid = k.confrelid)), max(parent.form) FROM" POSTGRES_ACTING_KEYS
		" GROUP BY 1 ORDER BY 1";
}

void
dbsync_postgres_led_to_parameters(const DbsyncTargetTable *table, const char **values)
{
	const char **names = palloc(sizeof(char *) * Max(table->ncolumns, 1));
	const char **keys = palloc(sizeof(char *) * Max(table->nkeys, 1));

	for (int i = 0; i < table->ncolumns; i++)
		names[i] = table->columns[i].name;
	for (int k = 0; k < table->nkeys; k++)
		keys[k] = table->columns[table->keys[k]].name;
	values[0] = psprintf("%u", table->relid);
	values[1] = dbsync_postgres_array_text(table->nkeys, keys);
	values[2] = dbsync_postgres_array_text(table->ncolumns, names);
}

bool
dbsync_postgres_look_at_led_to(PostgresTarget *target, DbsyncTargetTable *table)
{
	const char *values[3];
	const PostgresAnswer *answer;
	MemoryContext old;

	table->led_to = NIL;
	/* rows without a key are not staged with others */
	if (target->replica_role || table->nkeys == 0)
		return true;
	dbsync_postgres_led_to_parameters(table, values);
	answer = dbsync_postgres_query_fixed(target, POSTGRES_LOOK_AT_LED_TO, 3, values, "*tbbT");
	if (answer == NULL)
		return false;
	old = MemoryContextSwitchTo(table->context);
	for (int row = 0; row < dbsync_postgres_answer_rows(answer); row++)
	{
		PostgresLedTo *led_to = palloc(sizeof(PostgresLedTo));

		led_to->same = pstrdup(dbsync_postgres_answer_text(answer, row, 0));
		led_to->on_update = dbsync_postgres_answer_bool(answer, row, 1);
		led_to->in_part = dbsync_postgres_answer_bool(answer, row, 2);
		led_to->form = dbsync_postgres_field(answer, row, 3);
		table->led_to = lappend(table->led_to, led_to);
	}
	MemoryContextSwitchTo(old);
	return true;
}

char *
dbsync_postgres_moves_sql(const DbsyncTargetTable *table, const char *form)
{
	const char *match = dbsync_postgres_key_match(table, "p", "n");

	return form ? psprintf("(NOT (%s) OR %s)", match, form) : psprintf("NOT (%s)", match);
}

bool
dbsync_postgres_values_move(PostgresTarget *target, const DbsyncTargetTable *table, bool *move)
{
	StringInfoData sql;
	const PostgresAnswer *answer;
	ListCell   *lc;

	*move = false;
	if (table->led_to == NIL)
		return true;
	initStringInfo(&sql);
	foreach(lc, table->led_to)
	{
		const PostgresLedTo *led_to = lfirst(lc);

		appendStringInfo(&sql, "%s EXISTS (SELECT FROM %s AS n JOIN %s AS p ON %s WHERE n.%s <> 'D' AND %s)",
						 foreach_current_index(lc) == 0 ? "SELECT" : " OR",
						 dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS), table->only,
						 led_to->same, table->op_column, dbsync_postgres_moves_sql(table, led_to->form));
	}
	answer = dbsync_postgres_query(target, sql.data, 0, NULL, "1b");
	if (answer == NULL)
		return dbsync_postgres_refused_by(target, table->label);
	*move = dbsync_postgres_answer_bool(answer, 0, 0);
	return true;
}

bool
dbsync_postgres_table_is_followed(const DbsyncTargetTable *table)
{
	ListCell   *lc;

	foreach(lc, table->led_to)
	{
		if (((const PostgresLedTo *) lfirst(lc))->on_update)
			return true;
	}
	return false;
}
