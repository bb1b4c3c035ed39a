/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/led_to.h
 *	  PostgreSQL driver: values that foreign keys lead to, and that go from row to row.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_LED_TO_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_LED_TO_H

#include "worker/driver/driver.h"
#include "worker/driver/postgres/internal.h"

/*
 * The foreign keys k that do more than to check, and lead to columns of a table that we write and that are not
 * its key, nor more than that: such a value is its row's for good.  Parameters: the table's oid, its key's columns, and all
 * that we write.  Of partitions it is the key of the whole.  (By what depends on the table: pg_constraint has no
 * index for that.  NOT ENFORCED: from PostgreSQL 18 on.)
 */
#define POSTGRES_ACTING_KEYS \
	" pg_constraint k CROSS JOIN LATERAL (SELECT array_agg(CAST(a.attname AS text) ORDER BY u.n) AS names," \
	"  string_agg(format('p.%I OPERATOR(%I.%s) n.%I', a.attname, s.nspname, o.oprname, a.attname), ' AND ' ORDER BY u.n) AS same," \
	"  CASE WHEN k.confupdtype <> 'a' THEN format('CAST(ROW(%s) AS record) OPERATOR(pg_catalog.*<>) CAST(ROW(%s) AS record)'," \
	"   string_agg(format('p.%I', a.attname), ', ' ORDER BY u.n), string_agg(format('n.%I', a.attname), ', ' ORDER BY u.n)) END AS form," \
	"  bool_or(a.atttypid NOT IN (16, 17, 18, 20, 21, 23, 26, 1082, 1083, 1114, 1184, 2950)" \
	"   AND NOT (a.atttypid IN (25, 1043) AND EXISTS (SELECT FROM pg_collation l WHERE l.oid = a.attcollation AND l.collisdeterministic))) AS has_forms" \
	"  FROM unnest(k.confkey, k.conppeqop) WITH ORDINALITY AS u(attnum, operator, n)" \
	"  JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum" \
	"  JOIN pg_operator o ON o.oid = u.operator JOIN pg_namespace s ON s.oid = o.oprnamespace) parent" \
	" WHERE k.oid IN (SELECT d.objid FROM pg_depend d WHERE d.refclassid = CAST('pg_class' AS regclass)" \
	"  AND d.classid = CAST('pg_constraint' AS regclass) AND d.refobjid IN (SELECT CAST($1 AS oid)" \
	"   UNION SELECT CAST(relid AS oid) FROM pg_partition_ancestors(CAST($1 AS oid))" \
	"   UNION SELECT CAST(relid AS oid) FROM pg_partition_tree(CAST($1 AS oid))))" \
	" AND k.contype = 'f' AND k.conparentid = 0 AND (k.confdeltype <> 'a' OR k.confupdtype <> 'a')" \
	" AND k.confrelid IN (SELECT CAST($1 AS oid)" \
	"  UNION SELECT CAST(relid AS oid) FROM pg_partition_ancestors(CAST($1 AS oid))" \
	"  UNION SELECT CAST(relid AS oid) FROM pg_partition_tree(CAST($1 AS oid)))" \
	" AND to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false'" \
	" AND (NOT CAST($2 AS text[]) <@ parent.names OR (k.confupdtype IN ('n', 'd', 'r') AND parent.has_forms))" \
	" AND parent.names <@ CAST($3 AS text[])"

/* Its three parameters. */
extern void dbsync_postgres_led_to_parameters(const DbsyncTargetTable *table, const char **values);

/* Fill in table->led_to. */
extern bool dbsync_postgres_look_at_led_to(PostgresTarget *target, DbsyncTargetTable *table);

/* text of POSTGRES_LOOK_AT_LED_TO */
extern const char *dbsync_postgres_look_at_led_to_sql(void);

/* Condition: a value of p is n's, and p another row, or, by the condition given, of another form. */
extern char *dbsync_postgres_moves_sql(const DbsyncTargetTable *table, const char *form);

/*
 * Does the stage of rows have one that takes such a value from another row?  False: fault set; asks nothing where
 * led_to is empty.
 */
extern bool dbsync_postgres_values_move(PostgresTarget *target, const DbsyncTargetTable *table, bool *move);

/* For the worker: are upserts of several rows to go in mode TOGETHER, as a value that moves may take rows along? */
extern bool dbsync_postgres_table_is_followed(const DbsyncTargetTable *table);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_LED_TO_H */
