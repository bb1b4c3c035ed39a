/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/aside.c
 *	  PostgreSQL driver: rows that are taken off what they reference, for as long as a value moves.
 *
 * A value that foreign keys lead to leaves a row, and another takes it, in one statement.  At its end the target does
 * what it is to do when such a row goes or changes: to all that leads to the value by then, which is just what is to lead
 * to the other row.  So nothing does while that statement runs: the column is null, in stages and in
 * the target's tables, and a statement behind it puts the value back, which checks it as ever.
 *
 * A column that may not be null can only wait for what ON UPDATE CASCADE does to it, and have its value
 * given back.  What could be lost is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/acting.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/aside.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/led_to.h"
#include "worker/driver/postgres/sql.h"
#include "worker/driver/postgres/step.h"

/* rows of one table that were set aside */
typedef struct Aside
{
	const PostgresActing *key;
	const char *saved;			/* temporary table of them */
	const char *table;			/* theirs, for SQL */
	const char *stage;			/* where they are to be written from; NULL: they are in no stage */
	const char *found;			/* condition: x is w */
	int64		rows;
	bool		again;			/* they stay, and have their value put right behind it */
} Aside;

/* while it is looked for rows of one key */
typedef struct Search
{
	PostgresTarget *target;
	const PostgresTogether *one;	/* has the values that move */
	const PostgresActing *key;
	const char *moved;			/* temporary table of them */
	List	   *members;		/* PostgresTogether whose rows are of the table that has the key */
	List	   *found;			/* Aside */
	bool		off_key;		/* of some member: see PostgresKin */
	bool		any_key;
	bool		in_part;
	bool		lost;			/* rows that are in no stage, and could not be found again */
	bool		left_out;		/* rows that have not been set aside, by whatever */
} Search;

static const char *
stage_of(const DbsyncTargetTable *table)
{
	return dbsync_postgres_stage_name(table, POSTGRES_STAGE_ROWS);
}

static bool
acts(char action)
{
	return action != 'a';
}

static bool
run(Search *search, const char *sql, int64 *rows)
{
	return dbsync_postgres_execute(search->target, search->one->table, sql, rows);
}

/* Is there such a row? */
static bool
ask(Search *search, const char *sql, bool *answer)
{
	const PostgresAnswer *said = dbsync_postgres_query(search->target, psprintf("SELECT EXISTS (%s)", sql), 0, NULL, "1b");

	if (said == NULL)
		return dbsync_postgres_refused_by(search->target, search->one->table->label);
	*answer = dbsync_postgres_answer_bool(said, 0, 0);
	return true;
}

static char *
new_name(Search *search, const char *what)
{
	return psprintf("pg_temp.dbsync_%s_%d", what, ++search->target->nasides);
}

/* A table of what a query gives, gone with the transaction. */
static char *
table_of(const char *name, const char *query)
{
	return psprintf("CREATE TEMPORARY TABLE %s USING heap ON COMMIT DROP AS %s", name, query);
}

/* Values that the key acts for, as a row leaves them; "gone" says whether it is deleted. */
static bool
find_values(Search *search, int64 *values)
{
	const DbsyncTargetTable *table = search->one->table;
	const PostgresActing *key = search->key;
	const char *stage = stage_of(table);
	const char *stays = dbsync_postgres_key_match(table, "p", "n");
	const char *carried = NULL;
	StringInfoData sql;

	if (search->one->carried != NULL)
	{
		carried = psprintf("EXISTS (SELECT FROM %s AS c WHERE %s AND %s)", search->one->carried,
						   dbsync_postgres_key_match_numbered(table, "p", "c.o"),
						   dbsync_postgres_key_match_numbered(table, "n", "c.n"));
		stays = psprintf("(%s OR %s)", stays, carried);
	}
	search->moved = new_name(search, "moved");
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT * FROM (SELECT %s, %s, %s AS stays, EXISTS (SELECT FROM %s AS d WHERE d.%s = 'D' AND %s) AS gone",
					 key->taken, key->given, stays, stage, table->op_column, dbsync_postgres_key_match(table, "p", "d"));
	appendStringInfo(&sql, " FROM %s AS n JOIN %s AS p ON %s WHERE n.%s <> 'D' AND %s",
					 stage, table->only, key->same, table->op_column, dbsync_postgres_moves_sql(table, key->form));
	/* those keep their value, but perhaps not its form */
	if (search->one->carried != NULL)
		appendStringInfo(&sql, " AND (NOT %s OR %s)", carried, key->form ? key->form : "false");
	appendStringInfo(&sql, ") m WHERE CASE WHEN m.gone THEN %s ELSE %s END",
					 acts(key->on_delete) ? "true" : "false", acts(key->on_update) ? "true" : "false");
	return run(search, table_of(search->moved, sql.data), values);
}

static bool
find_members(Search *search, const List *staged)
{
	ListCell   *lc;

	foreach(lc, staged)
	{
		PostgresTogether *one = lfirst(lc);
		PostgresKin kin;

		if (!dbsync_postgres_acting_kin(search->target, search->key, one->table, &kin))
			return false;
		search->in_part |= kin.in_part;
		search->off_key |= kin.off_key;
		search->any_key |= kin.any_key;
		if (kin.whole)
			search->members = lappend(search->members, one);
	}
	return true;
}

/* Save what a query finds; if that is anything it is to be set aside. */
static bool
save(Search *search, const char *query, const char *table, const char *stage, const char *found)
{
	char	   *saved = new_name(search, "aside");
	Aside	   *aside;
	int64		rows;

	if (!run(search, table_of(saved, query), &rows))
		return false;
	if (rows == 0)
		return true;
	aside = palloc0(sizeof(Aside));
	aside->key = search->key;
	aside->saved = saved;
	aside->table = table;
	aside->stage = stage;
	aside->found = found;
	aside->rows = rows;
	search->found = lappend(search->found, aside);
	return true;
}

/* Rows that are to lead to such a value, and will by what is in a stage. */
static bool
find_staged(Search *search, const DbsyncTargetTable *table)
{
	const PostgresActing *key = search->key;
	const char *wanted = "true";
	const char *query;

	/* those that are to have the form that CASCADE gives need nothing; a key's own columns get it, which is equal */
	if (key->on_update == 'c')
		wanted = search->any_key ? "NOT m.stays" : psprintf("(NOT m.stays OR %s)", key->other);
	query = psprintf("SELECT %s, %s FROM %s AS x JOIN %s AS m ON %s WHERE x.%s <> 'D' AND %s",
					 dbsync_postgres_key_numbered(table, "x", "k"), key->value, stage_of(table),
					 search->moved, key->references, table->op_column, wanted);

	return save(search, query, table->only, stage_of(table), dbsync_postgres_key_match_numbered(table, "x", "w.k"));
}

/* Rows that lead to it, and of which no stage has anything. */
static bool
find_others(Search *search)
{
	const PostgresActing *key = search->key;
	StringInfoData from;
	ListCell   *lc;

	initStringInfo(&from);
	/* by CASCADE they get the other form, as they would at the source */
	appendStringInfo(&from, "FROM %s AS x JOIN %s AS m ON %s WHERE %s", key->child, search->moved, key->references,
					 key->on_update == 'c' ? "NOT m.stays" : "true");
	foreach(lc, search->members)
	{
		const PostgresTogether *member = lfirst(lc);
		const DbsyncTargetTable *table = member->table;
		const char *here = !table->partitioned ? ""
			: psprintf(" AND (x.tableoid = %u OR EXISTS (SELECT FROM pg_catalog.pg_partition_tree(%u) t WHERE t.relid = x.tableoid))",
					   table->relid, table->relid);

		appendStringInfo(&from, " AND NOT EXISTS (SELECT FROM %s AS s WHERE %s%s)", stage_of(table),
						 dbsync_postgres_key_match(table, "x", "s"), here);
		if (member->carried != NULL)
			appendStringInfo(&from, " AND NOT EXISTS (SELECT FROM %s AS c WHERE %s)", member->carried,
							 dbsync_postgres_key_match_numbered(table, "x", "c.o"));
	}
	if (key->key == NULL)
		return ask(search, psprintf("SELECT %s", from.data), &search->lost);
	return save(search, psprintf("SELECT %s, %s %s", key->key, key->value, from.data), key->child, NULL, key->found);
}

static const char *
words_of(char action)
{
	switch (action)
	{
		case 'c':
			return "CASCADE";
		case 'n':
			return "SET NULL";
		case 'd':
			return "SET DEFAULT";
		default:
			return "RESTRICT";
	}
}

/* Why they cannot be set aside */
static const char *
reason_of(const Search *search)
{
	const PostgresActing *key = search->key;

	if (!key->allowed)
		return "dbsync's user may not SELECT and UPDATE there, which it would have to, to take them off it meanwhile.";
	if (search->left_out)
		return "Meanwhile they would be taken off it, but a trigger there leaves rows out.";
	if (search->lost)
		return "Meanwhile they would be taken off it, but the table has no primary key by which they would be found again.";
	if (search->in_part)
		return "Meanwhile they would be taken off it, but only a part of these columns is sent.";
	if (key->fixed || search->off_key)
		return "Meanwhile they would be taken off it, but other foreign keys lead to these columns, or they are a part of the key, or generated.";
	return "Meanwhile they would be taken off it, but these columns may not be null.";
}

static const char *
how_to_be_replica(const PostgresTarget *target)
{
	if (target->base.identity.version < DBSYNC_POSTGRES_GRANTS_SET)
		return ", which takes a superuser there.";
	return psprintf(": GRANT SET ON PARAMETER session_replication_role TO %s;", quote_identifier(target->base.identity.user));
}

static bool
refuse(Search *search)
{
	const PostgresActing *key = search->key;
	char	   *actions = psprintf("%s%s%s%s%s", acts(key->on_delete) ? "ON DELETE " : "",
								   acts(key->on_delete) ? words_of(key->on_delete) : "",
								   acts(key->on_delete) && acts(key->on_update) ? " and " : "",
								   acts(key->on_update) ? "ON UPDATE " : "",
								   acts(key->on_update) ? words_of(key->on_update) : "");

	return dbsync_postgres_refuse(search->target, ERRCODE_FOREIGN_KEY_VIOLATION,
								  psprintf("rows of table \"%s\" at the target cannot be kept from what foreign key %s does there",
										   key->label, key->name),
								  psprintf("A value of (%s) goes from one row of target table %s to another, and rows that lead to it by (%s)"
										   " would have %s done to them. %s",
										   key->parent_columns, search->one->table->label, key->child_columns, actions,
										   reason_of(search)),
								  psprintf("On the target, let the key be one of NO ACTION (what it does at the source is sent), or let"
										   " dbsync's user set session_replication_role%s", how_to_be_replica(search->target)));
}

/* Can what is found stay and be put right behind it?  Where it is no more than followed to another value. */
static bool
can_stay(Search *search, bool *can)
{
	bool		gone;

	*can = false;
	if (search->key->again == NULL || search->any_key || search->key->on_update != 'c')
		return true;
	if (!ask(search, psprintf("SELECT FROM %s AS m WHERE m.gone", search->moved), &gone))
		return false;
	*can = !gone;
	return true;
}

/* All that was found references nothing from here on. */
static bool
take_off(Search *search, List **asides)
{
	ListCell   *lc;

	foreach(lc, search->found)
	{
		Aside	   *aside = lfirst(lc);
		int64		rows;

		*asides = lappend(*asides, aside);
		aside->again = search->key->off == NULL || search->off_key;
		if (aside->again)
			continue;
		if (!run(search, psprintf("UPDATE %s AS x SET %s FROM %s AS w WHERE %s", aside->stage ? aside->stage : aside->table,
								  search->key->off, aside->saved, aside->found), &rows))
			return false;
		/* a trigger that leaves rows out would leave them to the key */
		search->left_out = rows != aside->rows;
		if (search->left_out)
			return refuse(search);
	}
	return true;
}

static bool
set_aside_for(Search *search, const List *staged, List **asides)
{
	ListCell   *lc;
	int64		values;
	bool		can = true;

	if (!find_values(search, &values))
		return false;
	if (values == 0)
		return true;
	if (!search->key->allowed)
		return refuse(search);
	/* nobody else is to write rows there that would not be seen */
	if (!run(search, psprintf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", search->key->child), NULL) ||
		!find_members(search, staged))
		return false;
	if (search->in_part)
		return refuse(search);
	foreach(lc, search->members)
	{
		if (!find_staged(search, ((const PostgresTogether *) lfirst(lc))->table))
			return false;
	}
	if (!find_others(search))
		return false;
	if (search->lost)
		return refuse(search);
	if (search->found != NIL && (search->key->off == NULL || search->off_key) && !can_stay(search, &can))
		return false;
	return can ? take_off(search, asides) : refuse(search);
}

bool
dbsync_postgres_set_aside(PostgresTarget *target, const List *staged, const PostgresTogether *one, List **asides)
{
	List	   *keys;
	ListCell   *lc;

	if (!dbsync_postgres_acting_keys(target, one->table, &keys))
		return false;
	foreach(lc, keys)
	{
		Search		search = {.target = target,.one = one,.key = lfirst(lc)};

		if (!set_aside_for(&search, staged, asides))
			return false;
	}
	return true;
}

static bool
put_back(PostgresTarget *target, const Aside *aside)
{
	const PostgresActing *key = aside->key;
	const PostgresAnswer *answer;
	char	   *sql = psprintf("UPDATE %s AS x SET %s FROM %s AS w WHERE %s", aside->table,
							   aside->again ? key->again : key->back, aside->saved, aside->found);

	if (!dbsync_postgres_execute(target, NULL, sql, NULL))
		return dbsync_postgres_refused_by(target, psprintf("\"%s\"", key->label));
	answer = dbsync_postgres_query(target, psprintf("SELECT EXISTS (SELECT FROM %s AS x JOIN %s AS w ON %s WHERE (%s) IS NOT TRUE)",
													aside->table, aside->saved, aside->found, key->unchanged), 0, NULL, "1b");
	if (answer == NULL)
		return dbsync_postgres_refused_by(target, psprintf("\"%s\"", key->label));
	if (!dbsync_postgres_answer_bool(answer, 0, 0))
		return true;
	return dbsync_postgres_refuse(target, ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION,
								  psprintf("rows of table \"%s\" at the target have not taken back what they reference by foreign key %s",
										   key->label, key->name),
								  "It has a trigger that changes rows, or leaves them out.",
								  "On the target, disable triggers that do (ALTER TABLE ... DISABLE TRIGGER ...).");
}

bool
dbsync_postgres_put_back(PostgresTarget *target, const List *asides)
{
	ListCell   *lc;

	foreach(lc, asides)
	{
		if (!put_back(target, lfirst(lc)))
			return false;
	}
	return true;
}
