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
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/together.h"

typedef struct PostgresTogether
{
	DbsyncTargetTable *table;
	int64		upserts;
	int64		deletes;
} PostgresTogether;

void
dbsync_postgres_together_staged(PostgresTarget *target)
{
	const PostgresRows *rows = &target->rows;
	PostgresTogether *staged = MemoryContextAlloc(target->base.context, sizeof(PostgresTogether));
	MemoryContext old;

	staged->table = rows->table;
	staged->upserts = rows->inserts + rows->updates;
	staged->deletes = rows->deletes;
	old = MemoryContextSwitchTo(target->base.context);
	target->together = lappend(target->together, staged);
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

		if (one->deletes > 0)
			append_part(sql, &counts, 'd', n++, dbsync_postgres_merge_delete_sql(one->table, POSTGRES_STAGE_ROWS));
		if (one->upserts > 0 && one->table->assignable)
			append_part(sql, &counts, 'u', n++, dbsync_postgres_merge_update_sql(one->table, POSTGRES_STAGE_ROWS));
		if (one->upserts > 0)
			append_part(sql, &counts, 'i', n++, dbsync_postgres_merge_insert_sql(one->table, POSTGRES_STAGE_ROWS));
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

		n += one->deletes > 0;
		if (one->upserts > 0 && one->table->assignable)
			written += dbsync_postgres_answer_int(answer, 0, n++);
		if (one->upserts > 0)
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

static bool
write_staged(PostgresTarget *target, const List *staged)
{
	StringInfoData sql;
	StringInfoData shape;
	const PostgresAnswer *answer;
	ListCell   *lc;

	foreach(lc, staged)
	{
		const PostgresTogether *one = lfirst(lc);

		if (!dbsync_postgres_merge_prepare_for(target, one->table, POSTGRES_STAGE_ROWS, one->upserts + one->deletes))
			return false;
	}
	initStringInfo(&sql);
	initStringInfo(&shape);
	appendStringInfoChar(&shape, '1');
	for (int n = compose(staged, &sql); n > 0; n--)
		appendStringInfoChar(&shape, 'l');
	answer = dbsync_postgres_query(target, sql.data, 0, NULL, shape.data);
	return answer != NULL && check_counts(target, staged, answer) && check_gone(target, staged);
}

bool
dbsync_postgres_rows_together(DbsyncTarget *base)
{
	PostgresTarget *target = (PostgresTarget *) base;
	List	   *staged = target->together;

	if (staged == NIL)
		return true;
	target->together = NIL;
	if (!write_staged(target, staged))
		return false;
	list_free_deep(staged);
	return true;
}
