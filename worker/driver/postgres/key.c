/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/key.c
 *	  PostgreSQL driver: the index by which the target's rows are found.
 *
 * Best is a unique one over just the key's columns.  A plain one that begins with them will
 * do, too: that no key is there twice follows from the source, but there is no upsert then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/equality.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/key.h"
#include "worker/driver/postgres/partitioned.h"
#include "worker/driver/postgres/step.h"

/*
 * Key columns of all indexes that could find a row, with each
 * column's equality operator, and whether equal values are always the same
 * bytes (support function 4 says so for the type, the collation must agree; a
 * blank-padded string without a length is an exception).  Then whose equality it
 * is: that of a deterministic collation, its name, and of operators that the type
 * has by default, or that come with PostgreSQL.
 */
#define INDEXES_SHAPE	"*obitbbTbb"
static const char *const indexes_sql =
"SELECT i.indexrelid, i.indimmediate, k.attnum, format('OPERATOR(%I.%s)', n.nspname, o.oprname),"
" COALESCE(l.collisdeterministic, true) AND f.opcintype <> 'bpchar'::regtype"
" AND EXISTS (SELECT FROM pg_amproc p WHERE p.amprocfamily = f.opcfamily"
"  AND p.amproclefttype = f.opcintype AND p.amprocrighttype = f.opcintype AND p.amprocnum = 4),"
" COALESCE(l.collisdeterministic, true), l.collname, f.opcdefault OR f.oid < 16384, i.indisunique"
" FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
" JOIN pg_am m ON m.oid = c.relam AND m.amname = 'btree'"
" CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[])"
"  WITH ORDINALITY AS k(attnum, opclass, coll, n)"
" JOIN pg_opclass f ON f.oid = k.opclass"
" JOIN pg_amop a ON a.amopfamily = f.opcfamily AND a.amopstrategy = 3"
"  AND a.amoplefttype = f.opcintype AND a.amoprighttype = f.opcintype"
" JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace"
" LEFT JOIN pg_collation l ON l.oid = k.coll"
" WHERE i.indrelid = $1 AND i.indisvalid AND i.indislive AND k.n <= i.indnkeyatts"
" AND i.indpred IS NULL AND (i.indexprs IS NULL OR NOT i.indisunique)"
" ORDER BY NOT i.indisunique, NOT i.indimmediate, i.indexrelid, k.n";

const char *
dbsync_postgres_look_at_key_sql(void)
{
	return indexes_sql;
}

/* number of the key column with this attribute number, or -1 */
static int
key_column(const DbsyncTargetTable *table, const int *attnums, int attnum)
{
	for (int k = 0; k < table->nkeys; k++)
	{
		if (attnums[table->keys[k]] == attnum)
			return table->keys[k];
	}
	return -1;
}

/*
 * Rows [first, first + n) of the answer are the columns of one index.  One that is not unique
 * may have more of them behind the key's, each of which comes once.
 */
static bool
index_is_key(const DbsyncTargetTable *table, const int *attnums, const PostgresAnswer *answer,
			 int first, int n)
{
	bool		unique = dbsync_postgres_answer_bool(answer, first, 8);

	if (unique ? n != table->nkeys : n < table->nkeys)
		return false;
	for (int i = first; i < first + table->nkeys; i++)
	{
		int			attnum = (int) dbsync_postgres_answer_int(answer, i, 2);

		if (key_column(table, attnums, attnum) < 0)
			return false;
		for (int j = first; j < i; j++)
		{
			if (dbsync_postgres_answer_int(answer, j, 2) == attnum)
				return false;
		}
	}
	return true;
}

/* columns in which it takes different keys of the source for one, as a list; NULL: none */
static char *
coarse_columns(const DbsyncTargetTable *table, const int *attnums, const PostgresAnswer *answer,
			   int first, int n)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = first; i < first + n; i++)
	{
		int			column = key_column(table, attnums, (int) dbsync_postgres_answer_int(answer, i, 2));
		const char *why = dbsync_postgres_coarser(table, column,
												  dbsync_postgres_answer_bool(answer, i, 5),
												  dbsync_postgres_answer_text(answer, i, 6),
												  dbsync_postgres_answer_bool(answer, i, 7));

		if (why != NULL)
			appendStringInfo(&list, "%s%s (%s)", list.len > 0 ? ", " : "",
							 table->columns[column].quoted, why);
	}
	return list.len > 0 ? list.data : NULL;
}

static void
take_index(DbsyncTargetTable *table, const int *attnums, const PostgresAnswer *answer,
		   int first, int n)
{
	for (int i = first; i < first + n; i++)
	{
		PostgresColumn *column =
			&table->columns[key_column(table, attnums, (int) dbsync_postgres_answer_int(answer, i, 2))];

		column->equals = pstrdup(dbsync_postgres_answer_text(answer, i, 3));
		column->same_if_equal = dbsync_postgres_answer_bool(answer, i, 4);
	}
}

/*
 * A row whose key differs at the source alone would clash with the other, or be
 * written over it.
 */
static bool
refuse_coarse_key(PostgresTarget *target, DbsyncTargetTable *table, const char *list)
{
	return dbsync_postgres_refuse(target, ERRCODE_INVALID_TABLE_DEFINITION,
								  psprintf("the key of target table %s may take different keys of the source for one: %s",
										   table->label, list),
								  "One row would be written over the other.",
								  "On the target, give these columns the type and the collation that they have at the source.");
}

static bool
refuse_key(PostgresTarget *target, DbsyncTargetTable *table)
{
	const char **names = palloc(sizeof(char *) * table->nkeys);
	StringInfoData key;
	bool		unique;
	bool		plain;

	for (int k = 0; k < table->nkeys; k++)
		names[k] = table->columns[table->keys[k]].name;
	if (!dbsync_postgres_ask_indexes(target, &table->spec, table->nkeys, names, &unique, &plain))
		return false;
	initStringInfo(&key);
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&key, "%s%s", k > 0 ? ", " : "", table->columns[table->keys[k]].quoted);
	return dbsync_postgres_refuse(target, ERRCODE_INVALID_TABLE_DEFINITION,
								  psprintf("target table %s has no unique index on (%s), nor a plain one that begins so",
										   table->label, key.data),
								  unique ? "Rows are found again on the target by the key of the source table."
								  : "Rows are found again on the target by the key of the source table. A unique index would have"
								  " to have all columns that partitions go by there; a plain one will do.",
								  psprintf("On the target: CREATE %sINDEX ON %s (%s);", unique ? "UNIQUE " : "",
										   table->quoted, key.data));
}

/*
 * Unique indexes come first, immediate ones before others.  A deferrable one on the same
 * columns spoils ON CONFLICT even beside an immediate one: the server considers both.  A
 * plain one is of no use for it.
 */
bool
dbsync_postgres_look_at_key(PostgresTarget *target, DbsyncTargetTable *table, const int *attnums)
{
	const char *values[1] = {psprintf("%u", table->relid)};
	const PostgresAnswer *answer = dbsync_postgres_query_fixed(target, POSTGRES_LOOK_AT_KEY,
															   1, values, INDEXES_SHAPE);
	const char *coarse = NULL;
	bool		found = false;
	int			n;

	if (answer == NULL)
		return false;
	for (int first = 0; first < dbsync_postgres_answer_rows(answer); first += n)
	{
		char	   *complaint;
		bool		unique;

		n = 1;
		while (first + n < dbsync_postgres_answer_rows(answer) &&
			   dbsync_postgres_answer_int(answer, first + n, 0) == dbsync_postgres_answer_int(answer, first, 0))
			n++;
		if (!index_is_key(table, attnums, answer, first, n))
			continue;
		unique = dbsync_postgres_answer_bool(answer, first, 8);
		if (unique ? !dbsync_postgres_answer_bool(answer, first, 1) : !found)
			table->upsertable = false;
		complaint = coarse_columns(table, attnums, answer, first, table->nkeys);
		if (complaint != NULL)
		{
			coarse = complaint;
			continue;
		}
		if (!found)
			take_index(table, attnums, answer, first, table->nkeys);
		found = true;
	}
	if (found)
		return true;
	return coarse ? refuse_coarse_key(target, table, coarse) : refuse_key(target, table);
}
