/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/together.c
 *	  PostgreSQL driver: rows of several tables, written by one statement.
 *
 * Foreign keys are checked at the end of a statement, and what is written by WITH is part of it.
 * So one that deletes, updates and inserts the rows of all tables needs no order between them:
 * circles of keys, and rows of a table that reference each other, are right when it has ended.
 * Each part of it sees the tables as they were before, so no row is written twice.  Unique values
 * are looked at row by row: what is deleted, and what is changed, leaves them to what is inserted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/aside.h"
#include "worker/driver/postgres/carry.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/led_to.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/levels.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/together.h"

static PostgresTogether *
note_staged(const PostgresRows *rows)
{
	PostgresTogether *staged = palloc0(sizeof(PostgresTogether));

	staged->table = rows->table;
	staged->upserts = rows->inserts + rows->updates;
	staged->deletes = rows->deletes;
	return staged;
}

void
dbsync_postgres_together_staged(PostgresTarget *target)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);

	target->together = lappend(target->together, note_staged(&target->rows));
	MemoryContextSwitchTo(old);
}

/* One part of the statement; what it has written is counted where that is asked for. */
static void
append_part(StringInfo with, StringInfo counts, char kind, int n, const char *sql)
{
	appendStringInfo(with, "%s%c%d AS (%s RETURNING 1)", with->len > 0 ? ", " : "WITH ", kind, n, sql);
	appendStringInfo(counts, "%s(SELECT count(*) FROM %c%d)", counts->len > 0 ? ", " : "", kind, n);
}

/*
 * All of it.  The counts are worked out from left to right, and a part runs as its count is asked
 * for: so what leaves unique values goes before what takes them.  Returns how many there are.
 */
static int
compose(const List *staged, StringInfo sql)
{
	StringInfoData counts;
	ListCell   *lc;
	int			n = 0;

	initStringInfo(&counts);
	foreach(lc, staged)
	{
		const PostgresTogether *one = lfirst(lc);

		if (one->replaced)
		{
			append_part(sql, &counts, 'd', n++, dbsync_postgres_stage_delete_all_sql(one->table));
			append_part(sql, &counts, 'i', n++, dbsync_postgres_stage_insert_all_sql(one->table));
			continue;
		}
		if (one->deletes > 0)
			append_part(sql, &counts, 'd', n++, dbsync_postgres_merge_delete_sql(one->table, POSTGRES_STAGE_ROWS));
		if (one->carried != NULL)
			append_part(sql, &counts, 'c', n++, dbsync_postgres_carry_update_sql(one));
		for (int level = 0; level <= one->levels && one->upserts > 0 && one->table->assignable; level++)
			append_part(sql, &counts, 'u', n++,
						psprintf("%s%s", dbsync_postgres_merge_update_sql(one->table, POSTGRES_STAGE_ROWS),
								 one->levels > 0 ? dbsync_postgres_level_sql(one, level) : ""));
		if (one->upserts > 0)
			append_part(sql, &counts, 'i', n++, one->carried ? dbsync_postgres_carry_insert_sql(one)
						: dbsync_postgres_merge_insert_sql(one->table, POSTGRES_STAGE_ROWS));
	}
	appendStringInfo(sql, " SELECT %s", counts.data);
	return n;
}

/* Has a trigger left a row out? */
static bool
check_counts(PostgresTarget *target, const List *staged, const PostgresAnswer *answer)
{
	ListCell   *lc;
	int			n = 0;

	foreach(lc, staged)
	{
		const PostgresTogether *one = lfirst(lc);
		int64		written = 0;

		n += one->replaced || one->deletes > 0;
		if (one->carried != NULL)
			written += dbsync_postgres_answer_int(answer, 0, n++);
		if (one->replaced)
			written = dbsync_postgres_answer_int(answer, 0, n++);
		for (int level = 0; level <= one->levels && !one->replaced && one->upserts > 0 && one->table->assignable; level++)
			written += dbsync_postgres_answer_int(answer, 0, n++);
		if (!one->replaced && one->upserts > 0)
			written += dbsync_postgres_answer_int(answer, 0, n++);
		if (written < one->upserts && one->table->assignable)
			return dbsync_postgres_swallowed(target, one->table);
	}
	return true;
}

static bool
check_gone(PostgresTarget *target, const List *staged)
{
	ListCell   *lc;

	foreach(lc, staged)
	{
		const PostgresTogether *one = lfirst(lc);

		if (one->deletes > 0 && one->table->swallows &&
			!dbsync_postgres_queue_sql(target, one->table, POSTGRES_STEP_GONE,
									   dbsync_postgres_merge_gone_sql(one->table, POSTGRES_STAGE_ROWS)))
			return false;
	}
	return true;
}

/*
 * Unique values of each index beside the key's: a column that can be null meanwhile, which leaves
 * its value to others; null where there is none.  Not one that foreign keys lead to.  And has the table
 * columns of the target's own, which a row would lose that is inserted anew?
 */
static const char *const unique_sql =
"SELECT (SELECT min(CAST(a.attname AS text)) FROM pg_attribute a"
"  WHERE a.attrelid = i.indrelid AND a.attnum = ANY (CAST(i.indkey AS int2[])) AND NOT a.attnotnull"
"  AND a.attname = ANY (CAST($2 AS text[])) AND i.indisunique"
"  AND to_jsonb(i) ->> 'indnullsnotdistinct' IS DISTINCT FROM 'true'"
"  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = i.indrelid"
"   AND a.attnum = ANY (k.confkey))),"
" EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum > 0 AND NOT a.attisdropped"
"  AND a.attgenerated = '' AND a.attname <> ALL (CAST($4 AS text[])))"
" FROM pg_index i WHERE i.indrelid = CAST($1 AS oid) AND (i.indisunique OR i.indisexclusion)"
" AND NOT CAST(i.indkey AS int2[]) <@ (SELECT coalesce(array_agg(a.attnum), '{}') FROM pg_attribute a"
"  WHERE a.attrelid = i.indrelid AND a.attname = ANY (CAST($3 AS text[])))";

typedef enum Which
{
	WHICH_KEYS,
	WHICH_OTHERS,				/* that can be assigned */
	WHICH_ALL
} Which;

static const char *
names_of(const DbsyncTargetTable *table, Which which)
{
	const char **names = palloc(sizeof(char *) * Max(table->ncolumns, 1));
	int			n = 0;

	for (int i = 0; i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		if (which == WHICH_ALL || (which == WHICH_KEYS ? column->is_key : column->is_assigned && !column->is_key))
			names[n++] = column->name;
	}
	return dbsync_postgres_array_text(n, names);
}

static const PostgresColumn *
find_column(const DbsyncTargetTable *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(table->columns[i].name, name) == 0)
			return &table->columns[i];
	}
	return NULL;
}

/*
 * Rows have clashed: two that stay may have swapped a unique value.  It is set null before, where that
 * can be; else rows are deleted and inserted anew, if nothing references them.
 */
static bool
free_values(PostgresTarget *target, PostgresTogether *one)
{
	const DbsyncTargetTable *table = one->table;
	const char *values[4] = {psprintf("%u", table->relid), names_of(table, WHICH_OTHERS),
	names_of(table, WHICH_KEYS), names_of(table, WHICH_ALL)};
	const PostgresAnswer *answer = dbsync_postgres_query(target, unique_sql, 4, values, "*Tb");
	List	   *columns = NIL;

	if (answer == NULL)
		return false;
	for (int row = 0; row < dbsync_postgres_answer_rows(answer); row++)
	{
		const char *name = dbsync_postgres_answer_text(answer, row, 0);
		const PostgresColumn *column = name ? find_column(table, name) : NULL;

		if (column != NULL)
			columns = list_append_unique_ptr(columns, (void *) column);
		else if (!table->referenced && !dbsync_postgres_answer_bool(answer, row, 1))
			one->replaced = true;
	}
	return one->replaced || columns == NIL ||
		dbsync_postgres_queue_sql(target, table, POSTGRES_STEP_PLAIN, dbsync_postgres_stage_free_sql(table, columns));
}

/*
 * Values move that foreign keys lead to: have that done without what these would do.  Where rows have not clashed, all that is
 * tied comes once more, and at once.  *asides: what is to be put back.
 */
static bool
keep_apart(PostgresTarget *target, const List *staged, bool clashed, List **asides)
{
	List	   *moving = NIL;
	ListCell   *lc;

	foreach(lc, staged)
	{
		PostgresTogether *one = lfirst(lc);
		bool		move;

		/* rarely; and somebody may have given it such a key since */
		if (clashed && !dbsync_postgres_look_at_led_to(target, one->table))
			return false;
		if (one->upserts == 0)
			continue;
		if (!dbsync_postgres_values_move(target, one->table, &move))
			return false;
		if (move)
			moving = lappend(moving, one);
	}
	if (moving != NIL && !clashed)
		return dbsync_postgres_refuse(target, ERRCODE_FOREIGN_KEY_VIOLATION,
									  psprintf("a value that foreign keys lead to goes from one row of target table %s to another",
											   ((const PostgresTogether *) linitial(moving))->table->label),
									  NULL, "The next attempt sends all rows together.");
	foreach(lc, moving)
	{
		if (!dbsync_postgres_carry(target, lfirst(lc)))
			return false;
	}
	foreach(lc, moving)
	{
		if (!dbsync_postgres_set_aside(target, staged, lfirst(lc), asides))
			return false;
	}
	return true;
}

static bool
write_staged(PostgresTarget *target, const List *staged, bool clashed)
{
	StringInfoData sql;
	StringInfoData shape;
	const PostgresAnswer *answer;
	List	   *asides = NIL;
	ListCell   *lc;

	foreach(lc, staged)
	{
		PostgresTogether *one = lfirst(lc);

		if (!dbsync_postgres_merge_prepare_for(target, one->table, POSTGRES_STAGE_ROWS, one->upserts + one->deletes) ||
			(clashed && !free_values(target, one)))
			return false;
	}
	if (!keep_apart(target, staged, clashed, &asides))
		return false;
	foreach(lc, staged)
	{
		PostgresTogether *one = lfirst(lc);

		if (clashed && !one->replaced && one->upserts > 1 && !dbsync_postgres_find_levels(target, one))
			return false;
	}
	initStringInfo(&sql);
	initStringInfo(&shape);
	appendStringInfoChar(&shape, '1');
	for (int n = compose(staged, &sql); n > 0; n--)
		appendStringInfoChar(&shape, 'l');
	answer = dbsync_postgres_query(target, sql.data, 0, NULL, shape.data);
	return answer != NULL && check_counts(target, staged, answer) && check_gone(target, staged) &&
		dbsync_postgres_put_back(target, asides);
}

bool
dbsync_postgres_rows_are_mixed(const PostgresRows *rows)
{
	return rows->table->led_to != NIL && (rows->mode == DBSYNC_ROWS_MERGE || rows->mode == DBSYNC_ROWS_PATCH) &&
		rows->deletes > 0 && rows->inserts + rows->updates > 0;
}

bool
dbsync_postgres_together_alone(PostgresTarget *target)
{
	List	   *staged;

	/* such a stage has whole rows only */
	if (target->rows.mode == DBSYNC_ROWS_PATCH)
		return dbsync_postgres_incomplete(target, target->rows.table);
	if (!dbsync_postgres_merge_finish(target))
		return false;
	staged = list_make1(note_staged(&target->rows));
	return write_staged(target, staged, true);
}

bool
dbsync_postgres_rows_together(DbsyncTarget *base, bool clashed)
{
	PostgresTarget *target = (PostgresTarget *) base;
	List	   *staged = target->together;

	if (staged == NIL)
		return true;
	target->together = NIL;
	if (!dbsync_postgres_merge_finish(target) || !write_staged(target, staged, clashed))
		return false;
	list_free_deep(staged);
	return true;
}
