/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/clashing.c
 *	  PostgreSQL driver: doubted rows that were in one another's way, or in others'.
 *
 * Most of them fit as soon as others are there: a value has been left, a parent has come.  So each is tried again, as
 * long as any fits.  What remains may be a circle: rows that swap a unique value, or that reference one another.  Where keys are not
 * checked all of these are deleted, and each is inserted that fits; what does not is in the way of rows that stay, and its own old row
 * stays, too: so the others have another try without it.  Where keys are checked they are written by one statement, or none, but for
 * those that lead to rows that are not there.  If it is none, rows of tables to which no key leads go the former way, and the rest has
 * another try without these.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/clashing.h"
#include "worker/driver/postgres/doubting.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/orphans.h"
#include "worker/driver/postgres/quarantine.h"
#include "worker/driver/postgres/recover.h"
#include "worker/driver/postgres/rows.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/together.h"

/* a row that has not been written yet, and why not */
typedef struct Waiting
{
	PostgresDoubted *doubted;
	DbsyncFault said;
	bool		done;
	bool		left;			/* it leads to a row that is not there */
} Waiting;

typedef struct Crowd
{
	PostgresTarget *target;
	int			n;
	Waiting    *rows;
} Crowd;

/* Each alone, once; *some: at least one of them has fitted. */
static bool
try_each(Crowd *crowd, bool *some)
{
	*some = false;
	for (int i = 0; i < crowd->n; i++)
	{
		Waiting    *row = &crowd->rows[i];
		bool		fits;

		if (row->done)
			continue;
		if (!dbsync_postgres_doubted_try(crowd->target, row->doubted->table, &row->doubted, 1, false, &fits, &row->said))
			return false;
		if (!fits)
			continue;
		row->done = *some = true;
		if (!dbsync_postgres_doubted_fits(crowd->target, row->doubted))
			return false;
	}
	return true;
}

/* Those of a table that are left, as an array. */
static int
gather(const Crowd *crowd, const DbsyncTargetTable *table, PostgresDoubted **rows, Waiting **waiting)
{
	int			n = 0;

	for (int i = 0; i < crowd->n; i++)
	{
		if (crowd->rows[i].done || crowd->rows[i].doubted->table != table)
			continue;
		waiting[n] = &crowd->rows[i];
		rows[n++] = crowd->rows[i].doubted;
	}
	return n;
}

static bool
settle_row(Crowd *crowd, Waiting *row, bool fits)
{
	row->done = true;
	if (fits)
		return dbsync_postgres_doubted_fits(crowd->target, row->doubted);
	return dbsync_postgres_doubted_park(crowd->target, row->doubted, &row->said);
}

/*
 * With all of their keys gone, which of them fit?  Nothing of it stays: *refused says how many do not.  Where they may not go,
 * as somebody's trigger is against it, none can be told from the others: *refused is 0.
 */
static bool
find_refused(Crowd *crowd, DbsyncTargetTable *table, PostgresDoubted **rows, Waiting **waiting, bool *fits, int n, int *refused)
{
	PostgresTarget *target = crowd->target;
	PostgresMark mark;
	DbsyncFault said;

	*refused = 0;
	if (!dbsync_postgres_mark(target, list_make1(table), &mark))
		return false;
	if (!dbsync_postgres_doubted_write(target, table, rows, n, DBSYNC_ROWS_DELETE))
		return dbsync_postgres_doubted_back(target, &mark, &said);
	for (int i = 0; i < n; i++)
	{
		if (!dbsync_postgres_doubted_try(target, table, &rows[i], 1, false, &fits[i], &waiting[i]->said))
			return false;
		*refused += !fits[i];
	}
	return dbsync_postgres_settle(target) && dbsync_postgres_go_back(target, &mark);
}

/* Rows of one table, where nothing else is checked. */
static bool
replace(Crowd *crowd, DbsyncTargetTable *table)
{
	PostgresDoubted **rows = palloc(sizeof(PostgresDoubted *) * crowd->n);
	Waiting   **waiting = palloc(sizeof(Waiting *) * crowd->n);
	bool	   *fits = palloc(sizeof(bool) * crowd->n);
	int			n;

	while ((n = gather(crowd, table, rows, waiting)) > 0)
	{
		DbsyncFault said;
		bool		all;
		int			refused;

		if (!dbsync_postgres_doubted_try(crowd->target, table, rows, n, true, &all, &said))
			return false;
		if (all)
		{
			for (int i = 0; i < n; i++)
			{
				if (!settle_row(crowd, waiting[i], true))
					return false;
			}
			break;
		}
		if (!find_refused(crowd, table, rows, waiting, fits, n, &refused))
			return false;
		for (int i = 0; i < n; i++)
		{
			/* where each fits by itself and all do not, nobody can tell which is in the way */
			if ((refused == 0 || !fits[i]) && !settle_row(crowd, waiting[i], false))
				return false;
		}
	}
	return true;
}

/* One of them has left the stage: what it leads to is not there. */
static void
note_left(void *arg, const DbsyncTargetTable *table, const char *const *key)
{
	Crowd	   *crowd = arg;

	for (int i = 0; i < crowd->n; i++)
	{
		Waiting    *row = &crowd->rows[i];
		bool		same = !row->done && row->doubted->table == table;

		for (int k = 0; same && k < table->nkeys; k++)
			same = strcmp(row->doubted->row.values[table->keys[k]], key[k]) == 0;
		row->left |= same;
	}
}

/* Is anything left to be written of what was staged? */
static bool
is_any_staged(const PostgresTarget *target)
{
	ListCell   *lc;

	foreach(lc, target->together)
	{
		const PostgresTogether *staged = lfirst(lc);

		if (staged->upserts + staged->deletes > 0)
			return true;
	}
	return false;
}

/* Rows of several tables, by one statement, but for those that lead to what is not there. */
static bool
together(Crowd *crowd, bool *all)
{
	PostgresTarget *target = crowd->target;
	PostgresDoubted **rows = palloc(sizeof(PostgresDoubted *) * crowd->n);
	Waiting   **waiting = palloc(sizeof(Waiting *) * crowd->n);
	List	   *tables = NIL;
	PostgresMark mark;
	DbsyncFault said;
	ListCell   *lc;

	*all = false;
	for (int i = 0; i < crowd->n; i++)
	{
		crowd->rows[i].left = false;
		if (!crowd->rows[i].done)
			tables = list_append_unique_ptr(tables, crowd->rows[i].doubted->table);
	}
	if (tables == NIL)
		return true;
	if (!dbsync_postgres_mark(target, tables, &mark))
		return false;
	*all = true;
	foreach(lc, tables)
	{
		int			n = gather(crowd, lfirst(lc), rows, waiting);

		*all = *all && dbsync_postgres_doubted_write(target, lfirst(lc), rows, n, DBSYNC_ROWS_TOGETHER);
	}
	*all = *all && dbsync_postgres_orphans_leave(target, tables, note_left, crowd);
	if (*all && !is_any_staged(target))
		target->together = NIL;
	*all = *all && dbsync_postgres_rows_together(&target->base, true) && dbsync_postgres_settle(target);
	return *all ? dbsync_postgres_keep(target) : dbsync_postgres_doubted_back(target, &mark, &said);
}

/* Rows of tables to which nothing leads, and that have nothing of their own: these may be deleted to be inserted anew. */
static bool
replace_alone(Crowd *crowd, bool *some)
{
	*some = false;
	for (int i = 0; i < crowd->n; i++)
	{
		DbsyncTargetTable *table = crowd->rows[i].doubted->table;

		if (crowd->rows[i].done || table->referenced || table->has_own)
			continue;
		*some = true;
		if (!replace(crowd, table))
			return false;
	}
	return true;
}

/* Where keys are checked.  *all: what is left has been written, but for rows that lead to what is not there. */
static bool
write_checked(Crowd *crowd, bool *all)
{
	bool		some;

	if (!together(crowd, all))
		return false;
	if (*all)
		return true;
	/* one that is refused has kept all others from it */
	return replace_alone(crowd, &some) && (!some || together(crowd, all));
}

bool
dbsync_postgres_clashing_write(PostgresTarget *target, List *rows)
{
	Crowd		crowd = {.target = target,.n = list_length(rows)};
	bool		some = true;
	bool		all = false;

	crowd.rows = palloc0(sizeof(Waiting) * crowd.n);
	for (int i = 0; i < crowd.n; i++)
		crowd.rows[i].doubted = list_nth(rows, i);
	while (some)
	{
		if (!try_each(&crowd, &some))
			return false;
	}
	if (!target->replica_role && !write_checked(&crowd, &all))
		return false;
	for (int i = 0; i < crowd.n; i++)
	{
		Waiting    *row = &crowd.rows[i];

		if (row->done)
			continue;
		if (!(target->replica_role ? replace(&crowd, row->doubted->table) : settle_row(&crowd, row, all && !row->left)))
			return false;
	}
	return true;
}
