/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/columns.c
 *	  PostgreSQL driver: the columns of the target's table, and whether they take what the source has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/columns.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/step.h"

/*
 * A domain is staged as its base type: a delete's row has NULL in columns whose
 * domain may forbid it.  The target's column checks what is inserted anyway.
 */
#define COLUMNS_SHAPE	"*tiobbotttioTTttb"
static const char *const columns_sql =
"WITH RECURSIVE base AS ("
" SELECT a.attnum, a.atttypid AS type, a.atttypmod AS typmod"
" FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped"
" UNION ALL"
" SELECT b.attnum, t.typbasetype, t.typtypmod"
/* OFFSET: looked up, where the planner takes a few columns for many and would read all types */
" FROM base b CROSS JOIN LATERAL (SELECT x.* FROM pg_type x WHERE x.oid = b.type OFFSET 0) t WHERE t.typtype = 'd')"
" SELECT a.attname, a.attnum, a.atttypid, a.attidentity = 'a', a.attgenerated <> '', b.type,"
" concat(format_type(b.type, b.typmod),"
"  (SELECT format(' COLLATE %I.%I', n.nspname, c.collname)"
"   FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace"
"   WHERE c.oid = a.attcollation)), t.typname, t.typtype, b.typmod, coalesce(e.oid, 0), e.typname, e.typtype,"
" quote_ident(a.attname), format_type(b.type, b.typmod),"
" EXISTS (SELECT FROM pg_cast c WHERE c.castsource = b.type AND c.casttarget = 'text'::regtype)"
" FROM pg_attribute a JOIN base b ON b.attnum = a.attnum"
" CROSS JOIN LATERAL (SELECT x.* FROM pg_type x WHERE x.oid = b.type OFFSET 0) t"
/* elements of arrays, without a domain */
" LEFT JOIN LATERAL (SELECT x.* FROM pg_type x WHERE x.oid = t.typelem OFFSET 0) d ON t.typlen = -1 AND t.typcategory = 'A'"
" LEFT JOIN LATERAL (SELECT x.* FROM pg_type x"
"  WHERE x.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END OFFSET 0) e ON true"
" WHERE a.attrelid = $1 AND t.typtype <> 'd' ORDER BY a.attnum";

const char *
dbsync_postgres_look_at_columns_sql(void)
{
	return columns_sql;
}

/* the row of the answer that has this column, or -1 */
static int
find_column(const PostgresAnswer *answer, const char *name)
{
	for (int row = 0; row < dbsync_postgres_answer_rows(answer); row++)
	{
		if (strcmp(dbsync_postgres_answer_text(answer, row, 0), name) == 0)
			return row;
	}
	return -1;
}

static bool
is_ours(const DbsyncTargetTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->spec.columns[i].name, name) == 0)
			return true;
	}
	return false;
}

/* fault that names all columns of the spec that have the flaw in question */
static bool
refuse_columns(PostgresTarget *target, DbsyncTargetTable *table, int sqlstate,
			   const char *list, const char *complaint, const char *hint)
{
	return dbsync_postgres_refuse(target, sqlstate,
								  psprintf("target table %s %s: %s", table->label, complaint, list),
								  NULL, hint);
}

static void
fill_column(PostgresColumn *column, const PostgresAnswer *answer, int row)
{
	column->name = pstrdup(dbsync_postgres_answer_text(answer, row, 0));
	column->quoted = pstrdup(dbsync_postgres_answer_text(answer, row, 13));
	column->type = (Oid) dbsync_postgres_answer_int(answer, row, 2);
	column->identity_always = dbsync_postgres_answer_bool(answer, row, 3);
	column->base_type = (Oid) dbsync_postgres_answer_int(answer, row, 5);
	column->stage_type = pstrdup(dbsync_postgres_answer_text(answer, row, 6));
	column->cast_type = pstrdup(dbsync_postgres_answer_text(answer, row, 14));
	column->casts_to_text = dbsync_postgres_answer_bool(answer, row, 15);
	column->type_name = pstrdup(dbsync_postgres_answer_text(answer, row, 7));
	column->type_kind = dbsync_postgres_answer_text(answer, row, 8)[0];
	column->typmod = (int32) dbsync_postgres_answer_int(answer, row, 9);
	column->element = (Oid) dbsync_postgres_answer_int(answer, row, 10);
	if (!OidIsValid(column->element) || dbsync_postgres_answer_is_null(answer, row, 11) ||
		dbsync_postgres_answer_is_null(answer, row, 12))
		return;
	column->element_name = pstrdup(dbsync_postgres_answer_text(answer, row, 11));
	column->element_kind = dbsync_postgres_answer_text(answer, row, 12)[0];
}

/*
 * May values of the type be meant for it?  Rows travel as text, so more would go than casts do; but who has
 * chosen a boolean for a number, say, has made a mistake.  Of users' types only their text can tell.
 */
static bool
goes_together(Oid source, Oid target)
{
	char		category;
	bool		preferred;

	if (source == target || source >= FirstNormalObjectId || target >= FirstNormalObjectId ||
		!SearchSysCacheExists1(TYPEOID, ObjectIdGetDatum(target)))
		return true;
	get_type_category_preferred(source, &category, &preferred);
	return category == TYPCATEGORY_STRING || category == TYPCATEGORY_UNKNOWN ||
		can_coerce_type(1, &source, &target, COERCION_ASSIGNMENT);
}

static bool
check_chosen_types(PostgresTarget *target, const DbsyncTargetTable *table)
{
	for (int i = 0; table->spec.chosen && i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		if (!goes_together(table->spec.columns[i].type, column->base_type))
			return dbsync_postgres_refuse(target, ERRCODE_DATATYPE_MISMATCH,
										  psprintf("column %s of target table %s is of type %s, and what is sent to it of type %s",
												   column->quoted, table->label, column->cast_type, format_type_be(table->spec.columns[i].type)),
										  NULL, "Cast what is sent, or alter the target's column.");
	}
	return true;
}

/* *attnums: number of each column, for the indexes */
bool
dbsync_postgres_look_at_columns(PostgresTarget *target, DbsyncTargetTable *table, int *attnums)
{
	const char *values[1] = {psprintf("%u", table->relid)};
	const PostgresAnswer *answer = dbsync_postgres_query_fixed(target, POSTGRES_LOOK_AT_COLUMNS,
															   1, values, COLUMNS_SHAPE);
	StringInfoData missing;
	StringInfoData generated;
	StringInfoData plain;

	if (answer == NULL)
		return false;
	initStringInfo(&missing);
	initStringInfo(&generated);
	initStringInfo(&plain);
	for (int i = 0; i < table->ncolumns; i++)
	{
		const char *name = table->spec.columns[i].name;
		int			row = find_column(answer, name);

		if (row < 0)
			appendStringInfo(&missing, "%s%s", missing.len > 0 ? ", " : "", quote_identifier(name));
		else if (dbsync_postgres_answer_bool(answer, row, 4))
			appendStringInfo(&generated, "%s%s", generated.len > 0 ? ", " : "", quote_identifier(name));
		else
		{
			fill_column(&table->columns[i], answer, row);
			attnums[i] = (int) dbsync_postgres_answer_int(answer, row, 1);
		}
	}
	for (int i = 0; i < table->spec.ngenerated; i++)
	{
		const char *name = table->spec.generated[i];
		int			row = find_column(answer, name);

		if (row >= 0 && !dbsync_postgres_answer_bool(answer, row, 4))
			appendStringInfo(&plain, "%s%s", plain.len > 0 ? ", " : "", quote_identifier(name));
	}
	/* a column that is the target's own would be lost with the row */
	for (int row = 0; row < dbsync_postgres_answer_rows(answer); row++)
	{
		if (!dbsync_postgres_answer_bool(answer, row, 4) &&
			!is_ours(table, dbsync_postgres_answer_text(answer, row, 0)))
		{
			table->has_own = true;
			table->replaceable = false;
		}
	}
	if (missing.len > 0)
		return refuse_columns(target, table, ERRCODE_UNDEFINED_COLUMN, missing.data,
							  "lacks columns", "Add them on the target.");
	if (generated.len > 0)
		return refuse_columns(target, table, ERRCODE_GENERATED_ALWAYS, generated.data,
							  "generates columns that the source sends",
							  "Make them ordinary columns on the target, or generated ones on the source.");
	if (plain.len > 0)
		return refuse_columns(target, table, ERRCODE_GENERATED_ALWAYS, plain.data,
							  "does not generate columns that the source generates",
							  "Make them generated columns on the target too, or drop them there.");
	return check_chosen_types(target, table);
}
