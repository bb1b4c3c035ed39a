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

static const char *const unique_sql =
"SELECT NOT EXISTS (SELECT FROM pg_partition_tree($1::oid) t JOIN pg_partitioned_table p ON p.partrelid = t.relid"
" CROSS JOIN unnest(p.partattrs::int2[]) AS k(attnum)"
" LEFT JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = k.attnum"
/* an expression is in no unique index */
" WHERE k.attnum = 0 OR a.attname NOT IN (SELECT r.attname FROM pg_attribute r"
"  WHERE r.attrelid = $1::oid AND r.attnum = ANY (CAST($2 AS int2[]))))";

bool
dbsync_postgres_ask_unique(PostgresTarget *target, const DbsyncTargetTable *table,
						   const int *attnums, bool *can)
{
	const char *values[2] = {psprintf("%u", table->relid), NULL};
	const char **numbers = palloc(sizeof(char *) * Max(table->nkeys, 1));
	const PostgresAnswer *answer;

	for (int k = 0; k < table->nkeys; k++)
		numbers[k] = psprintf("%d", attnums[table->keys[k]]);
	values[1] = dbsync_postgres_array_text(table->nkeys, numbers);
	answer = dbsync_postgres_query(target, unique_sql, 2, values, "1b");
	if (answer == NULL)
		return false;
	*can = dbsync_postgres_answer_bool(answer, 0, 0);
	return true;
}
