/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/clear.c
 *	  PostgreSQL driver: rows that are in the way of others.
 *
 * Rows in mode CLEAR are staged, and what has one of their unique values under another
 * key is deleted.  Which values are unique is the source's word; the table's own indexes
 * say by which operators they are equal, and find the rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/clear.h"
#include "worker/driver/postgres/internal.h"
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

bool
dbsync_postgres_rows_clear(DbsyncTarget *base, DbsyncTargetTable *table, List *sets)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const PostgresAnswer *answer;
	List	   *statements = NIL;
	ListCell   *lc;

	/* no row has come */
	if (table->stages[POSTGRES_STAGE_ROWS].filled != target->batches)
		return true;
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
