/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/acting.c
 *	  PostgreSQL driver: a foreign key that acts on what references a value.
 *
 * Asked only as a value moves from row to row, and so anew each time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/acting.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/led_to.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/step.h"

/*
 * Columns that can be null meanwhile: of a key that takes a null for no reference one is enough, of MATCH FULL it is
 * all.  Rows are found again by the primary key, or else by another unique one over columns that are never null.
 */
#define ACTING_SHAPE	"*tttotttttttTTTTTbbtttTTtt"
static const char *const acting_sql =
"SELECT quote_ident(k.conname), concat_ws('.', e.nspname, c.relname),"
" concat(CASE c.relkind WHEN 'r' THEN 'ONLY ' END, format('%I.%I', e.nspname, c.relname)), c.oid,"
" k.confdeltype, k.confupdtype, parent.same, child.taken, child.refs, child.value, child.unchanged,"
" CASE WHEN k.confmatchtype <> 'f' THEN child.offs[1] WHEN child.loose THEN array_to_string(child.offs, ', ') END,"
" CASE WHEN k.confmatchtype <> 'f' THEN child.backs[1] WHEN child.loose THEN array_to_string(child.backs, ', ') END,"
" CASE WHEN NOT coalesce(own.names && child.names, false) THEN child.again END, own.key, own.found, coalesce(child.fixed, false),"
" has_schema_privilege(e.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'UPDATE'),"
" array_to_string(parent.names, ', '), array_to_string(child.names, ', '), CAST(child.names AS text),"
" CAST(CASE WHEN k.confmatchtype <> 'f' THEN child.off_names[1:1] WHEN child.loose THEN child.off_names END AS text), k.form,"
" child.given, child.other"
" FROM (SELECT k.*, parent.names, parent.same, parent.form FROM" POSTGRES_ACTING_KEYS ") k"
" CROSS JOIN LATERAL (SELECT k.names, k.same) parent"
" JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace e ON e.oid = c.relnamespace"
" CROSS JOIN LATERAL (SELECT string_agg(format('p.%I AS v%s', z.attname, u.n), ', ' ORDER BY u.n) AS taken,"
"  string_agg(format('n.%I AS f%s', z.attname, u.n), ', ' ORDER BY u.n) AS given,"
"  format('CAST(ROW(%s) AS record) OPERATOR(pg_catalog.*<>) CAST(ROW(%s) AS record)',"
"   string_agg(format('CAST(x.%I AS %s)', a.attname, format_type(z.atttypid, NULL)), ', ' ORDER BY u.n),"
"   string_agg(format('m.f%s', u.n), ', ' ORDER BY u.n)) AS other,"
"  string_agg(format('m.v%s OPERATOR(%I.%s) x.%I', u.n, fs.nspname, fo.oprname, a.attname), ' AND ' ORDER BY u.n) AS refs,"
"  string_agg(format('x.%I AS r%s', a.attname, u.n), ', ' ORDER BY u.n) AS value,"
"  string_agg(format('x.%I OPERATOR(%I.%s) w.r%s', a.attname, ss.nspname, so.oprname, u.n), ' AND ' ORDER BY u.n) AS unchanged,"
"  array_agg(format('%I = NULL', a.attname) ORDER BY u.n) FILTER (WHERE f.loose) AS offs,"
"  array_agg(format('%I = w.r%s', a.attname, u.n) ORDER BY u.n) FILTER (WHERE f.loose) AS backs,"
"  CASE WHEN NOT bool_or(f.fixed) THEN string_agg(format('%I = w.r%s', a.attname, u.n), ', ' ORDER BY u.n) END AS again,"
"  bool_or(f.fixed) AS fixed, bool_and(f.loose) AS loose,"
"  array_agg(CAST(a.attname AS text) ORDER BY u.n) AS names,"
"  array_agg(CAST(a.attname AS text) ORDER BY u.n) FILTER (WHERE f.loose) AS off_names"
"  FROM unnest(k.conkey, k.confkey, k.conpfeqop, k.conffeqop) WITH ORDINALITY AS u(attnum, parent, other, own, n)"
"  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum JOIN pg_type y ON y.oid = a.atttypid"
"  JOIN pg_attribute z ON z.attrelid = k.confrelid AND z.attnum = u.parent"
"  JOIN pg_operator fo ON fo.oid = u.other JOIN pg_namespace fs ON fs.oid = fo.oprnamespace"
"  JOIN pg_operator so ON so.oid = u.own JOIN pg_namespace ss ON ss.oid = so.oprnamespace"
"  CROSS JOIN LATERAL (SELECT q.fixed, NOT q.fixed AND NOT a.attnotnull AND NOT y.typnotnull AS loose"
"   FROM (SELECT a.attgenerated <> '' OR a.attidentity = 'a' OR EXISTS (SELECT FROM pg_constraint r"
"    WHERE r.contype = 'f' AND r.confrelid = k.conrelid AND a.attnum = ANY (r.confkey)) AS fixed) q) f) child"
" LEFT JOIN LATERAL (SELECT i.indexrelid, array_agg(CAST(a.attname AS text)) AS names,"
"  string_agg(format('x.%I AS k%s', a.attname, u.n), ', ' ORDER BY u.n) AS key,"
"  string_agg(format('x.%I OPERATOR(%I.%s) w.k%s', a.attname, s.nspname, o.oprname, u.n), ' AND ' ORDER BY u.n) AS found"
"  FROM pg_index i"
"  CROSS JOIN LATERAL unnest(CAST(i.indkey AS int2[]), CAST(i.indclass AS oid[])) WITH ORDINALITY AS u(attnum, class, n)"
"  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum"
"  JOIN pg_opclass f ON f.oid = u.class"
"  JOIN pg_amop p ON p.amopfamily = f.opcfamily AND p.amopstrategy = 3"
"   AND p.amoplefttype = f.opcintype AND p.amoprighttype = f.opcintype"
"  JOIN pg_operator o ON o.oid = p.amopopr JOIN pg_namespace s ON s.oid = o.oprnamespace"
"  WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid"
"  AND i.indpred IS NULL AND i.indexprs IS NULL AND u.n <= i.indnkeyatts"
"  GROUP BY i.indexrelid, i.indisprimary HAVING bool_and(a.attnotnull)"
"  ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1) own ON true"
" ORDER BY 2, 1";

static PostgresActing *
read_key(const PostgresAnswer *answer, int row)
{
	PostgresActing *key = palloc0(sizeof(PostgresActing));
	int			f = 0;

	key->name = dbsync_postgres_field(answer, row, f++);
	key->label = dbsync_postgres_field(answer, row, f++);
	key->child = dbsync_postgres_field(answer, row, f++);
	key->child_id = (Oid) dbsync_postgres_answer_int(answer, row, f++);
	key->on_delete = dbsync_postgres_answer_text(answer, row, f++)[0];
	key->on_update = dbsync_postgres_answer_text(answer, row, f++)[0];
	key->same = dbsync_postgres_field(answer, row, f++);
	key->taken = dbsync_postgres_field(answer, row, f++);
	key->references = dbsync_postgres_field(answer, row, f++);
	key->value = dbsync_postgres_field(answer, row, f++);
	key->unchanged = dbsync_postgres_field(answer, row, f++);
	key->off = dbsync_postgres_field(answer, row, f++);
	key->back = dbsync_postgres_field(answer, row, f++);
	key->again = dbsync_postgres_field(answer, row, f++);
	key->key = dbsync_postgres_field(answer, row, f++);
	key->found = dbsync_postgres_field(answer, row, f++);
	key->fixed = dbsync_postgres_answer_bool(answer, row, f++);
	key->allowed = dbsync_postgres_answer_bool(answer, row, f++);
	key->parent_columns = dbsync_postgres_field(answer, row, f++);
	key->child_columns = dbsync_postgres_field(answer, row, f++);
	key->columns = dbsync_postgres_field(answer, row, f++);
	key->off_columns = dbsync_postgres_field(answer, row, f++);
	key->form = dbsync_postgres_field(answer, row, f++);
	key->given = dbsync_postgres_field(answer, row, f++);
	key->other = dbsync_postgres_field(answer, row, f++);
	return key;
}

bool
dbsync_postgres_acting_keys(PostgresTarget *target, const DbsyncTargetTable *table, List **keys)
{
	const char *values[3];
	const PostgresAnswer *answer;

	*keys = NIL;
	dbsync_postgres_led_to_parameters(table, values);
	answer = dbsync_postgres_query(target, acting_sql, 3, values, ACTING_SHAPE);
	if (answer == NULL)
		return dbsync_postgres_refused_by(target, table->label);
	for (int row = 0; row < dbsync_postgres_answer_rows(answer); row++)
		*keys = lappend(*keys, read_key(answer, row));
	return true;
}

static const char *const kin_sql =
"SELECT CAST($1 AS oid) = CAST($2 AS oid)"
" OR EXISTS (SELECT FROM pg_partition_tree(CAST($1 AS oid)) t WHERE t.relid = CAST($2 AS oid))"
" OR EXISTS (SELECT FROM pg_partition_tree(CAST($2 AS oid)) t WHERE t.relid = CAST($1 AS oid)),"
" CAST($3 AS text[]) <@ CAST($4 AS text[]), CAST($3 AS text[]) && CAST($4 AS text[]),"
" coalesce(CAST($6 AS text[]) && CAST($5 AS text[]), false), CAST($3 AS text[]) && CAST($5 AS text[])";

bool
dbsync_postgres_acting_kin(PostgresTarget *target, const PostgresActing *key,
						   const DbsyncTargetTable *staged, PostgresKin *kin)
{
	const char *of_staged[3];
	const char *values[6];
	const PostgresAnswer *answer;

	dbsync_postgres_led_to_parameters(staged, of_staged);
	values[0] = psprintf("%u", key->child_id);
	values[1] = of_staged[0];
	values[2] = key->columns;
	values[3] = of_staged[2];
	values[4] = of_staged[1];
	values[5] = key->off_columns;
	answer = dbsync_postgres_query(target, kin_sql, 6, values, "1bbbbb");
	if (answer == NULL)
		return false;
	kin->related = dbsync_postgres_answer_bool(answer, 0, 0);
	kin->whole = kin->related && dbsync_postgres_answer_bool(answer, 0, 1);
	kin->in_part = kin->related && !kin->whole && dbsync_postgres_answer_bool(answer, 0, 2);
	kin->off_key = kin->whole && dbsync_postgres_answer_bool(answer, 0, 3);
	kin->any_key = kin->whole && dbsync_postgres_answer_bool(answer, 0, 4);
	return true;
}
