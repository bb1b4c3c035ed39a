/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/compare_sql.c
 *	  PostgreSQL driver: what is asked of a target's table that is compared, as SQL.
 *
 * Rows are hashed by their text, which the pins make the same on both ends (DbsyncReadForm says how).  Where encodings differ
 * its bytes are those of UTF-8; as PostgreSQL hashes text alone, they are written as hexadecimal digits.
 *
 * A subquery has each row's hash of its key, k, and its columns, c1 and so on, so that nothing is worked out twice: OFFSET
 * keeps the planner from putting it into what is around it.  ('0' is a constant of the type that OFFSET takes: with 0,
 * which is to be cast yet, the planner would not think of parallel workers.)  Rows that do not matter are left out within, where only
 * the key has been looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"

#include "worker/driver/postgres/compare_sql.h"

/* what is being asked, and of what */
typedef struct Asking
{
	StringInfoData sql;
	const DbsyncTargetTable *table;
	const DbsyncReadRequest *request;
	bool		hex;
} Asking;

static void
begin(Asking *a, const PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncReadRequest *request)
{
	initStringInfo(&a->sql);
	a->table = table;
	a->request = request;
	a->hex = target != NULL && target->reading.hex;
}

/* --- texts and their hashes --- */

/* A cast that somebody has made for a type may say something else than its output function. */
DbsyncReadHow
dbsync_postgres_compares_how(const PostgresColumn *column)
{
	switch (column->base_type)
	{
		case INT2OID:
		case INT4OID:
			return DBSYNC_READ_INTEGER;
		case INT8OID:
			return DBSYNC_READ_BIGINT;
		case TEXTOID:
		case VARCHAROID:
		case BOOLOID:
			return DBSYNC_READ_TEXT;
		default:
			return column->casts_to_text ? DBSYNC_READ_IN_IMAGE : DBSYNC_READ_TEXT;
	}
}

/* Text as it is hashed, and listed: between the two. */
static void
append_bytes_begin(Asking *a)
{
	appendStringInfoString(&a->sql, a->hex ? "encode(convert_to(" : "");
}

static void
append_bytes_end(Asking *a)
{
	appendStringInfo(&a->sql, "%s COLLATE pg_catalog.\"C\"", a->hex ? ", 'UTF8'), 'hex')" : "");
}

/* The text's hash. */
static void
append_hash_begin(Asking *a)
{
	appendStringInfoString(&a->sql, "hashtextextended(");
	append_bytes_begin(a);
}

static void
append_hash_end(Asking *a, const char *seed)
{
	append_bytes_end(a);
	appendStringInfo(&a->sql, ", %s)", seed);
}

/* The hash of a column's value, of one that has its own, up to the seed, behind which comes append_value_hash_end().  "name" leads to the column. */
static void
append_value_hash_begin(Asking *a, const PostgresColumn *column, const char *name)
{
	switch (dbsync_postgres_compares_how(column))
	{
		case DBSYNC_READ_INTEGER:
			appendStringInfo(&a->sql, "hashint8extended(CAST(%s AS bigint), ", name);
			return;
		case DBSYNC_READ_BIGINT:
			appendStringInfo(&a->sql, "hashint8extended(CAST(%s AS bigint), hashint8extended(CAST(%s AS bigint) >> 32, ", name, name);
			return;
		default:
			append_hash_begin(a);
			/* its cast writes true and false */
			appendStringInfo(&a->sql, column->base_type == BOOLOID ? "CAST(boolout(%s) AS pg_catalog.text)" : "CAST(%s AS pg_catalog.text)", name);
			append_bytes_end(a);
			appendStringInfoString(&a->sql, ", ");
	}
}

static void
append_value_hash_end(Asking *a, const PostgresColumn *column)
{
	appendStringInfoString(&a->sql, dbsync_postgres_compares_how(column) == DBSYNC_READ_BIGINT ? "))" : ")");
}

/* ROW(...) of all columns, or of the key's, of alias t; as text */
static void
append_image(Asking *a, bool key)
{
	const DbsyncTargetTable *table = a->table;
	int			n = key ? table->nkeys : table->ncolumns;

	appendStringInfoString(&a->sql, "CAST(ROW(");
	for (int i = 0; i < n; i++)
		appendStringInfo(&a->sql, "%st.%s", i > 0 ? ", " : "", table->columns[key ? table->keys[i] : i].quoted);
	appendStringInfoString(&a->sql, ") AS pg_catalog.text)");
}

/* The image by which a row is listed: of its key, or without one of all of it. */
static void
append_listed(Asking *a)
{
	append_bytes_begin(a);
	append_image(a, a->table->nkeys > 0);
	append_bytes_end(a);
}

static void
append_image_hash(Asking *a, bool key)
{
	append_hash_begin(a);
	append_image(a, key);
	append_hash_end(a, psprintf(INT64_FORMAT, a->request->seed));
}

static bool
is_in_image(const PostgresColumn *column)
{
	return dbsync_postgres_compares_how(column) == DBSYNC_READ_IN_IMAGE;
}

static void
append_key_hash(Asking *a)
{
	const DbsyncTargetTable *table = a->table;

	for (int k = 0; k < table->nkeys; k++)
	{
		if (!is_in_image(&table->columns[table->keys[k]]))
			continue;
		append_image_hash(a, true);
		return;
	}
	/* the last one is outermost */
	for (int k = table->nkeys - 1; k >= 0; k--)
	{
		const PostgresColumn *column = &table->columns[table->keys[k]];

		appendStringInfoString(&a->sql, "coalesce(");
		append_value_hash_begin(a, column, psprintf("t.%s", column->quoted));
	}
	appendStringInfo(&a->sql, INT64_FORMAT, a->request->seed);
	for (int k = 0; k < table->nkeys; k++)
	{
		append_value_hash_end(a, &table->columns[table->keys[k]]);
		appendStringInfoString(&a->sql, ", 0)");
	}
}

/* Of columns that have no hash of their own, if there are such. */
static void
append_others_hash(Asking *a)
{
	const DbsyncTargetTable *table = a->table;
	int			n = 0;

	for (int i = 0; i < table->ncolumns; i++)
	{
		if (table->columns[i].is_key || !is_in_image(&table->columns[i]))
			continue;
		if (n == 0)
		{
			appendStringInfoString(&a->sql, " # ");
			append_hash_begin(a);
		}
		appendStringInfo(&a->sql, "%sc%d", n++ == 0 ? "CAST(ROW(" : ", ", i + 1);
	}
	if (n == 0)
		return;
	appendStringInfoString(&a->sql, ") AS pg_catalog.text)");
	append_hash_end(a, "k");
}

/* The hash of a row, with a key, by what the subquery has of it. */
static void
append_row_hash(Asking *a)
{
	const DbsyncTargetTable *table = a->table;

	appendStringInfoString(&a->sql, "k");
	for (int i = 0; i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		if (column->is_key || is_in_image(column))
			continue;
		appendStringInfoString(&a->sql, " # coalesce(");
		append_value_hash_begin(a, column, psprintf("c%d", i + 1));
		appendStringInfo(&a->sql, "k # %d", i + 1);
		append_value_hash_end(a, column);
		appendStringInfo(&a->sql, ", %d)", i + 1);
	}
	append_others_hash(a);
}

/* --- rows --- */

/* The bits as a constant of type bytea, where get_bit() counts them as we do. */
static void
append_wanted(Asking *a)
{
	appendStringInfoString(&a->sql, "get_bit('\\x");
	for (int i = 0; i < (a->request->buckets + 7) / 8; i++)
		appendStringInfo(&a->sql, "%02x", a->request->wanted[i]);
	appendStringInfoString(&a->sql, "'::bytea, ");
}

/* The bucket is one of those that are asked for; "what" appends the hash that says which it is. */
static void
append_choice(Asking *a, void (*what) (Asking *a))
{
	const DbsyncReadRequest *request = a->request;

	if (request->what == DBSYNC_READ_BUCKETS && request->below >= request->buckets)
		return;
	appendStringInfoString(&a->sql, " WHERE ");
	if (request->what == DBSYNC_READ_IMAGES)
		append_wanted(a);
	appendStringInfoString(&a->sql, "CAST(");
	what(a);
	appendStringInfo(&a->sql, " & %d AS integer)", request->buckets - 1);
	if (request->what == DBSYNC_READ_IMAGES)
		appendStringInfoString(&a->sql, ") = 1");
	else
		appendStringInfo(&a->sql, " < %d", request->below);
}

/* FROM rows of a table with a key. */
static void
append_rows(Asking *a)
{
	const DbsyncTargetTable *table = a->table;

	appendStringInfoString(&a->sql, " FROM (SELECT ");
	append_key_hash(a);
	appendStringInfoString(&a->sql, " AS k");
	if (a->request->what == DBSYNC_READ_IMAGES)
	{
		appendStringInfoString(&a->sql, ", ");
		append_listed(a);
		appendStringInfoString(&a->sql, " AS i");
	}
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (!table->columns[i].is_key)
			appendStringInfo(&a->sql, ", t.%s AS c%d", table->columns[i].quoted, i + 1);
	}
	appendStringInfo(&a->sql, " FROM %s AS t", table->only);
	append_choice(a, append_key_hash);
	appendStringInfoString(&a->sql, " OFFSET '0') AS r");
}

static void
append_h(Asking *a)
{
	appendStringInfoString(&a->sql, "h");
}

/* FROM rows of one that has none: the hash is of all there is. */
static void
append_keyless_rows(Asking *a)
{
	appendStringInfoString(&a->sql, " FROM (SELECT ");
	append_image_hash(a, false);
	appendStringInfoString(&a->sql, " AS h");
	if (a->request->what == DBSYNC_READ_IMAGES)
	{
		appendStringInfoString(&a->sql, ", ");
		append_listed(a);
		appendStringInfoString(&a->sql, " AS i");
	}
	appendStringInfo(&a->sql, " FROM %s AS t OFFSET '0') AS r", a->table->only);
	append_choice(a, append_h);
}

char *
dbsync_postgres_buckets_sql(const PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncReadRequest *request)
{
	bool		keyed = table->nkeys > 0;
	Asking		a;

	begin(&a, target, table, request);
	appendStringInfo(&a.sql, "SELECT CAST(%s & %d AS integer), count(*), CAST(sum(", keyed ? "k" : "h", request->buckets - 1);
	if (keyed)
		append_row_hash(&a);
	else
		append_h(&a);
	appendStringInfoString(&a.sql, ") AS text)");
	if (keyed)
		append_rows(&a);
	else
		append_keyless_rows(&a);
	appendStringInfoString(&a.sql, " GROUP BY 1");
	return a.sql.data;
}

char *
dbsync_postgres_images_sql(const PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncReadRequest *request)
{
	Asking		a;

	begin(&a, target, table, request);
	appendStringInfoString(&a.sql, "DECLARE dbsync_images NO SCROLL CURSOR FOR SELECT i, ");
	if (table->nkeys > 0)
	{
		append_row_hash(&a);
		append_rows(&a);
		appendStringInfoString(&a.sql, " ORDER BY 1, 2");
	}
	else
	{
		appendStringInfoString(&a.sql, "count(*)");
		append_keyless_rows(&a);
		appendStringInfoString(&a.sql, " GROUP BY 1 ORDER BY 1");
	}
	return a.sql.data;
}

/* --- rows by their keys --- */

/* Of an array's text. */
static void
append_element(StringInfo buf, const char *value)
{
	appendStringInfoChar(buf, '"');
	for (const char *p = value; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *p);
	}
	appendStringInfoChar(buf, '"');
}

char *
dbsync_postgres_key_values(const DbsyncReadRequest *request, int k)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	foreach(lc, request->keys)
	{
		if (foreach_current_index(lc) > 0)
			appendStringInfoChar(&buf, ',');
		append_element(&buf, ((const char **) lfirst(lc))[k]);
	}
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

char *
dbsync_postgres_compared_rows_sql(const DbsyncTargetTable *table, int longest)
{
	Asking		a;

	begin(&a, NULL, table, NULL);
	appendStringInfo(&a.sql, "SELECT n, CASE WHEN octet_length(i) <= %d THEN i END FROM (SELECT CAST(w.n - 1 AS integer) AS n, ", longest);
	append_image(&a, false);
	appendStringInfoString(&a.sql, " AS i FROM unnest(");
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&a.sql, "%s$%d::text[]", k > 0 ? ", " : "", k + 1);
	appendStringInfoString(&a.sql, ") WITH ORDINALITY AS w(");
	for (int k = 0; k < table->nkeys; k++)
		appendStringInfo(&a.sql, "k%d, ", k + 1);
	appendStringInfo(&a.sql, "n) JOIN %s AS t ON ", table->only);
	for (int k = 0; k < table->nkeys; k++)
	{
		const PostgresColumn *column = &table->columns[table->keys[k]];

		appendStringInfo(&a.sql, "%st.%s %s CAST(w.k%d AS %s)", k > 0 ? " AND " : "", column->quoted, column->equals,
						 k + 1, column->cast_type);
	}
	appendStringInfoString(&a.sql, " OFFSET '0') AS r ORDER BY 1");
	return a.sql.data;
}
