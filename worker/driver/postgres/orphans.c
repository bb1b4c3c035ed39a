/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/orphans.c
 *	  PostgreSQL driver: staged rows that lead to rows which are not there.
 *
 * One statement writes rows that lead to one another, and is refused as a whole if a single one of them leads to a row
 * that was refused before.  The server names one key then, and no row.  So the stages are asked beforehand, by the keys that the
 * target has, until no more are found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/orphans.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"

/* a foreign key of one of the tables */
typedef struct Link
{
	DbsyncTargetTable *child;
	DbsyncTargetTable *parent;	/* NULL: none of the tables */
	const char *relation;		/* the parent, as SQL names it */
	int			n;
	char	  **columns;		/* of the child, */
	char	  **led_to;			/* of the parent, */
	char	  **operators;		/* which are equal by these, the parent's first */
} Link;

static const char *const links_sql =
"SELECT k.conrelid, k.confrelid, CAST(k.confrelid AS regclass),"
" (SELECT array_agg(a.attname ORDER BY c.n) FROM unnest(k.conkey) WITH ORDINALITY c (num, n)"
"  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.num),"
" (SELECT array_agg(a.attname ORDER BY c.n) FROM unnest(k.confkey) WITH ORDINALITY c (num, n)"
"  JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.num),"
" (SELECT array_agg(format('OPERATOR(%I.%s)', n.nspname, o.oprname) ORDER BY c.n) FROM unnest(k.conpfeqop) WITH ORDINALITY c (op, n)"
"  JOIN pg_operator o ON o.oid = c.op JOIN pg_namespace n ON n.oid = o.oprnamespace)"
" FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = ANY (CAST($1 AS oid[])) ORDER BY k.oid";

static DbsyncTargetTable *
find_table(const List *tables, Oid relid)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		if (((DbsyncTargetTable *) lfirst(lc))->relid == relid)
			return lfirst(lc);
	}
	return NULL;
}

static bool
has_column(const DbsyncTargetTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Are all of its columns staged, so that they can be compared? */
static bool
is_staged(const Link *link)
{
	for (int i = 0; i < link->n; i++)
	{
		if (!has_column(link->child, link->columns[i]) ||
			(link->parent != NULL && !has_column(link->parent, link->led_to[i])))
			return false;
	}
	return true;
}

static bool
find_links(PostgresTarget *target, const List *tables, List **links)
{
	StringInfoData oids;
	const char *values[1];
	const PostgresAnswer *answer;
	ListCell   *lc;

	initStringInfo(&oids);
	foreach(lc, tables)
		appendStringInfo(&oids, "%c%u", oids.len == 0 ? '{' : ',', ((const DbsyncTargetTable *) lfirst(lc))->relid);
	appendStringInfoChar(&oids, '}');
	values[0] = oids.data;
	answer = dbsync_postgres_query(target, links_sql, 1, values, "*ootttt");
	if (answer == NULL)
		return false;
	*links = NIL;
	for (int row = 0; row < dbsync_postgres_answer_rows(answer); row++)
	{
		Link	   *link = palloc0(sizeof(Link));
		int			n;

		link->child = find_table(tables, (Oid) dbsync_postgres_answer_int(answer, row, 0));
		link->parent = find_table(tables, (Oid) dbsync_postgres_answer_int(answer, row, 1));
		link->relation = pstrdup(dbsync_postgres_answer_text(answer, row, 2));
		dbsync_postgres_array_parse(dbsync_postgres_answer_text(answer, row, 3), &link->n, &link->columns);
		dbsync_postgres_array_parse(dbsync_postgres_answer_text(answer, row, 4), &n, &link->led_to);
		dbsync_postgres_array_parse(dbsync_postgres_answer_text(answer, row, 5), &n, &link->operators);
		if (is_staged(link))
			*links = lappend(*links, link);
	}
	return true;
}

/* Does a row of the parent's, by its alias, have what the staged row s leads to? */
static void
append_match(StringInfo sql, const Link *link, const char *alias)
{
	for (int i = 0; i < link->n; i++)
		appendStringInfo(sql, "%s%s.%s %s s.%s", i > 0 ? " AND " : "", alias, quote_identifier(link->led_to[i]),
						 link->operators[i], quote_identifier(link->columns[i]));
}

static char *
leave_sql(const Link *link)
{
	const DbsyncTargetTable *child = link->child;
	const DbsyncTargetTable *parent = link->parent;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "DELETE FROM %s AS s WHERE s.%s <> 'D'", dbsync_postgres_stage_name(child, POSTGRES_STAGE_ROWS), child->op_column);
	for (int i = 0; i < link->n; i++)
		appendStringInfo(&sql, " AND s.%s IS NOT NULL", quote_identifier(link->columns[i]));
	appendStringInfo(&sql, " AND NOT EXISTS (SELECT FROM %s AS t WHERE ", link->relation);
	append_match(&sql, link, "t");
	/* what it has of a row that is staged is about to be another, or to go */
	if (parent != NULL)
		appendStringInfo(&sql, " AND NOT EXISTS (SELECT FROM %s AS n WHERE %s)", dbsync_postgres_stage_name(parent, POSTGRES_STAGE_ROWS),
						 dbsync_postgres_key_match(parent, "t", "n"));
	appendStringInfoChar(&sql, ')');
	if (parent != NULL)
	{
		appendStringInfo(&sql, " AND NOT EXISTS (SELECT FROM %s AS n WHERE n.%s <> 'D' AND ",
						 dbsync_postgres_stage_name(parent, POSTGRES_STAGE_ROWS), parent->op_column);
		append_match(&sql, link, "n");
		appendStringInfoChar(&sql, ')');
	}
	appendStringInfoString(&sql, " RETURNING ");
	for (int k = 0; k < child->nkeys; k++)
		appendStringInfo(&sql, "%sCAST(s.%s AS text)", k > 0 ? ", " : "", child->columns[child->keys[k]].quoted);
	return sql.data;
}

/* So many less are to be written of the table. */
static void
count_out(PostgresTarget *target, const DbsyncTargetTable *table, int n)
{
	ListCell   *lc;

	foreach(lc, target->together)
	{
		PostgresTogether *staged = lfirst(lc);

		if (staged->table == table)
			staged->upserts -= n;
	}
}

static bool
leave(PostgresTarget *target, const Link *link, int *left,
	  void (*found) (void *arg, const DbsyncTargetTable *table, const char *const *key), void *arg)
{
	const DbsyncTargetTable *child = link->child;
	const char *key[INDEX_MAX_KEYS];
	StringInfoData shape;
	const PostgresAnswer *answer;

	initStringInfo(&shape);
	appendStringInfoChar(&shape, '*');
	for (int k = 0; k < child->nkeys; k++)
		appendStringInfoChar(&shape, 't');
	answer = dbsync_postgres_query(target, leave_sql(link), 0, NULL, shape.data);
	if (answer == NULL)
		return false;
	*left = dbsync_postgres_answer_rows(answer);
	for (int row = 0; row < *left; row++)
	{
		for (int k = 0; k < child->nkeys; k++)
			key[k] = dbsync_postgres_answer_text(answer, row, k);
		found(arg, child, key);
	}
	count_out(target, child, *left);
	return true;
}

bool
dbsync_postgres_orphans_leave(PostgresTarget *target, const List *tables,
							  void (*found) (void *arg, const DbsyncTargetTable *table, const char *const *key), void *arg)
{
	List	   *links;
	bool		some = true;
	ListCell   *lc;

	if (!find_links(target, tables, &links))
		return false;
	while (some)
	{
		some = false;
		foreach(lc, links)
		{
			int			left;

			if (!leave(target, lfirst(lc), &left, found, arg))
				return false;
			some |= left > 0;
		}
	}
	return true;
}
