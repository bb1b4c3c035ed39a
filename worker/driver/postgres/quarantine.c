/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/quarantine.c
 *	  PostgreSQL driver: rows that were refused, in a table beside the ledger.
 *
 * It is written in the batch's own transaction: what has been decided about a row, and how far the target has
 * come, are one.  A target whose administrator does not let dbsync make it makes it by hand (docs/ledger.sql); it is
 * taken from those alone from whom the ledger is, and with no code on it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/install.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/ledger_values.h"
#include "worker/driver/postgres/quarantine.h"
#include "worker/driver/postgres/step.h"

/* so many are read at a time */
#define ROWS_READ	"1000"

/* so much of a row, and of what was said, is read for the source's view of it */
#define TEXT_READ	"8192"

/* as format_type() calls them; docs/ledger.sql says the same */
static const struct
{
	const char *name;
	const char *type;
	const char *constraint;
	const char *comment;
}			columns[] = {
	{"subscription", "uuid", "NOT NULL", "the subscription that has sent it"},
	{"attachment", "uuid", "NOT NULL", "of the table to it"},
	{"relation", "text", "NOT NULL", "the table here"},
	{"key", "text[]", "NOT NULL", "columns of its key, in the key's order"},
	{"op", "text", "NOT NULL", "write or delete: what was refused"},
	{"row", "text", "", "the row, as JSON with each value as text; long ones are cut off"},
	{"sqlstate", "text", "NOT NULL", "what it was refused with"},
	{"message", "text", "NOT NULL", ""},
	{"detail", "text", "", ""},
	{"hint", "text", "", ""},
	{"since", "timestamp with time zone", "NOT NULL", "since when the key has been parked"},
	{"changes", "bigint", "NOT NULL", "changes of the key that were refused"},
};

static const char *const table_comment =
"dbsync: one row per key of which this database has refused a row, written in the transaction in which all else went on: do not touch";

#define LOOK_SHAPE	"?TbbTT"
static const char *const look_sql =
"SELECT CASE WHEN NOT " POSTGRES_RIGHTFUL("c.relowner") " THEN pg_get_userbyid(c.relowner) END,"
" has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
" AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'),"
" c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition AND NOT c.relrowsecurity"
" AND NOT EXISTS (SELECT FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent)),"
" (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod),"
"   CASE WHEN a.attnotnull THEN 'NOT NULL' END), ', ' ORDER BY a.attnum) FROM pg_attribute a"
"  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),"
" (SELECT string_agg(code, ', ') FROM ("
"  SELECT 'constraint ' || quote_ident(k.conname) AS code FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 'n'"
"  UNION ALL SELECT 'rule ' || quote_ident(r.rulename) FROM pg_rewrite r WHERE r.ev_class = c.oid"
"  UNION ALL SELECT 'default of column ' || e.adnum FROM pg_attrdef e WHERE e.adrelid = c.oid"
"  UNION ALL SELECT 'index ' || i.indexrelid::regclass FROM pg_index i WHERE i.indrelid = c.oid"
"   AND (i.indisunique OR i.indisexclusion OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)"
"  UNION ALL SELECT 'trigger ' || quote_ident(g.tgname) FROM pg_trigger g WHERE g.tgrelid = c.oid) others)"
" FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'quarantine'"
" WHERE n.nspname = 'dbsync_ledger'";

static char *
list_columns(bool definition)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < lengthof(columns); i++)
		appendStringInfo(&buf, "%s%s %s%s%s", i > 0 ? ", " : "",
						 definition ? quote_identifier(columns[i].name) : columns[i].name, columns[i].type,
						 columns[i].constraint[0] ? " " : "", columns[i].constraint);
	return buf.data;
}

static bool
refuse(PostgresTarget *target, int sqlstate, const char *message, const char *detail, const char *hint)
{
	return dbsync_postgres_refuse(target, sqlstate, message, detail, hint);
}

/* Is what was found ours, in the right hands?  False: fault set. */
static bool
check(PostgresTarget *target, const PostgresAnswer *answer)
{
	const char *owner = dbsync_postgres_answer_text(answer, 0, 0);
	const char *found = dbsync_postgres_answer_text(answer, 0, 3);
	const char *code = dbsync_postgres_answer_text(answer, 0, 4);
	const char *undo = "On the target, undo what was changed. One in which nothing is parked can be dropped, and is made anew.";

	if (owner != NULL)
		return refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					  psprintf("table dbsync_ledger.quarantine on the target belongs to role \"%s\"", owner),
					  "Its owner could have the target's user run code of his. It must belong to that user,"
					  " to a superuser, or to the database's owner.", undo);
	if (!dbsync_postgres_answer_bool(answer, 0, 1))
		return refuse(target, ERRCODE_INSUFFICIENT_PRIVILEGE,
					  "permission denied for table dbsync_ledger.quarantine on the target", NULL,
					  psprintf("On the target: GRANT SELECT, INSERT, UPDATE, DELETE ON dbsync_ledger.quarantine TO %s;",
							   quote_identifier(target->base.identity.user)));
	if (!dbsync_postgres_answer_bool(answer, 0, 2))
		return refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					  "table dbsync_ledger.quarantine on the target is not as dbsync makes it",
					  "It has row security, is unlogged, or is a partition, a parent, a child, or no table at all.", undo);
	if (found == NULL || strcmp(found, list_columns(false)) != 0)
		return refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					  "table dbsync_ledger.quarantine on the target is not as dbsync makes it",
					  psprintf("Its columns are: %s.", found ? found : "none"), undo);
	if (code != NULL)
		return refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					  "table dbsync_ledger.quarantine on the target is not as dbsync makes it",
					  psprintf("It has what is not dbsync's: %s.", code), undo);
	return true;
}

static bool
look(PostgresTarget *target)
{
	const PostgresAnswer *answer = dbsync_postgres_query(target, look_sql, 0, NULL, LOOK_SHAPE);

	if (answer == NULL)
		return false;
	target->has_quarantine = dbsync_postgres_answer_rows(answer) > 0;
	return !target->has_quarantine || check(target, answer);
}

/* Keys may be longer than a b-tree takes; a publication of all tables takes in this one, too. */
static bool
create(PostgresTarget *target)
{
	if (!dbsync_postgres_install_run(target, psprintf("CREATE TABLE dbsync_ledger.quarantine (%s)", list_columns(true))) ||
		!dbsync_postgres_install_run(target, "CREATE INDEX quarantine_attachment ON dbsync_ledger.quarantine (attachment)") ||
		!dbsync_postgres_install_run(target, "CREATE INDEX quarantine_key ON dbsync_ledger.quarantine USING hash (key)") ||
		!dbsync_postgres_install_run(target, "ALTER TABLE dbsync_ledger.quarantine REPLICA IDENTITY FULL") ||
		!dbsync_postgres_install_revoke(target, "dbsync_ledger.quarantine") ||
		!dbsync_postgres_install_run(target, psprintf("COMMENT ON TABLE dbsync_ledger.quarantine IS '%s'", table_comment)))
		return false;
	for (int i = 0; i < lengthof(columns); i++)
	{
		if (columns[i].comment[0] &&
			!dbsync_postgres_install_run(target, psprintf("COMMENT ON COLUMN dbsync_ledger.quarantine.%s IS %s",
														  quote_identifier(columns[i].name), quote_literal_cstr(columns[i].comment))))
			return false;
	}
	return look(target);
}

/* Two may come for it together: who is late looks again with the lock. */
static bool
install(PostgresTarget *target)
{
	if (dbsync_postgres_query(target, POSTGRES_LEDGER_LOCK, 0, NULL, POSTGRES_ANY_ROWS) == NULL || !look(target))
		return false;
	return target->has_quarantine || create(target);
}

static DbsyncParkedRow *
row_from_answer(const PostgresAnswer *answer, int at)
{
	DbsyncParkedRow *row = palloc0(sizeof(DbsyncParkedRow));

	dbsync_postgres_uuid_parse(dbsync_postgres_answer_text(answer, at, 0), &row->attachment);
	dbsync_postgres_array_parse(dbsync_postgres_answer_text(answer, at, 1), &row->nkeys, &row->key);
	row->deletes = dbsync_postgres_answer_bool(answer, at, 2);
	row->row = dbsync_postgres_field(answer, at, 3);
	row->sqlstate = dbsync_postgres_field(answer, at, 4);
	row->message = dbsync_postgres_field(answer, at, 5);
	row->detail = dbsync_postgres_field(answer, at, 6);
	row->hint = dbsync_postgres_field(answer, at, 7);
	row->since = dbsync_postgres_answer_int(answer, at, 8) - DBSYNC_POSTGRES_UNIX_EPOCH;
	row->changes = dbsync_postgres_answer_int(answer, at, 9);
	return row;
}

static bool
read_all(PostgresTarget *target, const pg_uuid_t *subscription, List **rows)
{
	int			n;

	if (!dbsync_postgres_execute(target, NULL, psprintf(
								 "DECLARE dbsync_parked NO SCROLL CURSOR FOR SELECT attachment, key, op = 'delete',"
								 " pg_catalog.left(\"row\", " TEXT_READ "), pg_catalog.left(sqlstate, " TEXT_READ "),"
								 " pg_catalog.left(message, " TEXT_READ "), pg_catalog.left(detail, " TEXT_READ "),"
								 " pg_catalog.left(hint, " TEXT_READ "),"
								 " CAST(extract(epoch FROM CASE WHEN pg_catalog.isfinite(since) THEN since ELSE 'epoch' END) * 1000000 AS bigint), changes"
								 " FROM dbsync_ledger.quarantine WHERE subscription = '%s'",
								 dbsync_postgres_uuid_text(subscription)), NULL))
		return false;
	do
	{
		const PostgresAnswer *answer = dbsync_postgres_query(target, "FETCH " ROWS_READ " FROM dbsync_parked", 0, NULL,
															 "*ttbTttTTll");

		if (answer == NULL)
			return false;
		n = dbsync_postgres_answer_rows(answer);
		for (int i = 0; i < n; i++)
			*rows = lappend(*rows, row_from_answer(answer, i));
	} while (n > 0);
	return true;
}

/* There are 10 000 at most. */
bool
dbsync_postgres_read_parked(DbsyncTarget *base, const pg_uuid_t *attachment, List **rows)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[1] = {dbsync_postgres_uuid_text(attachment)};
	const PostgresAnswer *answer;

	*rows = NIL;
	if (!look(target))
		return false;
	if (!target->has_quarantine)
		return true;
	answer = dbsync_postgres_query(target, "SELECT q.key FROM dbsync_ledger.quarantine q WHERE q.attachment = $1::pg_catalog.uuid",
								   1, values, "*t");
	if (answer == NULL)
		return false;
	for (int i = 0; i < dbsync_postgres_answer_rows(answer); i++)
	{
		DbsyncParkedRow *row = palloc0(sizeof(DbsyncParkedRow));

		dbsync_postgres_array_parse(dbsync_postgres_answer_text(answer, i, 0), &row->nkeys, &row->key);
		*rows = lappend(*rows, row);
	}
	return true;
}

bool
dbsync_postgres_quarantine_read(DbsyncTarget *base, const pg_uuid_t *subscription, bool make, List **rows)
{
	PostgresTarget *target = (PostgresTarget *) base;

	*rows = NIL;
	/* the table may be made here: its commit is to last */
	if (!dbsync_postgres_begin(target, "on", NULL) || !look(target) ||
		(make && !target->has_quarantine && !install(target)) ||
		(target->has_quarantine && !read_all(target, subscription, rows)))
		return false;
	return dbsync_postgres_commit(target);
}
