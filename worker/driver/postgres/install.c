/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/install.c
 *	  PostgreSQL driver: the ledger table on the target, made on first use.
 *
 * One table in a schema of its own, no function, no extension.  A target whose
 * administrator gives no CREATE right on the database makes the same objects
 * by hand (docs/ledger.sql) and grants the rights that are asked for below.
 *
 * Whoever owns the table could have us run code of his, as the target's user: so it
 * is taken only from those who could do so anyway, and with no code on it.
 *
 * Rows of subscriptions and of attachments share the table, told apart by
 * subscription = id: one lock, one place to look.  There is no index but the
 * key's, and pages are left mostly empty, so that every update is heap-only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/install.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/step.h"

/*
 * The table's columns.  What is made, and what one that is found must be, comes from
 * this list; docs/ledger.sql says the same.
 */
static const struct
{
	const char *name;
	const char *type;			/* as format_type() calls it */
	const char *constraint;		/* "NOT NULL" or "" */
	const char *rest;			/* of its definition */
	const char *comment;		/* or NULL */
}			columns[] = {
	{"id", "uuid", "NOT NULL", " PRIMARY KEY", "the subscription, or the attachment of a table to it"},
	{"subscription", "uuid", "NOT NULL", "", NULL},
	{"name", "text", "", "", NULL},
	{"system_identifier", "bigint", "", "", "cluster of the source"},
	{"database_oid", "oid", "", "", "database of the source"},
	{"timeline", "bigint", "", "", NULL},
	{"lsn", "pg_lsn", "", "", "WAL of the source that was on its disk before the last commit here"},
	{"server_start", "timestamp with time zone", "", "", "start of the source server that wrote last"},
	{"batch", "bigint", "", "", "counts the commits of this subscription"},
	{"after", "text", "", "", "snapshot of the source: what is visible in it has been applied; table: only while it is held, which the next three are of then"},
	{"upto", "text", "", "", "snapshot of a window that is being worked off; applied up to closing"},
	{"closing", "pg_lsn", "", "", "closing LSN reached within the window"},
	{"closing_xid", "bigint", "", "", "transaction reached at that closing LSN"},
	{"identities", "text", "", "", "databases that this one has been: system identifier/oid of each; changes that they made do not come back"},
	{"live", "boolean", "", "", "table: its first copy is complete"},
	{"boundary", "text[]", "", "", "table: key of the last row copied"},
	{"rows", "bigint", "", "", "table: rows copied"},
	{"checksum", "bigint", "NOT NULL", "", "over the row but for name, batch and updated: one that was edited is refused"},
	{"relation", "text", "", "", "table: which one here"},
	{"updated", "timestamp with time zone", "NOT NULL", " DEFAULT now()", NULL},
	/* added when the first position comes in bundles: ADDED_COLUMNS of them */
	{"chain", "bigint", "", "", "of a position that came in bundles: in which chain of them"},
	{"note", "text", "", "", "of a position that came in bundles: which one was the last"},
};

#define ADDED_COLUMNS	2
#define FIRST_COLUMNS	(lengthof(columns) - ADDED_COLUMNS)

static const char *const table_comment =
"dbsync: one row per subscription that writes to this database (id = subscription), and one per"
" table of it; written in the same transaction as the data: do not touch";

typedef enum LedgerState
{
	LEDGER_REFUSED,				/* fault set */
	LEDGER_MISSING,
	LEDGER_READY
} LedgerState;

/*
 * Looked up by name: to_regclass() raises where a right is missing.  The last column
 * names code on the table that is not ours: constraints, rules, defaults; triggers
 * with a condition, or of somebody who has no business here.
 */
#define LOOK_SHAPE	"?ToBTBBTT"
static const char *const look_sql =
"SELECT CASE WHEN NOT " POSTGRES_RIGHTFUL("n.nspowner") " THEN pg_get_userbyid(n.nspowner) END,"
" coalesce(c.oid, 0),"
" has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
" AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')"
" AND has_table_privilege(c.oid, 'DELETE'),"
" CASE WHEN NOT " POSTGRES_RIGHTFUL("c.relowner") " THEN pg_get_userbyid(c.relowner) END,"
" c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition AND NOT c.relrowsecurity"
" AND NOT EXISTS (SELECT FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)),"
" (SELECT count(*) = 1 AND bool_and(i.indisprimary AND i.indisvalid AND i.indimmediate AND i.indnatts = 1"
"   AND a.attname IS NOT DISTINCT FROM 'id') FROM pg_index i LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
"  WHERE i.indrelid = c.oid),"
" (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod),"
"   CASE WHEN a.attnotnull THEN 'NOT NULL' END), ', ' ORDER BY a.attnum) FROM pg_attribute a"
"  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),"
" (SELECT string_agg(code, ', ') FROM ("
"  SELECT 'constraint ' || quote_ident(k.conname) AS code FROM pg_constraint k WHERE k.conrelid = c.oid"
"   AND k.contype NOT IN ('p', 'n')"
"  UNION ALL SELECT 'rule ' || quote_ident(r.rulename) FROM pg_rewrite r WHERE r.ev_class = c.oid"
"  UNION ALL SELECT 'default of column ' || e.adnum FROM pg_attrdef e WHERE e.adrelid = c.oid"
"   AND NOT " POSTGRES_IS_PLAIN("pg_attrdef", "e.oid")
"  UNION ALL SELECT 'trigger ' || quote_ident(g.tgname) FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid"
"   WHERE g.tgrelid = c.oid AND (g.tgqual IS NOT NULL OR NOT " POSTGRES_RIGHTFUL("p.proowner") ")) others)"
" FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'position'"
" WHERE n.nspname = 'dbsync_ledger'";

static bool
refuse_rights(PostgresTarget *target)
{
	const char *user = quote_identifier(target->base.identity.user);

	return dbsync_postgres_refuse(target, ERRCODE_INSUFFICIENT_PRIVILEGE,
								  "permission denied for table dbsync_ledger.position on the target", NULL,
								  psprintf("On the target: GRANT USAGE ON SCHEMA dbsync_ledger TO %s;"
										   " GRANT SELECT, INSERT, UPDATE, DELETE"
										   " ON dbsync_ledger.position TO %s;", user, user));
}

static bool
refuse_owner(PostgresTarget *target, const char *what, const char *owner)
{
	return dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  psprintf("%s on the target belongs to role \"%s\"", what, owner),
								  "Its owner could have the target's user run code of his. It must belong to that user,"
								  " to a superuser, or to the database's owner.",
								  "Find out who made it. On the target, let a superuser drop schema dbsync_ledger,"
								  " or ALTER SCHEMA and ALTER TABLE ... OWNER TO another role.");
}

static bool
refuse_form(PostgresTarget *target, const char *detail)
{
	return dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  "table dbsync_ledger.position on the target is not as dbsync makes it", detail,
								  "On the target, undo what was changed. One that holds nothing of value can be dropped,"
								  " and is made anew.");
}

/* the list of the first n columns, as look_sql makes it */
static char *
expected_columns(int n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%s %s%s%s", i > 0 ? ", " : "", columns[i].name, columns[i].type,
						 columns[i].constraint[0] ? " " : "", columns[i].constraint);
	return buf.data;
}

/* Is what was found the ledger, in the right hands?  False: fault set. */
static bool
check_ledger(PostgresTarget *target, const PostgresAnswer *answer)
{
	const char *owner = dbsync_postgres_answer_text(answer, 0, 3);
	const char *found = dbsync_postgres_answer_text(answer, 0, 6);
	const char *code = dbsync_postgres_answer_text(answer, 0, 7);

	if (owner != NULL)
		return refuse_owner(target, "table dbsync_ledger.position", owner);
	if (dbsync_postgres_answer_is_null(answer, 0, 2) || !dbsync_postgres_answer_bool(answer, 0, 2))
		return refuse_rights(target);
	if (dbsync_postgres_answer_is_null(answer, 0, 4) || !dbsync_postgres_answer_bool(answer, 0, 4))
		return refuse_form(target, "It is no ordinary table.");
	target->ledger_has_chain = found != NULL && strcmp(found, expected_columns(lengthof(columns))) == 0;
	if (found == NULL || (!target->ledger_has_chain && strcmp(found, expected_columns(FIRST_COLUMNS)) != 0))
		return refuse_form(target, psprintf("Its columns are: %s.", found ? found : "none"));
	if (dbsync_postgres_answer_is_null(answer, 0, 5) || !dbsync_postgres_answer_bool(answer, 0, 5))
		return refuse_form(target, "Its only index must be that of its primary key, id.");
	if (code != NULL)
		return refuse_form(target, psprintf("It has what is not dbsync's: %s.", code));
	return true;
}

static LedgerState
look_for_ledger(PostgresTarget *target)
{
	const PostgresAnswer *answer = dbsync_postgres_query(target, look_sql, 0, NULL, LOOK_SHAPE);
	const char *owner;

	if (answer == NULL)
		return LEDGER_REFUSED;
	if (dbsync_postgres_answer_rows(answer) == 0)
		return LEDGER_MISSING;
	owner = dbsync_postgres_answer_text(answer, 0, 0);
	if (owner != NULL)
	{
		refuse_owner(target, "schema dbsync_ledger", owner);
		return LEDGER_REFUSED;
	}
	if (dbsync_postgres_answer_int(answer, 0, 1) == 0)
		return LEDGER_MISSING;
	return check_ledger(target, answer) ? LEDGER_READY : LEDGER_REFUSED;
}

bool
dbsync_postgres_install_run(PostgresTarget *target, const char *sql)
{
	if (dbsync_postgres_execute(target, NULL, sql, NULL))
		return true;
	if (target->base.fault.sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE)
		dbsync_postgres_advise(target,
							   psprintf("On the target: GRANT CREATE ON DATABASE %s TO %s;"
										" or let its administrator run docs/ledger.sql there.",
										quote_identifier(target->base.identity.database),
										quote_identifier(target->base.identity.user)));
	return false;
}

static char *
create_table_sql(void)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "CREATE TABLE dbsync_ledger.position (");
	for (int i = 0; i < FIRST_COLUMNS; i++)
		appendStringInfo(&buf, "%s%s %s %s%s", i > 0 ? ", " : "", columns[i].name, columns[i].type,
						 columns[i].constraint, columns[i].rest);
	appendStringInfoString(&buf, ") WITH (fillfactor = 10)");
	return buf.data;
}

/*
 * Take away what ALTER DEFAULT PRIVILEGES gives of new tables and schemas: who may
 * write to the ledger says what has been applied.  The schema's only if we have just
 * made it; what somebody has granted of his own is his business.
 */
bool
dbsync_postgres_install_revoke(PostgresTarget *target, const char *table)
{
	const char *values[1] = {table};
	static const char *const sql =
	"SELECT format('REVOKE ALL ON %s FROM %s CASCADE', o.name, string_agg(DISTINCT"
	"  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, ', '))"
	" FROM (SELECT concat('TABLE ', CAST($1 AS text)), c.relacl, c.relowner FROM pg_class c"
	"   WHERE c.oid = CAST(CAST($1 AS text) AS regclass)"
	"  UNION ALL SELECT 'SCHEMA dbsync_ledger', n.nspacl, n.nspowner FROM pg_namespace n"
	"   WHERE n.nspname = 'dbsync_ledger' AND age(n.xmin) = 0) o (name, acl, owner), aclexplode(o.acl) a"
	" WHERE a.grantee <> o.owner GROUP BY o.name";
	const PostgresAnswer *answer = dbsync_postgres_query(target, sql, 1, values, "*t");
	List	   *statements = NIL;
	ListCell   *lc;

	if (answer == NULL)
		return false;
	/* the answer goes with the next statement */
	for (int i = 0; i < dbsync_postgres_answer_rows(answer); i++)
		statements = lappend(statements, pstrdup(dbsync_postgres_answer_text(answer, i, 0)));
	foreach(lc, statements)
	{
		if (!dbsync_postgres_install_run(target, lfirst(lc)))
			return false;
	}
	return true;
}

/* Comments on columns from this one to the one before that. */
static bool
comment_on_columns(PostgresTarget *target, int from, int to)
{
	for (int i = from; i < to; i++)
	{
		if (columns[i].comment &&
			!dbsync_postgres_install_run(target, psprintf("COMMENT ON COLUMN dbsync_ledger.position.%s IS '%s'",
										  columns[i].name, columns[i].comment)))
			return false;
	}
	return true;
}

static bool
create_ledger(PostgresTarget *target)
{
	if (!dbsync_postgres_install_run(target, "CREATE SCHEMA IF NOT EXISTS dbsync_ledger") ||
		!dbsync_postgres_install_run(target, create_table_sql()) ||
		!dbsync_postgres_install_revoke(target, "dbsync_ledger.position") ||
		!dbsync_postgres_install_run(target, "COMMENT ON SCHEMA dbsync_ledger IS 'dbsync: how far this target has come'") ||
		!dbsync_postgres_install_run(target, psprintf("COMMENT ON TABLE dbsync_ledger.position IS '%s'", table_comment)))
		return false;
	if (!comment_on_columns(target, 0, FIRST_COLUMNS))
		return false;
	/* somebody may have been faster with the schema, and not let it go */
	return look_for_ledger(target) == LEDGER_READY;
}

bool
dbsync_postgres_ledger_install(PostgresTarget *target)
{
	LedgerState state = look_for_ledger(target);

	if (state == LEDGER_MISSING)
	{
		/* look again with the lock: a snapshot per statement sees what came */
		if (dbsync_postgres_query(target, POSTGRES_LEDGER_LOCK, 0, NULL, POSTGRES_ANY_ROWS) == NULL)
			return false;
		state = look_for_ledger(target);
	}
	return state == LEDGER_MISSING ? create_ledger(target) : state == LEDGER_READY;
}

bool
dbsync_postgres_ledger_add_chain(PostgresTarget *target)
{
	StringInfoData sql;

	if (target->ledger_has_chain)
		return true;
	/* another one may come for it at the same time: it is looked at again with the lock */
	if (dbsync_postgres_query(target, POSTGRES_LEDGER_LOCK, 0, NULL, POSTGRES_ANY_ROWS) == NULL ||
		look_for_ledger(target) != LEDGER_READY)
		return false;
	if (target->ledger_has_chain)
		return true;
	initStringInfo(&sql);
	appendStringInfoString(&sql, "ALTER TABLE dbsync_ledger.position");
	for (int i = FIRST_COLUMNS; i < lengthof(columns); i++)
		appendStringInfo(&sql, "%s ADD COLUMN %s %s", i > FIRST_COLUMNS ? "," : "", columns[i].name, columns[i].type);
	if (!dbsync_postgres_execute(target, NULL, sql.data, NULL))
	{
		if (target->base.fault.sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE)
			dbsync_postgres_advise(target, psprintf("On the target, as the owner of the table: %s;", sql.data));
		return false;
	}
	target->ledger_has_chain = true;
	return comment_on_columns(target, FIRST_COLUMNS, lengthof(columns));
}
