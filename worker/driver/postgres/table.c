/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/table.c
 *	  PostgreSQL driver: tables that are open for writing.
 *
 * A table that is opened again with the same spec keeps its address, so that
 * nobody is left with a stale one; what was prepared for it on the server goes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/foreign_keys.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/look.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/partitioned.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/table.h"

static bool
same_column(const DbsyncColumn *a, const DbsyncColumn *b)
{
	/* the oid says all, where it is known */
	if (!OidIsValid(a->type) && !OidIsValid(b->type) && strcmp(a->type_name, b->type_name) != 0)
		return false;
	return strcmp(a->name, b->name) == 0 && a->type == b->type && a->typmod == b->typmod && a->collation == b->collation;
}

static bool
same_spec(const DbsyncTableSpec *a, const DbsyncTableSpec *b)
{
	if (strcmp(a->schema, b->schema) != 0 || strcmp(a->table, b->table) != 0 ||
		a->ncolumns != b->ncolumns || a->nkeys != b->nkeys)
		return false;
	for (int i = 0; i < a->ncolumns; i++)
	{
		if (!same_column(&a->columns[i], &b->columns[i]))
			return false;
	}
	return memcmp(a->keys, b->keys, sizeof(int) * a->nkeys) == 0;
}

static const DbsyncColumn *
copy_columns(const DbsyncTableSpec *from)
{
	DbsyncColumn *columns = palloc(sizeof(DbsyncColumn) * Max(from->ncolumns, 1));

	for (int i = 0; i < from->ncolumns; i++)
	{
		columns[i] = from->columns[i];
		columns[i].name = pstrdup(columns[i].name);
		columns[i].type_name = columns[i].type_name ? pstrdup(columns[i].type_name) : NULL;
	}
	return columns;
}

static void
copy_spec(DbsyncTableSpec *to, const DbsyncTableSpec *from)
{
	*to = *from;
	to->schema = pstrdup(from->schema);
	to->table = pstrdup(from->table);
	to->columns = copy_columns(from);
	to->source = NULL;
	to->generated = palloc(sizeof(char *) * Max(from->ngenerated, 1));
	for (int i = 0; i < from->ngenerated; i++)
		to->generated[i] = pstrdup(from->generated[i]);
	to->keys = memcpy(palloc(sizeof(int) * Max(from->nkeys, 1)), from->keys,
					  sizeof(int) * from->nkeys);
	/* asked about as the table is opened; these names are the caller's */
	to->nothers = 0;
}

/* what the server holds for a table: prepared statements and the stage */
static bool
drop_remains(PostgresTarget *target, const DbsyncTargetTable *table)
{
	for (int i = 0; i < POSTGRES_TABLE_NSTATEMENTS; i++)
	{
		char	   *sql = psprintf("DEALLOCATE dbsync_table_%d_%d", table->number, i);

		if (table->prepared[i] && !dbsync_postgres_execute(target, table, sql, NULL))
			return false;
	}
	for (int i = 0; i < table->nmasks; i++)
	{
		char	   *sql = psprintf("DEALLOCATE dbsync_patch_%d_%d", table->number, i);

		if (!dbsync_postgres_execute(target, table, sql, NULL))
			return false;
	}
	for (int i = 0; i < table->npatterns; i++)
	{
		char	   *sql = psprintf("DEALLOCATE dbsync_count_%d_%d", table->number, i);

		if (!dbsync_postgres_execute(target, table, sql, NULL))
			return false;
	}
	for (int kind = 0; kind < POSTGRES_NSTAGES; kind++)
	{
		if (table->stages[kind].made &&
			!dbsync_postgres_execute(target, table,
									 psprintf("DROP TABLE %s", dbsync_postgres_stage_name(table, kind)),
									 NULL))
			return false;
	}
	return true;
}

/* empty but for its spec, in its own context */
static void
reset_table(PostgresTarget *target, DbsyncTargetTable *table, MemoryContext context,
			const DbsyncTableSpec *spec)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	memset(table, 0, sizeof(DbsyncTargetTable));
	table->context = context;
	copy_spec(&table->spec, spec);
	table->quoted = quote_qualified_identifier(table->spec.schema, table->spec.table);
	table->label = psprintf("\"%s.%s\"", table->spec.schema, table->spec.table);
	table->number = ++target->ntables;
	table->ncolumns = spec->ncolumns;
	table->nkeys = spec->nkeys;
	table->keys = table->spec.keys;
	table->columns = palloc0(sizeof(PostgresColumn) * Max(spec->ncolumns, 1));
	MemoryContextSwitchTo(old);
}

static MemoryContext
new_context(PostgresTarget *target)
{
	return AllocSetContextCreate(target->base.context, "dbsync target table",
								 ALLOCSET_SMALL_SIZES);
}

static DbsyncTargetTable *
find_table(PostgresTarget *target, const DbsyncTableSpec *spec)
{
	ListCell   *lc;

	foreach(lc, target->tables)
	{
		DbsyncTargetTable *table = lfirst(lc);

		if (same_spec(&table->spec, spec))
			return table;
	}
	return NULL;
}

static DbsyncTargetTable *
add_table(PostgresTarget *target, const DbsyncTableSpec *spec)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);
	DbsyncTargetTable *table = palloc0(sizeof(DbsyncTargetTable));

	reset_table(target, table, new_context(target), spec);
	target->tables = lappend(target->tables, table);
	MemoryContextSwitchTo(old);
	return table;
}

/* The table of this spec, as if nothing were known of it. */
static DbsyncTargetTable *
take_table(PostgresTarget *target, const DbsyncTableSpec *spec)
{
	DbsyncTargetTable *table = find_table(target, spec);
	MemoryContext stale;

	if (table == NULL)
		return add_table(target, spec);
	stale = table->context;
	if (!drop_remains(target, table))
		return NULL;
	/* the caller's spec may be our own old copy */
	reset_table(target, table, new_context(target), spec);
	MemoryContextDelete(stale);
	return table;
}

DbsyncTargetTable *
dbsync_postgres_table_open(DbsyncTarget *base, const DbsyncTableSpec *spec)
{
	PostgresTarget *target = (PostgresTarget *) base;
	DbsyncTargetTable *table;

	if (!dbsync_postgres_begin(target, "off", NULL))
		return NULL;
	table = take_table(target, spec);
	if (table == NULL || !dbsync_postgres_look(target, table) ||
		(table->partitioned && !dbsync_postgres_check_apart(target, table, spec)) ||
		!dbsync_postgres_commit(target))
		return NULL;
	return table;
}

/* within a transaction that is open */
static bool
forget_table(PostgresTarget *target, DbsyncTargetTable *table)
{
	if (!drop_remains(target, table))
		return false;
	target->tables = list_delete_ptr(target->tables, table);
	MemoryContextDelete(table->context);
	pfree(table);
	return true;
}

bool
dbsync_postgres_tables_close(DbsyncTarget *base, List *tables)
{
	PostgresTarget *target = (PostgresTarget *) base;
	ListCell   *lc;

	if (!dbsync_postgres_begin(target, "off", NULL))
		return false;
	foreach(lc, tables)
	{
		if (!forget_table(target, lfirst(lc)))
			return false;
	}
	return dbsync_postgres_commit(target);
}

DbsyncTargetTable *
dbsync_postgres_table_renew(PostgresTarget *target, DbsyncTargetTable *before,
							const DbsyncTableSpec *spec)
{
	DbsyncTargetTable *table;

	if (before != NULL && !forget_table(target, before))
		return NULL;
	table = take_table(target, spec);
	return table != NULL && dbsync_postgres_look(target, table) ? table : NULL;
}

bool
dbsync_postgres_table_lacks(DbsyncTarget *base, const DbsyncTableSpec *spec, bool *lacks)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[2] = {spec->schema, spec->table};
	const PostgresAnswer *answer;
	bool		alone;

	if (!dbsync_postgres_settle(target))
		return false;
	alone = PQtransactionStatus(target->conn) == PQTRANS_IDLE;
	if (alone && !dbsync_postgres_begin(target, "off", NULL))
		return false;
	answer = dbsync_postgres_query(target, "SELECT a.attname FROM pg_attribute a"
								   " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
								   " WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped",
								   2, values, "*t");
	if (answer == NULL)
		return false;
	for (int i = 0; i < spec->ncolumns; i++)
	{
		lacks[i] = true;
		for (int row = 0; row < dbsync_postgres_answer_rows(answer) && lacks[i]; row++)
			lacks[i] = strcmp(dbsync_postgres_answer_text(answer, row, 0), spec->columns[i].name) != 0;
	}
	return alone ? dbsync_postgres_commit(target) : true;
}

bool
dbsync_postgres_table_has_rows(DbsyncTarget *base, DbsyncTargetTable *table, bool *has_rows)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const PostgresAnswer *answer;

	if (!dbsync_postgres_begin(target, "off", NULL))
		return false;
	answer = dbsync_postgres_query(target, psprintf("SELECT EXISTS (SELECT FROM %s)", table->only),
								   0, NULL, "1b");
	if (answer == NULL)
		return dbsync_postgres_refused_by(target, table->label);
	*has_rows = dbsync_postgres_answer_bool(answer, 0, 0);
	return dbsync_postgres_commit(target);
}

bool
dbsync_postgres_table_takes_several(const DbsyncTargetTable *table)
{
	return table->independent;
}

/* may all of these go in one TRUNCATE? */
static bool
can_truncate(PostgresTarget *target, DbsyncTargetTable **tables, int ntables, bool *can)
{
	StringInfoData oids;
	const char *values[1];
	const PostgresAnswer *answer;

	initStringInfo(&oids);
	for (int i = 0; i < ntables; i++)
		appendStringInfo(&oids, "%c%u", i > 0 ? ',' : '{', tables[i]->relid);
	appendStringInfoChar(&oids, '}');
	values[0] = oids.data;
	answer = dbsync_postgres_query(target,
								   "SELECT (SELECT bool_and(has_table_privilege(o, 'TRUNCATE'))"
								   "  FROM unnest($1::oid[]) AS o)"
								   " AND NOT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f'"
								   "  AND confrelid = ANY ($1::oid[]) AND conrelid <> ALL ($1::oid[]))",
								   1, values, "1b");
	if (answer == NULL)
		return false;
	*can = dbsync_postgres_answer_bool(answer, 0, 0);
	return true;
}

/*
 * TRUNCATE is refused for a table that another one references, unless both are
 * in the same command, even when no trigger would fire.  Then, or without the
 * right to it, rows are deleted one by one: slow, but the same result.
 */
bool
dbsync_postgres_truncate(DbsyncTarget *base, DbsyncTargetTable **tables, int ntables)
{
	PostgresTarget *target = (PostgresTarget *) base;
	StringInfoData sql;
	bool		can;

	if (ntables == 0)
		return true;
	if (!dbsync_postgres_merge_finish(target))
		return false;
	if (!can_truncate(target, tables, ntables, &can))
		return false;
	/* neither way takes a table that something is still to be checked of */
	if (!dbsync_postgres_check_now(target))
		return false;
	initStringInfo(&sql);
	for (int i = 0; i < ntables; i++)
	{
		dbsync_postgres_touch(target, tables[i]);
		if (can)
		{
			appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "TRUNCATE ", tables[i]->only);
			continue;
		}
		resetStringInfo(&sql);
		appendStringInfo(&sql, "DELETE FROM %s", tables[i]->only);
		if (!dbsync_postgres_execute(target, tables[i], sql.data, NULL) ||
			(tables[i]->swallows &&
			 !dbsync_postgres_queue_sql(target, tables[i], POSTGRES_STEP_GONE,
										dbsync_postgres_gone_sql(tables[i]->only))))
			return false;
	}
	if (can && !dbsync_postgres_execute(target, NULL, sql.data, NULL))
		return false;
	return dbsync_postgres_check_later(target);
}
