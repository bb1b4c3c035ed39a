/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/clear.c
 *	  PostgreSQL driver: rows that are in the way of others.
 *
 * Rows in mode CLEAR are staged, and what has one of their unique values under another
 * key is deleted.  Which values are unique is the source's word; the table's own indexes
 * say by which operators they are equal, and find the rows.  Who asks for the keys of what was deleted
 * sends these rows as well, so there the table's indexes have the word.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/clear.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"

/* of each unique index over plain columns: its columns, and by what they are equal */
#define INDEXES_SHAPE	"*ott"
static const char *const indexes_sql =
"SELECT i.indexrelid, CAST(a.attname AS text), format('OPERATOR(%I.%s)', n.nspname, o.oprname)"
" FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
" JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'"
" CROSS JOIN LATERAL unnest(CAST(i.indkey AS int2[]), CAST(i.indclass AS oid[])) WITH ORDINALITY AS k(attnum, opclass, n)"
" JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
" JOIN pg_opclass f ON f.oid = k.opclass"
" JOIN pg_amop p ON p.amopfamily = f.opcfamily AND p.amopstrategy = 3"
"  AND p.amoplefttype = f.opcintype AND p.amoprighttype = f.opcintype"
" JOIN pg_operator o ON o.oid = p.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace"
" WHERE i.indrelid = CAST($1 AS oid) AND i.indisunique AND i.indisvalid AND i.indislive"
" AND k.n <= i.indnkeyatts AND i.indpred IS NULL AND i.indexprs IS NULL"
" ORDER BY i.indexrelid, k.n";

const PostgresAnswer *
dbsync_postgres_unique_indexes(PostgresTarget *target, const DbsyncTargetTable *table)
{
	const char *values[1] = {psprintf("%u", table->relid)};

	return dbsync_postgres_query(target, indexes_sql, 1, values, INDEXES_SHAPE);
}

static int
find_column(const DbsyncTargetTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* Are the columns of an index, rows [first, first + n) of the answer, one of the sets? */
static bool
is_wanted(const DbsyncTargetTable *table, const PostgresAnswer *answer, int first, int n, const List *sets)
{
	ListCell   *lc;

	foreach(lc, sets)
	{
		const List *set = lfirst(lc);
		bool		same = list_length(set) == n;

		for (int i = first; same && i < first + n; i++)
			same = list_member_int(set, find_column(table, dbsync_postgres_answer_text(answer, i, 1)));
		if (same)
			return true;
	}
	return false;
}

static char *
clear_sql(const DbsyncTargetTable *table, const PostgresAnswer *answer, int first, int n)
{
	int		   *columns = palloc(sizeof(int) * n);
	const char **operators = palloc(sizeof(char *) * n);

	for (int i = 0; i < n; i++)
	{
		columns[i] = find_column(table, dbsync_postgres_answer_text(answer, first + i, 1));
		operators[i] = dbsync_postgres_answer_text(answer, first + i, 2);
	}
	return dbsync_postgres_stage_clear_sql(table, n, columns, operators);
}

/* The index to which row "first" of the answer belongs has so many columns. */
static int
count_columns(const PostgresAnswer *answer, int first)
{
	int			n = 1;

	while (first + n < dbsync_postgres_answer_rows(answer) &&
		   dbsync_postgres_answer_int(answer, first + n, 0) == dbsync_postgres_answer_int(answer, first, 0))
		n++;
	return n;
}

/* --- whatever the table enforces, and telling what was in the way --- */

/*
 * Each unique index whose values are worked out from the columns that are sent, $2, and that is not the key's, $3: its
 * columns or expressions, by what they are equal, and which rows are in it.
 */
#define ENFORCED_SHAPE	"*ottT"
static const char *const enforced_sql =
"SELECT i.indexrelid, pg_get_indexdef(i.indexrelid, CAST(k.n AS int), false), format('OPERATOR(%I.%s)', n.nspname, o.oprname),"
" pg_get_expr(i.indpred, i.indrelid)"
" FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
" JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'"
" CROSS JOIN LATERAL (SELECT coalesce(array_agg(CAST(a.attname AS text) ORDER BY CAST(a.attname AS text)), '{}') AS names"
"  FROM unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY AS u(attnum, n)"
"  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum WHERE u.n <= i.indnkeyatts) AS p"
" CROSS JOIN LATERAL unnest(CAST(i.indclass AS oid[])) WITH ORDINALITY AS k(opclass, n)"
" JOIN pg_opclass f ON f.oid = k.opclass"
" JOIN pg_amop q ON q.amopfamily = f.opcfamily AND q.amopstrategy = 3"
"  AND q.amoplefttype = f.opcintype AND q.amoprighttype = f.opcintype"
" JOIN pg_operator o ON o.oid = q.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace"
" WHERE i.indrelid = CAST($1 AS oid) AND i.indisunique AND i.indisvalid AND i.indislive AND k.n <= i.indnkeyatts"
" AND p.names <@ CAST($2 AS text[])"
" AND NOT (i.indexprs IS NULL AND p.names <@ CAST($3 AS text[]) AND p.names @> CAST($3 AS text[]))"
" AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
"  WHERE i.indexprs IS NOT NULL AND d.classid = CAST('pg_class' AS regclass) AND d.objid = i.indexrelid AND d.refclassid = d.classid"
"  AND d.refobjid = i.indrelid AND d.refobjsubid > 0 AND a.attname <> ALL (CAST($2 AS text[])))"
" ORDER BY i.indexrelid, k.n";

static char *
names_text(const DbsyncTargetTable *table, bool keys)
{
	int			n = keys ? table->nkeys : table->ncolumns;
	const char **names = palloc(sizeof(char *) * Max(n, 1));

	for (int i = 0; i < n; i++)
		names[i] = table->columns[keys ? table->keys[i] : i].name;
	return dbsync_postgres_array_text(n, names);
}

/* The key, and what the index has of a row; unqualified names are those of the one relation that it comes from. */
static void
append_values(StringInfo sql, const DbsyncTargetTable *table, const PostgresAnswer *answer, int first, int n)
{
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(sql, "%s AS dbsync_k%d, ", table->columns[table->keys[k]].quoted, k);
	for (int i = 0; i < n; i++)
		appendStringInfo(sql, "%s(%s) AS dbsync_u%d", i > 0 ? ", " : "", dbsync_postgres_answer_text(answer, first + i, 1), i);
}

/* Rows of index "first" of the answer, which has n columns. */
static char *
clear_enforced_sql(const DbsyncTargetTable *table, const PostgresAnswer *answer, int first, int n)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s AS t WHERE (t.tableoid, t.ctid) IN (SELECT o.dbsync_o, o.dbsync_t FROM"
					 " (SELECT tableoid AS dbsync_o, ctid AS dbsync_t, ", table->only);
	append_values(&sql, table, answer, first, n);
	appendStringInfo(&sql, " FROM %s", table->only);
	/* one that is outside of it is in nobody's way */
	if (!dbsync_postgres_answer_is_null(answer, first, 3))
		appendStringInfo(&sql, " WHERE %s", dbsync_postgres_answer_text(answer, first, 3));
	appendStringInfoString(&sql, ") AS o JOIN (SELECT ");
	append_values(&sql, table, answer, first, n);
	appendStringInfo(&sql, " FROM %s WHERE %s <> 'D') AS s ON ", dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS), table->op_column);
	for (int i = 0; i < n; i++)
		appendStringInfo(&sql, "o.dbsync_u%d %s s.dbsync_u%d AND ", i, dbsync_postgres_answer_text(answer, first + i, 2), i);
	appendStringInfoString(&sql, "NOT (");
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&sql, "%so.dbsync_k%d %s s.dbsync_k%d", k > 0 ? " AND " : "", k, table->columns[table->keys[k]].equals, k);
	appendStringInfoString(&sql, ")) RETURNING ");
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&sql, "%sCAST(t.%s AS text)", k > 0 ? ", " : "", table->columns[table->keys[k]].quoted);
	return sql.data;
}

static bool
delete_telling(PostgresTarget *target, const DbsyncTargetTable *table, const char *sql, List **keys)
{
	char	   *shape = palloc0(table->nkeys + 2);
	const PostgresAnswer *answer;

	memset(shape, 't', table->nkeys + 1);
	shape[0] = '*';
	if (!dbsync_postgres_send(target, sql, 0, NULL, shape))
		return false;
	answer = dbsync_postgres_receive(target, table, shape);
	if (answer == NULL)
		return false;
	for (int i = 0; i < dbsync_postgres_answer_rows(answer); i++)
	{
		char	  **key = palloc(sizeof(char *) * table->nkeys);

		for (int k = 0; k < table->nkeys; k++)
			key[k] = pstrdup(dbsync_postgres_answer_text(answer, i, k));
		*keys = lappend(*keys, key);
	}
	return true;
}

static bool
clear_enforced(PostgresTarget *target, const DbsyncTargetTable *table, List **keys)
{
	const char *values[3] = {psprintf("%u", table->relid), names_text(table, false), names_text(table, true)};
	const PostgresAnswer *answer = dbsync_postgres_query(target, enforced_sql, 3, values, ENFORCED_SHAPE);
	List	   *statements = NIL;
	ListCell   *lc;

	if (answer == NULL)
		return false;
	for (int first = 0, n; first < dbsync_postgres_answer_rows(answer); first += n)
	{
		n = count_columns(answer, first);
		statements = lappend(statements, clear_enforced_sql(table, answer, first, n));
	}
	foreach(lc, statements)
	{
		if (!delete_telling(target, table, lfirst(lc), keys))
			return false;
	}
	return true;
}

bool
dbsync_postgres_rows_clear(DbsyncTarget *base, DbsyncTargetTable *table, List *sets, List **keys)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const PostgresAnswer *answer;
	List	   *statements = NIL;
	ListCell   *lc;

	/* no row has come */
	if (table->stages[POSTGRES_STAGE_ROWS].filled != target->batches)
		return true;
	if (keys != NULL)
		return clear_enforced(target, table, keys);
	answer = dbsync_postgres_unique_indexes(target, table);
	if (answer == NULL)
		return false;
	for (int first = 0, n; first < dbsync_postgres_answer_rows(answer); first += n)
	{
		n = count_columns(answer, first);
		if (is_wanted(table, answer, first, n, sets))
			statements = lappend(statements, clear_sql(table, answer, first, n));
	}
	/* the answer is gone with the next one */
	foreach(lc, statements)
	{
		if (!dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_PLAIN, lfirst(lc)))
			return false;
	}
	return true;
}
