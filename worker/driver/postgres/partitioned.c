/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/partitioned.c
 *	  PostgreSQL driver: target tables that are partitioned, or partitions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/partitioned.h"
#include "worker/driver/postgres/step.h"

/* the first of these tables that is below this one, or above it, and which */
#define KIN_SHAPE	"?tb"
static const char *const kin_sql =
"SELECT format('%I.%I', n.nspname, c.relname), c.oid IN (SELECT relid FROM pg_partition_ancestors($1::oid))"
" FROM unnest(CAST($2 AS text[]), CAST($3 AS text[])) WITH ORDINALITY AS o(schema, name, n)"
" JOIN pg_namespace n ON n.nspname = o.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = o.name"
" WHERE c.oid <> $1::oid AND (c.oid IN (SELECT relid FROM pg_partition_ancestors($1::oid))"
"  OR c.oid IN (SELECT relid FROM pg_partition_tree($1::oid)))"
" ORDER BY o.n LIMIT 1";

bool
dbsync_postgres_check_apart(PostgresTarget *target, const DbsyncTargetTable *table,
							const DbsyncTableSpec *spec)
{
	const char *values[3] = {psprintf("%u", table->relid), NULL, NULL};
	const PostgresAnswer *answer;
	const char *kin;
	bool		above;

	if (spec->nothers == 0)
		return true;
	values[1] = dbsync_postgres_array_text(spec->nothers, spec->other_schemas);
	values[2] = dbsync_postgres_array_text(spec->nothers, spec->other_tables);
	answer = dbsync_postgres_query(target, kin_sql, 3, values, KIN_SHAPE);
	if (answer == NULL)
		return false;
	if (dbsync_postgres_answer_rows(answer) == 0)
		return true;
	kin = pstrdup(dbsync_postgres_answer_text(answer, 0, 0));
	above = dbsync_postgres_answer_bool(answer, 0, 1);
	return dbsync_postgres_refuse(target, ERRCODE_FEATURE_NOT_SUPPORTED,
								  above ? psprintf("target table %s is a partition of %s, which is a target table of the same subscription",
												   table->label, kin)
								  : psprintf("target table %s has partition %s, which is a target table of the same subscription",
											 table->label, kin),
								  "Rows of two source tables would be in one, and each of them would be taken for the other's.",
								  "Give one of them another target_table: dbsync.remove_table(), and then dbsync.add_table().");
}

static const char *const indexes_sql =
"SELECT NOT EXISTS (SELECT FROM pg_partition_tree(c.oid) t JOIN pg_partitioned_table p ON p.partrelid = t.relid"
"  CROSS JOIN unnest(p.partattrs::int2[]) AS k(attnum)"
"  LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum"
/* an expression is in no unique index */
"  WHERE k.attnum = 0 OR a.attname <> ALL (CAST($3 AS text[]))),"
" EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
"  JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'"
"  WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL"
"  AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a"
"   WHERE a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:cardinality(CAST($3 AS text[])) - 1]))"
"  = (SELECT array_agg(n ORDER BY n) FROM unnest(CAST($3 AS text[])) n))"
" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";

bool
dbsync_postgres_ask_indexes(PostgresTarget *target, const DbsyncTableSpec *spec,
							int n, const char **columns, bool *unique, bool *plain)
{
	const char *values[3] = {spec->schema, spec->table, dbsync_postgres_array_text(n, columns)};
	const PostgresAnswer *answer = dbsync_postgres_query(target, indexes_sql, 3, values, "1bb");

	if (answer == NULL)
		return false;
	*unique = dbsync_postgres_answer_bool(answer, 0, 0);
	*plain = dbsync_postgres_answer_bool(answer, 0, 1);
	return true;
}
