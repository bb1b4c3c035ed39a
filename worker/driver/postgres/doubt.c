/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/doubt.c
 *	  PostgreSQL driver: rows that may be refused for what they are, mode DOUBTED.
 *
 * Rows are written slice by slice, each behind a savepoint; one that is refused is gone back over, and its halves are
 * written one after the other, until it is a single row.  Its key is parked, and what the table has of it stays.
 *
 * Room for them is made slice by slice, too (mode CLEAR_DOUBTED): what a stage has no room for the table would refuse as well.
 *
 * A row that clashes need not be refused: what is in its way may be about to go, or to come, in another slice.  So these wait until
 * all others are written (clashing.c).  What is checked at the end of the batch is checked once behind its last row; a constraint
 * that this names is checked with each slice when the batch comes again, and no other: rows of a circle that waits for its end
 * would be refused one by one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/bound.h"
#include "worker/driver/postgres/change.h"
#include "worker/driver/postgres/clashing.h"
#include "worker/driver/postgres/clear.h"
#include "worker/driver/postgres/doubt.h"
#include "worker/driver/postgres/doubting.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/quarantine.h"
#include "worker/driver/postgres/rows.h"
#include "worker/driver/postgres/stay.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/table.h"
#include "worker/driver/postgres/together.h"

/* a slice has no more rows, and not many more bytes */
#define SLICE_BYTES	(4 * 1024 * 1024)

static PostgresDoubt *
doubt_of(PostgresTarget *target)
{
	if (target->doubt == NULL)
	{
		PostgresDoubt *doubt = MemoryContextAllocZero(target->base.context, sizeof(PostgresDoubt));

		doubt->slice_context = AllocSetContextCreate(target->base.context, "dbsync doubted rows", ALLOCSET_DEFAULT_SIZES);
		doubt->kept_context = AllocSetContextCreate(target->base.context, "dbsync rows put off", ALLOCSET_DEFAULT_SIZES);
		doubt->scratch = AllocSetContextCreate(target->base.context, "dbsync doubt", ALLOCSET_DEFAULT_SIZES);
		target->doubt = doubt;
	}
	return target->doubt;
}

void
dbsync_postgres_doubt_forget(PostgresTarget *target)
{
	if (target->doubt != NULL)
		target->doubt->at_once = NIL;
}

PostgresDoubted *
dbsync_postgres_doubted_copy(MemoryContext context, DbsyncTargetTable *table, const DbsyncRow *row)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	PostgresDoubted *copy = palloc0(sizeof(PostgresDoubted));
	int			n = table->ncolumns;

	copy->table = table;
	copy->row = *row;
	copy->row.unchanged = NULL;
	copy->row.values = palloc(sizeof(char *) * n);
	copy->row.lengths = palloc(sizeof(int) * n);
	for (int i = 0; i < n; i++)
	{
		copy->row.lengths[i] = row->lengths[i];
		copy->row.values[i] = NULL;
		if (row->values[i] != NULL)
		{
			char	   *value = MemoryContextAllocHuge(context, (Size) row->lengths[i] + 1);

			memcpy(value, row->values[i], row->lengths[i]);
			value[row->lengths[i]] = '\0';
			copy->row.values[i] = value;
		}
		copy->bytes += row->lengths[i];
	}
	if (row->parked != NULL)
	{
		copy->row.parked = palloc(sizeof(char *) * table->nkeys);
		for (int k = 0; k < table->nkeys; k++)
			copy->row.parked[k] = pstrdup(row->parked[k]);
	}
	MemoryContextSwitchTo(old);
	return copy;
}

/* With the values of its key alone; the others are in a file, as many rows may wait, and large ones. */
static PostgresDoubted *
key_copy(PostgresDoubt *doubt, const PostgresDoubted *doubted)
{
	DbsyncTargetTable *table = doubted->table;
	PostgresDoubted *copy;
	DbsyncRow	key = doubted->row;

	key.values = palloc0(sizeof(char *) * table->ncolumns);
	key.lengths = palloc0(sizeof(int) * table->ncolumns);
	for (int k = 0; k < table->nkeys; k++)
	{
		key.values[table->keys[k]] = doubted->row.values[table->keys[k]];
		key.lengths[table->keys[k]] = doubted->row.lengths[table->keys[k]];
	}
	copy = dbsync_postgres_doubted_copy(doubt->kept_context, table, &key);
	if (doubt->later_rows == NULL)
		doubt->later_rows = dbsync_row_file_create();
	copy->file = doubt->later_rows;
	copy->place = dbsync_row_file_put(copy->file, &doubted->row, table->ncolumns);
	return copy;
}

DbsyncRow
dbsync_postgres_doubted_row(const PostgresDoubted *doubted)
{
	DbsyncRow	row = doubted->row;

	if (doubted->file != NULL)
		dbsync_row_file_get(doubted->file, doubted->place, &row, doubted->table->ncolumns);
	return row;
}

bool
dbsync_postgres_doubted_park(PostgresTarget *target, const PostgresDoubted *doubted, const DbsyncFault *said)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync row to park", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncRow	row = dbsync_postgres_doubted_row(doubted);
	bool		good = dbsync_postgres_park(target, doubted->table, &row, said);

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return good;
}

/* It is there: what was parked of its key says nothing any more. */
bool
dbsync_postgres_doubted_fits(PostgresTarget *target, const PostgresDoubted *doubted)
{
	return doubted->row.parked == NULL || dbsync_postgres_unpark(target, doubted->table, doubted->row.parked);
}

/* Might it fit when others have been written? */
static bool
is_clash(int sqlstate)
{
	return sqlstate == ERRCODE_UNIQUE_VIOLATION || sqlstate == ERRCODE_EXCLUSION_VIOLATION ||
		sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION || sqlstate == ERRCODE_RESTRICT_VIOLATION;
}

static bool
put_off(PostgresTarget *target, const PostgresDoubted *doubted, const DbsyncFault *said)
{
	PostgresDoubt *doubt = target->doubt;
	MemoryContext old;

	if (list_length(doubt->later) >= DBSYNC_MAX_PARKED)
	{
		(void) dbsync_postgres_refuse(target, said->sqlstate,
									  psprintf("more than %d rows of target table %s are in one another's way", DBSYNC_MAX_PARKED,
											   doubted->table->label), said->message, said->hint);
		target->base.fault.kind = DBSYNC_FAULT_TOO_MANY;
		target->base.fault.rows_of = doubted->table;
		return false;
	}
	old = MemoryContextSwitchTo(doubt->kept_context);
	doubt->later = lappend(doubt->later, key_copy(doubt, doubted));
	MemoryContextSwitchTo(old);
	return true;
}

/* One row, which the target has refused with this. */
static bool
refused_alone(PostgresTarget *target, PostgresDoubted *doubted, const DbsyncFault *said)
{
	if (!dbsync_postgres_look_for_old(target, doubted))
		return false;
	if (is_clash(said->sqlstate))
		return put_off(target, doubted, said);
	return dbsync_postgres_doubted_park(target, doubted, said);
}

static bool
write_slice(PostgresTarget *target, DbsyncTargetTable *table, PostgresDoubted **rows, int n)
{
	DbsyncFault said;
	bool		fits;

	if (n == 0)
		return true;
	if (!dbsync_postgres_doubted_try(target, table, rows, n, false, &fits, &said))
		return false;
	if (fits)
	{
		for (int i = 0; i < n; i++)
		{
			if (!dbsync_postgres_doubted_fits(target, rows[i]))
				return false;
		}
		return true;
	}
	if (n == 1)
		return refused_alone(target, rows[0], &said);
	return write_slice(target, table, rows, n / 2) && write_slice(target, table, rows + n / 2, n - n / 2);
}

static bool
end_slice(PostgresTarget *target)
{
	PostgresDoubt *doubt = target->doubt;
	MemoryContext old = MemoryContextSwitchTo(doubt->scratch);
	bool		good = (doubt->clears ? dbsync_postgres_doubted_clear : write_slice) (target, doubt->table, doubt->slice, doubt->n);

	MemoryContextSwitchTo(old);
	MemoryContextReset(doubt->scratch);
	MemoryContextReset(doubt->slice_context);
	doubt->n = 0;
	doubt->bytes = 0;
	return good;
}

static bool check_at_once(PostgresTarget *target);

/* What fits by now of those that were put off is written, and the keys of the others are parked. */
static bool
finish(PostgresTarget *target)
{
	PostgresDoubt *doubt = target->doubt;
	MemoryContext old;
	List	   *rows;
	bool		good;

	if (doubt == NULL || doubt->later == NIL)
		return true;
	rows = doubt->later;
	doubt->later = NIL;
	old = MemoryContextSwitchTo(doubt->kept_context);
	good = dbsync_postgres_clashing_write(target, rows);
	MemoryContextSwitchTo(old);
	dbsync_row_file_close(doubt->later_rows);
	doubt->later_rows = NULL;
	MemoryContextReset(doubt->kept_context);
	return good;
}

static bool
begin(PostgresTarget *target, DbsyncTargetTable *table, bool clears)
{
	PostgresDoubt *doubt = doubt_of(target);

	doubt->table = table;
	doubt->clears = clears;
	doubt->cleared = NIL;
	doubt->n = 0;
	doubt->bytes = 0;
	MemoryContextReset(doubt->slice_context);
	target->doubted = true;
	return true;
}

bool
dbsync_postgres_doubt_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table, DbsyncRowsMode mode, int64 expected_rows)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const PostgresDoubt *doubt = target->doubt;
	ListCell   *lc;

	/* what comes now counts more than what was put off of the table */
	if (doubt != NULL)
		foreach(lc, doubt->later)
		{
			if (((const PostgresDoubted *) lfirst(lc))->table != table)
				continue;
			if (!finish(target))
				return false;
			break;
		}
	return mode == DBSYNC_ROWS_DOUBTED || mode == DBSYNC_ROWS_CLEAR_DOUBTED ? begin(target, table, mode == DBSYNC_ROWS_CLEAR_DOUBTED)
		: dbsync_postgres_rows_begin(base, table, mode, expected_rows);
}

/* Of a key that is parked already nobody expects that it fits: it goes alone. */
static bool
put(PostgresTarget *target, const DbsyncRow *row)
{
	PostgresDoubt *doubt = target->doubt;
	PostgresDoubted *doubted;

	if (row->parked != NULL && doubt->n > 0 && !end_slice(target))
		return false;
	doubted = dbsync_postgres_doubted_copy(doubt->slice_context, doubt->table, row);
	doubt->slice[doubt->n++] = doubted;
	doubt->bytes += doubted->bytes;
	if (row->parked != NULL || doubt->n == POSTGRES_DOUBTED_ROWS || doubt->bytes >= SLICE_BYTES)
		return end_slice(target);
	return true;
}

bool
dbsync_postgres_doubt_rows_put(DbsyncTarget *base, const DbsyncRow *row)
{
	PostgresTarget *target = (PostgresTarget *) base;

	return target->doubt != NULL && target->doubt->table != NULL ? put(target, row) : dbsync_postgres_rows_put(base, row);
}

bool
dbsync_postgres_doubt_rows_end(DbsyncTarget *base)
{
	PostgresTarget *target = (PostgresTarget *) base;
	bool		good;

	if (target->doubt == NULL || target->doubt->table == NULL)
		return dbsync_postgres_rows_end(base);
	good = end_slice(target);
	target->doubt->table = NULL;
	if (target->doubt->clears)
		return good;
	/* where keys are checked others come that may belong to them: see rows_together() */
	return good && (!target->replica_role || finish(target));
}

bool
dbsync_postgres_doubt_rows_clear(DbsyncTarget *base, DbsyncTargetTable *table, List *sets, List **keys)
{
	PostgresDoubt *doubt = ((PostgresTarget *) base)->doubt;
	ListCell   *lc;

	if (doubt == NULL || !doubt->clears)
		return dbsync_postgres_rows_clear(base, table, sets, keys);
	/* slice by slice they have been deleted already */
	foreach(lc, doubt->cleared)
	{
		char	  **key = palloc(sizeof(char *) * table->nkeys);

		for (int k = 0; k < table->nkeys; k++)
			key[k] = pstrdup(((char **) lfirst(lc))[k]);
		*keys = lappend(*keys, key);
	}
	doubt->clears = false;
	doubt->cleared = NIL;
	if (doubt->later == NIL)
		MemoryContextReset(doubt->kept_context);
	return true;
}

bool
dbsync_postgres_doubt_rows_together(DbsyncTarget *base, bool clashed)
{
	return finish((PostgresTarget *) base) && dbsync_postgres_rows_together(base, clashed);
}

bool
dbsync_postgres_doubt_truncate(DbsyncTarget *base, DbsyncTargetTable **tables, int ntables)
{
	PostgresTarget *target = (PostgresTarget *) base;

	if (!finish(target))
		return false;
	for (int i = 0; i < ntables; i++)
	{
		if (!dbsync_postgres_unpark_all(target, tables[i]))
			return false;
	}
	return dbsync_postgres_truncate(base, tables, ntables) && check_at_once(target);
}

bool
dbsync_postgres_doubt_delete_where(DbsyncTarget *base, DbsyncTargetTable *table, const DbsyncTableSpec *spec,
								   const char *condition)
{
	return finish((PostgresTarget *) base) && dbsync_postgres_delete_where(base, table, spec, condition);
}

DbsyncTargetTable *
dbsync_postgres_doubt_table_change(DbsyncTarget *base, DbsyncTargetTable *before, const DbsyncTableSpec *spec, List *changes, int how)
{
	return finish((PostgresTarget *) base) ? dbsync_postgres_table_change(base, before, spec, changes, how) : NULL;
}

bool
dbsync_postgres_doubt_check(PostgresTarget *target)
{
	bool		good;

	if (!target->doubted)
		return true;
	if (!finish(target) || !dbsync_postgres_settle(target))
		return false;
	target->checks_late = true;
	good = dbsync_postgres_execute(target, NULL, "SET CONSTRAINTS ALL IMMEDIATE", NULL);
	target->checks_late = false;
	return good;
}

/* They are not to wait any more; again, where all were told to wait since. */
static bool
check_at_once(PostgresTarget *target)
{
	ListCell   *lc;

	if (target->doubt == NULL)
		return true;
	foreach(lc, target->doubt->at_once)
	{
		if (!dbsync_postgres_queue_sql(target, NULL, POSTGRES_STEP_PLAIN, psprintf("SET CONSTRAINTS %s IMMEDIATE", (char *) lfirst(lc))))
			return false;
	}
	return true;
}

/*
 * What an error has named, if it is there and waits for the end: whoever raises it may name what he likes.  Else the
 * constraint triggers of somebody's own, which an error need not name.
 */
static const char *const constraints_sql =
"WITH late AS (SELECT k.contype, n.nspname || '.' || k.conname AS said, format('%I.%I', n.nspname, k.conname) AS name"
" FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE k.condeferrable)"
" SELECT coalesce((SELECT string_agg(DISTINCT l.name, ', ') FROM late l WHERE l.said = $1),"
" (SELECT string_agg(DISTINCT l.name, ', ') FROM late l WHERE l.contype = 't'))";

/* NULL: there are none. */
static bool
find_constraints(PostgresTarget *target, const char *late, const char **constraints)
{
	const PostgresAnswer *answer = dbsync_postgres_query(target, constraints_sql, 1, &late, "1T");

	if (answer == NULL)
		return false;
	*constraints = dbsync_postgres_answer_text(answer, 0, 0);
	return true;
}

bool
dbsync_postgres_doubt(DbsyncTarget *base, List *late)
{
	PostgresTarget *target = (PostgresTarget *) base;
	PostgresDoubt *doubt = doubt_of(target);
	MemoryContext context = dbsync_postgres_told_context(target);
	ListCell   *lc;

	target->doubted = true;
	foreach(lc, late)
	{
		const char *constraints;
		MemoryContext old;

		if (!find_constraints(target, lfirst(lc), &constraints))
			return false;
		if (constraints == NULL)
			continue;
		old = MemoryContextSwitchTo(context);
		doubt->at_once = lappend(doubt->at_once, pstrdup(constraints));
		MemoryContextSwitchTo(old);
	}
	return check_at_once(target);
}
