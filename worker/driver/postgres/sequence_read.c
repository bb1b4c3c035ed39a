/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/sequence_read.c
 *	  PostgreSQL driver: is a column's sequence ahead of the rows?
 *
 * The rows are those of the snapshot that the table is read by, and the sequence is what it is now: it only ever gets
 * further.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/sequence_read.h"
#include "worker/driver/postgres/step.h"

/* One that has given no value yet stands before its first one; of several, the one of an identity column. */
#define SEQUENCE_SHAPE	"?tLL"
static const char *const sequence_sql =
"SELECT format('%%I.%%I', n.nspname, c.relname),"
" CASE WHEN has_sequence_privilege(c.oid, 'USAGE, SELECT')"
"  THEN coalesce(pg_sequence_last_value(c.oid), q.seqstart - q.seqincrement) END,"
" CAST((SELECT %s(t.%s) FROM %s AS t) AS bigint)"
" FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'"
" JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence q ON q.seqrelid = c.oid"
" JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
" WHERE d.classid = CAST('pg_class' AS regclass) AND d.objsubid = 0 AND d.refclassid = CAST('pg_class' AS regclass)"
" AND d.refobjid = $1 AND a.attname = $2 AND d.deptype IN ('a', 'i') AND NOT q.seqcycle"
" ORDER BY d.deptype = 'i' DESC, c.oid LIMIT 1";

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

bool
dbsync_postgres_read_sequence(DbsyncTarget *base, DbsyncTargetTable *table, int column, bool descending,
							  DbsyncReadSequence *sequence)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const PostgresColumn *of = &table->columns[column];
	const char *values[2] = {psprintf("%u", table->relid), of->name};
	const PostgresAnswer *answer;

	memset(sequence, 0, sizeof(*sequence));
	if (!is_integer(of->base_type))
		return true;
	answer = dbsync_postgres_query(target, psprintf(sequence_sql, descending ? "min" : "max", of->quoted, table->only),
								   2, values, SEQUENCE_SHAPE);
	if (answer == NULL)
		return false;
	if (dbsync_postgres_answer_rows(answer) == 0 || dbsync_postgres_answer_is_null(answer, 0, 1) ||
		dbsync_postgres_answer_is_null(answer, 0, 2))
		return true;
	sequence->found = true;
	sequence->name = pstrdup(dbsync_postgres_answer_text(answer, 0, 0));
	sequence->last = dbsync_postgres_answer_int(answer, 0, 1);
	sequence->furthest = dbsync_postgres_answer_int(answer, 0, 2);
	return true;
}
