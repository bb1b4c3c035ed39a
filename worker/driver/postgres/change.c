/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/change.c
 *	  PostgreSQL driver: a table's columns and key become what they are at the source.
 *
 * DDL is transactional there, so a change is committed with the rows before and behind it and
 * with the ledger, or not at all.  Each is looked for first: the target may have it already,
 * as where two databases feed each other, or where it was made there before it was made at
 * the source.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/change.h"
#include "worker/driver/postgres/change_sql.h"
#include "worker/driver/postgres/changing.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/merge.h"
#include "worker/driver/postgres/pending.h"
#include "worker/driver/postgres/pins.h"
#include "worker/driver/postgres/step.h"
#include "worker/driver/postgres/table.h"

/*
 * ALTER TABLE waits for all who read the table, and everybody else queues behind it: so it
 * gives up soon, and the worker comes again.
 */
#define CHANGE_LOCK_TIMEOUT	"2s"

/* a column as the target has it */
typedef struct Found
{
	bool		there;
	bool		not_null;
	bool		has_default;
	bool		identity;
	bool		generated;
	bool		same_type;		/* as the change wants it */
	bool		old_type;		/* as it was at the source before */
} Found;

#define FOUND_SHAPE	"?bbbbbb"
static const char *const found_sql =
"SELECT a.attnotnull, a.atthasdef, a.attidentity <> '', a.attgenerated <> '',"
" coalesce(a.atttypid = to_regtype($4) AND format_type(a.atttypid, a.atttypmod) = format_type(to_regtype($4), CAST($5 AS integer)), false),"
" coalesce(a.atttypid = to_regtype($6) AND format_type(a.atttypid, a.atttypmod) = format_type(to_regtype($6), CAST($7 AS integer)), false)"
" FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
" WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND a.attnum > 0 AND NOT a.attisdropped";

const char *
dbsync_postgres_look_at_changed_sql(void)
{
	return found_sql;
}

/* Is a name given up that another column gets? */
static bool
is_taken(const Changing *changing, const char *name)
{
	ListCell   *lc;

	foreach(lc, changing->changes)
	{
		const DbsyncChange *change = lfirst(lc);

		if (change->kind == DBSYNC_CHANGE_ADD && strcmp(change->column, name) == 0)
			return true;
		if (change->kind == DBSYNC_CHANGE_RENAME && strcmp(change->new_name, name) == 0)
			return true;
	}
	return false;
}

/* Does a statement that is due take this name away from the column that has it? */
static bool
is_given_up(const Changing *changing, const char *name)
{
	ListCell   *lc;

	foreach(lc, changing->given_up)
	{
		if (strcmp(((const DbsyncChange *) lfirst(lc))->column, name) == 0)
			return true;
	}
	return false;
}

const char *
dbsync_postgres_present_name(const Changing *changing, const char *name)
{
	for (int i = list_length(changing->given_up) - 1; i >= 0; i--)
	{
		const DbsyncChange *change = list_nth(changing->given_up, i);

		if (change->kind == DBSYNC_CHANGE_RENAME && strcmp(change->new_name, name) == 0)
			name = change->column;
	}
	return name;
}

static bool
find(Changing *changing, const char *column, const DbsyncChange *change, Found *found)
{
	const PostgresAnswer *answer;
	const char *present = dbsync_postgres_present_name(changing, column);
	const char *values[7] = {changing->spec->schema, changing->spec->table, present};

	memset(found, 0, sizeof(Found));
	/* the column that has the name is not the one that is meant */
	if (strcmp(present, column) == 0 && is_given_up(changing, column))
		return true;
	if (OidIsValid(change->type) || change->type_name != NULL)
	{
		values[3] = OidIsValid(change->type) ? dbsync_postgres_type_sql(change->type, -1) : change->type_name;
		values[4] = psprintf("%d", change->typmod);
	}
	if (OidIsValid(change->old_type))
	{
		values[5] = dbsync_postgres_type_sql(change->old_type, -1);
		values[6] = psprintf("%d", change->old_typmod);
	}
	answer = dbsync_postgres_query_fixed(changing->target, POSTGRES_LOOK_AT_CHANGED,
										 7, values, FOUND_SHAPE);
	if (answer == NULL)
		return false;
	found->there = dbsync_postgres_answer_rows(answer) == 1;
	if (!found->there)
		return true;
	found->not_null = dbsync_postgres_answer_bool(answer, 0, 0);
	found->has_default = dbsync_postgres_answer_bool(answer, 0, 1);
	found->identity = dbsync_postgres_answer_bool(answer, 0, 2);
	found->generated = dbsync_postgres_answer_bool(answer, 0, 3);
	found->same_type = dbsync_postgres_answer_bool(answer, 0, 4);
	found->old_type = dbsync_postgres_answer_bool(answer, 0, 5);
	return true;
}

bool
dbsync_postgres_make(Changing *changing, const char *sql)
{
	PostgresTarget *target = changing->target;

	if ((changing->how & DBSYNC_CHANGE_MAKE) == 0)
	{
		appendStringInfo(&changing->due, "%s%s;", changing->due.len > 0 ? " " : "", sql);
		return true;
	}
	if (dbsync_postgres_execute(target, NULL, sql, NULL))
		return true;
	dbsync_postgres_tell_statement(target, psprintf("%s;", sql));
	return dbsync_postgres_refused_by(target, changing->label);
}

/* The statement that empties it; NULL: we could not ask, "" where there is no such table. */
static const char *
empty_sql(Changing *changing)
{
	const char *values[2] = {changing->spec->schema, changing->spec->table};
	const PostgresAnswer *answer =
		dbsync_postgres_query(changing->target,
							  "SELECT c.relkind = 'r', has_table_privilege(c.oid, 'TRUNCATE')"
							  " AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f'"
							  "  AND k.confrelid = c.oid AND k.conrelid <> c.oid)"
							  " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
							  " WHERE n.nspname = $1 AND c.relname = $2", 2, values, "?bb");

	if (answer == NULL)
		return NULL;
	if (dbsync_postgres_answer_rows(answer) == 0)
		return "";
	return psprintf("%s %s%s", dbsync_postgres_answer_bool(answer, 0, 1) ? "TRUNCATE" : "DELETE FROM",
					dbsync_postgres_answer_bool(answer, 0, 0) ? "ONLY " : "", changing->quoted);
}

static bool
has_rows(Changing *changing, bool *there)
{
	const PostgresAnswer *answer =
		dbsync_postgres_query(changing->target, psprintf("SELECT EXISTS (SELECT FROM %s)", changing->only),
							  0, NULL, "1b");

	if (answer == NULL)
		return dbsync_postgres_refused_by(changing->target, changing->quoted);
	*there = dbsync_postgres_answer_bool(answer, 0, 0);
	return true;
}

/*
 * What we say to somebody must run where rows are that we would have emptied or filled before:
 * no column without values is NOT NULL.
 */
static bool
make_sayable(Changing *changing, DbsyncChange *change, const Found *found)
{
	bool		there = false;
	const char *sql;

	if ((changing->how & DBSYNC_CHANGE_MAKE) != 0)
		return true;
	if (change->kind == DBSYNC_CHANGE_ADD && change->not_null && change->missing == NULL)
	{
		if (!has_rows(changing, &there))
			return false;
		change->not_null = !there;
	}
	if (change->kind != DBSYNC_CHANGE_TYPE || !found->not_null || (changing->how & DBSYNC_CHANGE_EMPTY) == 0)
		return true;
	if (!has_rows(changing, &there))
		return false;
	sql = there ? empty_sql(changing) : "";
	return sql != NULL && (sql[0] == '\0' || dbsync_postgres_make(changing, sql));
}

static bool
make_change(Changing *changing, const DbsyncChange *wanted, const Found *found)
{
	/* a type is changed with that of all who inherit the column, and they have not been emptied */
	bool		emptied = (changing->how & DBSYNC_CHANGE_EMPTY) != 0 && !changing->has_heirs;
	DbsyncChange change = *wanted;
	List	   *statements = NIL;
	ListCell   *lc;

	if (!make_sayable(changing, &change, found))
		return false;
	if (changing->of_type != NULL)
		statements = dbsync_postgres_change_type_sql(changing->of_type, &change);
	if (statements == NIL)
		statements = dbsync_postgres_change_sql(change.kind == DBSYNC_CHANGE_DEFAULT ? changing->only : changing->quoted,
												&change, emptied, found->identity);
	foreach(lc, statements)
	{
		if (!dbsync_postgres_make(changing, lfirst(lc)))
			return false;
	}
	if ((changing->how & DBSYNC_CHANGE_MAKE) == 0 &&
		(change.kind == DBSYNC_CHANGE_DROP || change.kind == DBSYNC_CHANGE_RENAME))
		changing->given_up = lappend(changing->given_up, memcpy(palloc(sizeof(change)), &change, sizeof(change)));
	return true;
}

/* One that is there already may lack the rest. */
static bool
finish_add(Changing *changing, const DbsyncChange *change, const Found *found)
{
	DbsyncChange rest = *change;

	if ((changing->how & DBSYNC_CHANGE_MAKE) == 0)
		return true;
	rest.kind = DBSYNC_CHANGE_DEFAULT;
	if (!found->identity && (change->value != NULL || found->has_default) && !make_change(changing, &rest, found))
		return false;
	rest.kind = DBSYNC_CHANGE_NOT_NULL;
	return !change->not_null || found->not_null || make_change(changing, &rest, found);
}

/* Rows that were written in this batch, before the column came, have in it what they have at the source. */
static bool
fill(Changing *changing, const DbsyncChange *change, const Found *found)
{
	if (!found->there || found->generated || (changing->how & DBSYNC_CHANGE_SHARED) != 0)
		return true;
	return dbsync_postgres_execute(changing->target, NULL, dbsync_postgres_fill_sql(changing->only, change), NULL) ||
		dbsync_postgres_refused_by(changing->target, changing->quoted);
}

/*
 * A column is added: where there is one of this name it may be the one, made before, if
 * the rows that are there have in it what they have at the source.  Where others write, too,
 * they may have written there since.
 */
static bool
follow_add(Changing *changing, const DbsyncChange *change, const Found *found)
{
	const PostgresAnswer *answer;

	if (!found->there)
		return make_change(changing, change, found);
	if (found->generated || (changing->how & (DBSYNC_CHANGE_EMPTY | DBSYNC_CHANGE_SHARED)) != 0)
		return true;
	answer = dbsync_postgres_query(changing->target,
								   psprintf("SELECT EXISTS (SELECT FROM %s WHERE %s)", changing->only,
											dbsync_postgres_unfilled_sql(change)),
								   0, NULL, "1b");
	if (answer == NULL)
		return dbsync_postgres_refused_by(changing->target, changing->quoted);
	if (dbsync_postgres_answer_bool(answer, 0, 0) &&
		!dbsync_postgres_make(changing, dbsync_postgres_fill_sql(changing->only, change)))
		return false;
	return finish_add(changing, change, found);
}

/*
 * A column of the target's that has a name which one of ours is to get: its own, or one that was
 * dropped at the source, and could stay.  Who runs what we say loses nothing by it.
 */
static bool
step_aside(Changing *changing, const DbsyncChange *change, const Found *found)
{
	DbsyncChange aside = {.kind = DBSYNC_CHANGE_RENAME,.column = change->new_name};
	Found		other;
	int			number = 0;

	do
	{
		aside.new_name = psprintf("dbsync_aside_%d", ++number);
		if (!find(changing, aside.new_name, &aside, &other))
			return false;
	} while (other.there);
	return make_change(changing, &aside, found);
}

/* Where names have changed places, looking does not tell whether they did. */
static bool
follow_rename(Changing *changing, const DbsyncChange *change, const Found *found)
{
	Found		new_one;

	if ((changing->how & DBSYNC_CHANGE_TAKEN) == 0)
	{
		if (!find(changing, change->new_name, change, &new_one))
			return false;
		if (new_one.there && !found->there)
			return true;
		if (new_one.there && (changing->how & DBSYNC_CHANGE_MAKE) == 0 && !step_aside(changing, change, &new_one))
			return false;
	}
	return make_change(changing, change, found);
}

/*
 * What the target lacks for rows of the new spec; and, where it is to be made like the
 * source, what it has that the source has no more.
 */
static bool
follow_column(Changing *changing, const DbsyncChange *change)
{
	bool		making = (changing->how & DBSYNC_CHANGE_MAKE) != 0;
	bool		is_due = false;
	Found		found;

	if (!find(changing, change->column, change, &found))
		return false;
	switch (change->kind)
	{
		case DBSYNC_CHANGE_ADD:
			return (changing->how & DBSYNC_CHANGE_FILL) != 0 ? fill(changing, change, &found)
				: follow_add(changing, change, &found);
		case DBSYNC_CHANGE_RENAME:
			return follow_rename(changing, change, &found);
		case DBSYNC_CHANGE_DROP:
			is_due = found.there &&
				(making || is_taken(changing, change->column) || (found.not_null && !found.has_default && !found.identity && !found.generated));
			break;
		case DBSYNC_CHANGE_TYPE:
			/* a column that was of another type on purpose stays what it is */
			is_due = !found.there || (!found.same_type && (found.old_type || !OidIsValid(change->old_type)));
			break;
		case DBSYNC_CHANGE_DEFAULT:
			is_due = making && !found.identity && !found.generated;
			break;
		case DBSYNC_CHANGE_NOT_NULL:
			is_due = change->not_null ? making && !found.not_null : !found.there || found.not_null;
			break;
		case DBSYNC_CHANGE_KEY:
			break;
	}
	return is_due ? make_change(changing, change, &found) : true;
}

static bool
follow(Changing *changing)
{
	ListCell   *lc;

	foreach(lc, changing->changes)
	{
		const DbsyncChange *change = lfirst(lc);

		if (!(change->kind == DBSYNC_CHANGE_KEY ? dbsync_postgres_change_key(changing, change)
			  : follow_column(changing, change)))
			return false;
	}
	if (changing->due.len == 0)
		return true;
	return dbsync_postgres_change_due(changing->target, changing->label, changing->due.data);
}

/*
 * Empty a table that is copied anew.  TRUNCATE needs a right, and is refused where others
 * reference the table.
 */
static bool
empty(Changing *changing)
{
	const char *sql = empty_sql(changing);

	if (sql == NULL || sql[0] == '\0')
		return sql != NULL;
	return dbsync_postgres_execute(changing->target, NULL, sql, NULL) ||
		dbsync_postgres_refused_by(changing->target, changing->quoted);
}

DbsyncTargetTable *
dbsync_postgres_table_change(DbsyncTarget *base, DbsyncTargetTable *before,
							 const DbsyncTableSpec *spec, List *changes, int how)
{
	PostgresTarget *target = (PostgresTarget *) base;
	Changing	changing = {.target = target,.spec = spec,.how = how,.changes = changes};

	changing.label = psprintf("\"%s.%s\"", spec->schema, spec->table);
	changing.quoted = quote_qualified_identifier(spec->schema, spec->table);
	changing.only = changing.quoted;
	initStringInfo(&changing.due);
	if (!dbsync_postgres_merge_finish(target) || !dbsync_postgres_guard_touched(target) ||
		!dbsync_postgres_pending_now(&changing) ||
		!dbsync_postgres_execute(target, NULL, "SET LOCAL lock_timeout = '" CHANGE_LOCK_TIMEOUT "'", NULL))
		return NULL;
	if (!dbsync_postgres_look_at_type(&changing))
		return NULL;
	how = changing.how;
	if ((how & DBSYNC_CHANGE_EMPTY) && (how & DBSYNC_CHANGE_MAKE) && !empty(&changing))
		return NULL;
	if (!(how & DBSYNC_CHANGE_TRUST) && !follow(&changing))
		return NULL;
	if ((how & DBSYNC_CHANGE_EMPTY) && !(how & DBSYNC_CHANGE_MAKE) && !empty(&changing))
		return NULL;
	if (!dbsync_postgres_execute(target, NULL, "SET LOCAL lock_timeout = '" POSTGRES_LOCK_TIMEOUT "'", NULL) ||
		!dbsync_postgres_pending_later(&changing))
		return NULL;
	return dbsync_postgres_table_renew(target, before, spec);
}
