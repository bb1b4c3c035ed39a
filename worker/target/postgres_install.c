/*-------------------------------------------------------------------------
 *
 * worker/target/postgres_install.c
 *	  PostgreSQL driver: the ledger table on the target, made on first use.
 *
 * One table in a schema of its own, no function, no extension.  A target whose
 * administrator gives no CREATE right on the database makes the same objects
 * by hand (docs/ledger.sql) and grants the rights that are asked for below.
 *
 * Rows of subscriptions and of attachments share the table, told apart by
 * subscription = id: one lock, one place to look.  There is no index but the
 * key's, and pages are left mostly empty, so that every update is heap-only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "worker/target/postgres_driver.h"

/* two workers may come for the first time together */
#define LOCK_SQL "SELECT pg_advisory_xact_lock(hashtextextended('dbsync_ledger', 0))"

static const char *const install_sql[] = {
	"CREATE SCHEMA IF NOT EXISTS dbsync_ledger",
	"COMMENT ON SCHEMA dbsync_ledger IS 'dbsync: how far this target has come'",
	"CREATE TABLE dbsync_ledger.position ("
	" id uuid PRIMARY KEY,"
	" subscription uuid NOT NULL,"
	" name text,"
	" system_identifier bigint,"
	" database_oid oid,"
	" timeline bigint,"
	" lsn pg_lsn,"
	" server_start timestamptz,"
	" batch bigint,"
	" after text,"
	" upto text,"
	" closing pg_lsn,"
	" closing_xid bigint,"
	" identities text,"
	" live boolean,"
	" boundary text[],"
	" rows bigint,"
	" checksum bigint NOT NULL,"
	" relation text,"
	" updated timestamptz NOT NULL DEFAULT now()"
	") WITH (fillfactor = 10)",
	"COMMENT ON TABLE dbsync_ledger.position IS 'dbsync: one row per subscription that writes to this database (id = subscription), and one per table of it; written in the same transaction as the data: do not touch'",
	"COMMENT ON COLUMN dbsync_ledger.position.id IS 'the subscription, or the attachment of a table to it'",
	"COMMENT ON COLUMN dbsync_ledger.position.system_identifier IS 'cluster of the source'",
	"COMMENT ON COLUMN dbsync_ledger.position.database_oid IS 'database of the source'",
	"COMMENT ON COLUMN dbsync_ledger.position.lsn IS 'WAL of the source that was on its disk before the last commit here'",
	"COMMENT ON COLUMN dbsync_ledger.position.server_start IS 'start of the source server that wrote last'",
	"COMMENT ON COLUMN dbsync_ledger.position.batch IS 'counts the commits of this subscription'",
	"COMMENT ON COLUMN dbsync_ledger.position.after IS 'snapshot of the source: what is visible in it has been applied'",
	"COMMENT ON COLUMN dbsync_ledger.position.upto IS 'snapshot of a window that is being worked off; applied up to closing'",
	"COMMENT ON COLUMN dbsync_ledger.position.closing IS 'closing LSN reached within the window'",
	"COMMENT ON COLUMN dbsync_ledger.position.closing_xid IS 'transaction reached at that closing LSN'",
	"COMMENT ON COLUMN dbsync_ledger.position.identities IS 'databases that this one has been: system identifier/oid of each; changes that they made do not come back'",
	"COMMENT ON COLUMN dbsync_ledger.position.live IS 'table: its first copy is complete'",
	"COMMENT ON COLUMN dbsync_ledger.position.boundary IS 'table: key of the last row copied'",
	"COMMENT ON COLUMN dbsync_ledger.position.rows IS 'table: rows copied'",
	"COMMENT ON COLUMN dbsync_ledger.position.checksum IS 'over the row but for name, batch and updated: one that was edited is refused'",
	"COMMENT ON COLUMN dbsync_ledger.position.relation IS 'table: which one here'",
};

typedef enum LedgerState
{
	LEDGER_UNKNOWN,				/* fault set */
	LEDGER_MISSING,
	LEDGER_NO_RIGHTS,
	LEDGER_READY
} LedgerState;

/* looked up by name: to_regclass() raises where a right is missing */
static const char *const look_sql =
"SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
" AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')"
" AND has_table_privilege(c.oid, 'DELETE')"
" FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid"
" WHERE n.nspname = 'dbsync_ledger' AND c.relname = 'position'";

static LedgerState
look_for_ledger(PostgresTarget *target)
{
	PGresult   *result = dbsync_postgres_query(target, look_sql, 0, NULL);

	if (result == NULL)
		return LEDGER_UNKNOWN;
	if (PQntuples(result) == 0)
		return LEDGER_MISSING;
	return PQgetvalue(result, 0, 0)[0] == 't' ? LEDGER_READY : LEDGER_NO_RIGHTS;
}

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
create_ledger(PostgresTarget *target)
{
	for (int i = 0; i < lengthof(install_sql); i++)
	{
		if (dbsync_postgres_execute(target, NULL, install_sql[i], NULL))
			continue;
		if (target->base.fault.sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE)
			dbsync_postgres_advise(target,
								   psprintf("On the target: GRANT CREATE ON DATABASE %s TO %s;"
											" or let its administrator run docs/ledger.sql there.",
											quote_identifier(target->base.identity.database),
											quote_identifier(target->base.identity.user)));
		return false;
	}
	return true;
}

bool
dbsync_postgres_ledger_install(PostgresTarget *target)
{
	LedgerState state = look_for_ledger(target);

	if (state == LEDGER_MISSING)
	{
		/* look again with the lock: a snapshot per statement sees what came */
		if (!dbsync_postgres_execute(target, NULL, LOCK_SQL, NULL))
			return false;
		state = look_for_ledger(target);
	}
	switch (state)
	{
		case LEDGER_UNKNOWN:
			return false;
		case LEDGER_MISSING:
			return create_ledger(target);
		case LEDGER_NO_RIGHTS:
			return refuse_rights(target);
		case LEDGER_READY:
			break;
	}
	return true;
}
