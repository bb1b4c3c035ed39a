/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/count.c
 *	  PostgreSQL driver: rows of tables without a key.
 *
 * Such a row is known by all that is in it: what is deleted is any row of which the server
 * writes the same text, once the values that came have the types and lengths of its columns.
 * Text tells 1.0 from 1.00, and compares what has no "=", json say; all settings that it
 * depends on are pinned.  As text is dear, rows are told apart by "=" first, or by a hash,
 * which indexes may help with, too: equal texts are equal values, so that leaves out none.
 *
 * On the small road each row is a statement, one for each set of columns that are null in it.
 * On the large one all are looked for at once, in one pass over the table.  Rows are deleted
 * by table and ctid: of a partitioned table several rows have the same ctid.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "port/pg_bswap.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/count.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/patch.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"

/*
 * Without an index each statement reads the whole table, comparing a column or two.  To read
 * it once, and hash all rows, takes as long as so many of them.
 */
#define UNINDEXED_ROWS	32

#define HASH_RECORD_SINCE	140000

/*
 * Columns in indexes, those that come first in one before all others, with the operator by
 * which the index finds them.
 */
#define INDEXES_SHAPE	"*itb"
static const char *const indexes_sql =
"SELECT k.attnum, format('OPERATOR(%I.%s)', n.nspname, o.oprname), k.n = 1"
" FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
" JOIN pg_am m ON m.oid = c.relam AND m.amname IN ('btree', 'hash')"
" CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k(attnum, opclass, n)"
" JOIN pg_opclass f ON f.oid = k.opclass"
" JOIN pg_amop a ON a.amopfamily = f.opcfamily AND a.amopstrategy = CASE m.amname WHEN 'hash' THEN 1 ELSE 3 END"
"  AND a.amoplefttype = f.opcintype AND a.amoprighttype = f.opcintype"
" JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace"
" WHERE i.indrelid = $1 AND i.indisvalid AND i.indislive AND i.indpred IS NULL"
" AND k.n <= i.indnkeyatts AND k.attnum > 0 ORDER BY k.n, i.indexrelid";

/* The "=" of types of the system's own that can be hashed, among those of the columns. */
#define TYPES_SHAPE	"*ot"
static const char *const types_sql =
"SELECT f.opcintype, format('OPERATOR(%I.%s)', n.nspname, o.oprname)"
" FROM pg_opclass f JOIN pg_am m ON m.oid = f.opcmethod AND m.amname = 'hash'"
" JOIN pg_amop a ON a.amopfamily = f.opcfamily AND a.amopstrategy = 1"
"  AND a.amoplefttype = f.opcintype AND a.amoprighttype = f.opcintype"
" JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace"
" WHERE f.opcdefault AND f.oid < 16384 AND f.opcintype = ANY ($1::oid[])";

/* varchar has the operators of text */
static Oid
compared_as(const PostgresColumn *column)
{
	return column->base_type == VARCHAROID ? TEXTOID : column->base_type;
}

static bool
look_at_types(PostgresTarget *target, DbsyncTargetTable *table)
{
	StringInfoData types;
	const char *values[1];
	const PostgresAnswer *answer;
	int			nhashed = 0;

	initStringInfo(&types);
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&types, "%c%u", i == 0 ? '{' : ',', compared_as(&table->columns[i]));
	appendStringInfoChar(&types, '}');
	values[0] = types.data;
	answer = dbsync_postgres_query(target, types_sql, 1, values, TYPES_SHAPE);
	if (answer == NULL)
		return false;
	for (int i = 0; i < table->ncolumns; i++)
	{
		PostgresColumn *column = &table->columns[i];

		for (int row = 0; row < dbsync_postgres_answer_rows(answer); row++)
		{
			if ((Oid) dbsync_postgres_answer_int(answer, row, 0) != compared_as(column))
				continue;
			nhashed++;
			if (column->equals == NULL)
				column->equals = pstrdup(dbsync_postgres_answer_text(answer, row, 1));
			break;
		}
	}
	/* the others could be what tells rows apart */
	table->hashed = nhashed == table->ncolumns &&
		target->base.identity.version >= HASH_RECORD_SINCE;
	return true;
}

bool
dbsync_postgres_look_at_indexes(PostgresTarget *target, DbsyncTargetTable *table, const int *attnums)
{
	const char *values[1] = {psprintf("%u", table->relid)};
	const PostgresAnswer *answer = dbsync_postgres_query(target, indexes_sql, 1, values, INDEXES_SHAPE);

	if (answer == NULL)
		return false;
	table->upsertable = false;
	table->indexed = false;
	for (int row = 0; row < dbsync_postgres_answer_rows(answer); row++)
	{
		for (int i = 0; i < table->ncolumns; i++)
		{
			PostgresColumn *column = &table->columns[i];

			if (attnums[i] != (int) dbsync_postgres_answer_int(answer, row, 0))
				continue;
			if (column->equals == NULL)
				column->equals = pstrdup(dbsync_postgres_answer_text(answer, row, 1));
			table->indexed |= dbsync_postgres_answer_bool(answer, row, 2);
		}
	}
	return look_at_types(target, table);
}

bool
dbsync_postgres_count_is_large(const DbsyncTargetTable *table, int64 rows)
{
	return !table->indexed && rows > UNINDEXED_ROWS;
}

int64
dbsync_postgres_table_missing(DbsyncTargetTable *table)
{
	int64		missing = table->missing;

	table->missing = 0;
	return missing;
}

/* ROW(…) of the columns, of a table by its alias, or of the parameters. */
static void
append_row(StringInfo buf, const DbsyncTargetTable *table, const char *alias)
{
	appendStringInfoString(buf, "ROW(");
	for (int i = 0; i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		appendStringInfoString(buf, i > 0 ? ", " : "");
		if (alias != NULL)
			appendStringInfo(buf, "%s.%s", alias, column->quoted);
		else
			appendStringInfo(buf, "CAST($%d AS %s)", i + 1, column->cast_type);
	}
	appendStringInfoChar(buf, ')');
}

static void
append_image(StringInfo buf, const DbsyncTargetTable *table, const char *alias)
{
	appendStringInfoString(buf, "(CAST(");
	append_row(buf, table, alias);
	appendStringInfoString(buf, " AS pg_catalog.text) COLLATE pg_catalog.\"C\")");
}

/* What the join goes by, where the text itself does not need to be it; see table->hashed. */
static void
append_hash(StringInfo buf, const DbsyncTargetTable *table, const char *alias)
{
	appendStringInfoString(buf, "pg_catalog.hash_record(");
	append_row(buf, table, alias);
	appendStringInfoChar(buf, ')');
}

/* by what rows are deleted that were found as o and c */
#define BY_PLACE	"t.ctid OPERATOR(pg_catalog.=) f.c AND t.tableoid OPERATOR(pg_catalog.=) f.o"

/* Parameters are the columns, and how many. */
static char *
delete_sql(const DbsyncTargetTable *table, const bool *nulls)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "DELETE FROM %s AS t USING (SELECT x.tableoid AS o, x.ctid AS c FROM %s AS x WHERE ",
					 table->only, table->only);
	for (int i = 0; i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		if (nulls[i])
			appendStringInfo(&buf, "x.%s IS NULL AND ", column->quoted);
		else if (column->equals != NULL)
			appendStringInfo(&buf, "x.%s %s CAST($%d AS %s) AND ", column->quoted, column->equals,
							 i + 1, column->cast_type);
	}
	append_image(&buf, table, "x");
	appendStringInfoString(&buf, " OPERATOR(pg_catalog.=) ");
	append_image(&buf, table, NULL);
	appendStringInfo(&buf, " LIMIT $%d) AS f WHERE " BY_PLACE, table->ncolumns + 1);
	return buf.data;
}

/* number of the prepared statement for this set of nulls; < 0: none */
static int
find_pattern(const DbsyncTargetTable *table, const bool *nulls)
{
	for (int i = 0; i < table->npatterns; i++)
	{
		if (memcmp(table->patterns[i], nulls, table->ncolumns * sizeof(bool)) == 0)
			return i;
	}
	return -1;
}

static int
add_pattern(DbsyncTargetTable *table, const bool *nulls)
{
	Size		size = table->ncolumns * sizeof(bool);

	if (table->npatterns == POSTGRES_MAX_MASKS)
		return -1;
	table->patterns[table->npatterns] = memcpy(MemoryContextAlloc(table->context, size), nulls, size);
	return table->npatterns++;
}

bool
dbsync_postgres_count_row(PostgresTarget *target, const DbsyncRow *row)
{
	DbsyncTargetTable *table = target->rows.table;
	bool	   *nulls = palloc(sizeof(bool) * Max(table->ncolumns, 1));
	char	   *sql = NULL;
	int			pattern;
	bool		queued;

	for (int i = 0; i < table->ncolumns; i++)
		nulls[i] = row->values[i] == NULL;
	pattern = find_pattern(table, nulls);
	if (pattern < 0)
	{
		sql = delete_sql(table, nulls);
		pattern = add_pattern(table, nulls);
	}
	queued = dbsync_postgres_queue_count(target, table, pattern, sql, row);
	if (sql != NULL)
		pfree(sql);
	pfree(nulls);
	return queued;
}

int
dbsync_postgres_count_op(const DbsyncTargetTable *table, const DbsyncRow *row, char *op)
{
	int64		count = row->kind == DBSYNC_ROW_DELETE ? -row->count : row->count;
	uint64		ordered = pg_hton64((uint64) count);

	if (!table->binary)
		return snprintf(op, POSTGRES_OP_SIZE, INT64_FORMAT, count);
	memcpy(op, &ordered, sizeof(ordered));
	return sizeof(ordered);
}

/*
 * What differs at the source may be the same here, by the column's type: so it is summed up
 * again.  By a hash the text of most rows need not be made; IS TRUE keeps the planner from
 * hashing that, too.
 */
static char *
stage_delete_sql(const DbsyncTargetTable *table)
{
	const char *stage = dbsync_postgres_stage_name(table, POSTGRES_STAGE_COUNT);
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "WITH w AS (SELECT ");
	append_image(&buf, table, "s");
	appendStringInfoString(&buf, " AS image, ");
	if (table->hashed)
		append_hash(&buf, table, "s");
	else
		appendStringInfoString(&buf, "0");
	appendStringInfo(&buf, " AS h, pg_catalog.sum(OPERATOR(pg_catalog.-) s.%s) AS n FROM %s AS s"
					 " WHERE s.%s OPERATOR(pg_catalog.<) 0 GROUP BY 1, 2),"
					 " f AS (SELECT x.tableoid AS o, x.ctid AS c, w.n,"
					 " pg_catalog.row_number() OVER (PARTITION BY w.image) AS r FROM %s AS x JOIN w ON ",
					 table->op_column, stage, table->op_column, table->only);
	if (table->hashed)
	{
		append_hash(&buf, table, "x");
		appendStringInfoString(&buf, " OPERATOR(pg_catalog.=) w.h AND (");
	}
	append_image(&buf, table, "x");
	appendStringInfo(&buf, " OPERATOR(pg_catalog.=) w.image%s)"
					 " DELETE FROM %s AS t ", table->hashed ? ") IS TRUE" : "", table->only);
	/* without parts there is no need to join it once more */
	if (table->only != table->quoted)
		appendStringInfoString(&buf, "WHERE t.ctid OPERATOR(pg_catalog.=) ANY (ARRAY("
							   "SELECT f.c FROM f WHERE f.r OPERATOR(pg_catalog.<=) f.n))");
	else
		appendStringInfoString(&buf, "USING f WHERE f.r OPERATOR(pg_catalog.<=) f.n AND " BY_PLACE);
	return buf.data;
}

static char *
stage_insert_sql(const DbsyncTargetTable *table)
{
	StringInfoData columns;

	initStringInfo(&columns);
	for (int i = 0; i < table->ncolumns; i++)
		appendStringInfo(&columns, "%s%s", i > 0 ? ", " : "", table->columns[i].quoted);
	return psprintf("INSERT INTO %s (%s)%s SELECT %s FROM %s AS s CROSS JOIN LATERAL"
					" pg_catalog.generate_series(1, s.%s) AS dbsync_times WHERE s.%s OPERATOR(pg_catalog.>) 0",
					table->quoted, columns.data, table->overriding ? " OVERRIDING SYSTEM VALUE" : "", columns.data,
					dbsync_postgres_stage_name(table, POSTGRES_STAGE_COUNT), table->op_column, table->op_column);
}

bool
dbsync_postgres_count_stage(PostgresTarget *target)
{
	const PostgresRows *rows = &target->rows;
	DbsyncTargetTable *table = rows->table;

	if (rows->removed > 0)
	{
		if (!dbsync_postgres_merge_by_hash(target, true) ||
			!dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_COUNT, stage_delete_sql(table)))
			return false;
		dbsync_postgres_expect(target, rows->removed, &table->missing);
		if (!dbsync_postgres_merge_by_hash(target, false))
			return false;
	}
	if (rows->added == 0)
		return true;
	if (!dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_COUNT, stage_insert_sql(table)))
		return false;
	dbsync_postgres_expect(target, rows->added, NULL);
	return true;
}
