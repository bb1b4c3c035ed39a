/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/ledger.c
 *	  SQLite driver: the ledger, a table of the file, and the fence.
 *
 * The fence is the batch's own UPDATE of its row, under the lock by which there is one writer only: whoever comes
 * later finds another batch number, or waits until we have committed or died.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/driver/sqlite/internal.h"
#include "worker/driver/sqlite/ledger_values.h"

/* docs/ledger.sqlite.sql has the same, with words about each column */
#define CREATE_SQL \
	"CREATE TABLE IF NOT EXISTS " SQLITE_LEDGER " (" \
	"id TEXT NOT NULL PRIMARY KEY, subscription TEXT NOT NULL, name TEXT, system_identifier INTEGER, database_oid INTEGER," \
	" timeline INTEGER, lsn TEXT, server_start INTEGER, batch INTEGER, \"after\" TEXT, upto TEXT, closing TEXT, closing_xid INTEGER," \
	" identities TEXT, live INTEGER, boundary TEXT, \"rows\" INTEGER, checksum INTEGER NOT NULL, relation TEXT, updated TEXT)"

#define NOW	"strftime('%Y-%m-%d %H:%M:%f', 'now')"

/* parameters 2 ... 14 of a subscription's row; 1 is its id */
#define POSITION_ASSIGNMENTS \
	"name = ?2, system_identifier = ?3, database_oid = ?4, timeline = ?5, server_start = ?6, identities = ?7," \
	" lsn = ?8, batch = ?9, \"after\" = ?10, upto = ?11, closing = ?12, closing_xid = ?13, checksum = ?14, updated = " NOW

#define DOING_READ	"read the ledger"
#define DOING_WRITE	"write the ledger"

/* --- positions --- */

static void
bind_position(sqlite3_stmt *statement, const DbsyncLedger *ledger)
{
	int			n = 1;

	dbsync_sqlite_bind_text(statement, n++, dbsync_sqlite_uuid_text(&ledger->subscription));
	dbsync_sqlite_bind_text(statement, n++, ledger->subscription_name);
	(void) sqlite3_bind_int64(statement, n++, (int64) ledger->system_identifier);
	(void) sqlite3_bind_int64(statement, n++, ledger->database_oid);
	(void) sqlite3_bind_int64(statement, n++, ledger->timeline);
	(void) sqlite3_bind_int64(statement, n++, ledger->server_start);
	dbsync_sqlite_bind_text(statement, n++, ledger->identities);
	dbsync_sqlite_bind_lsn(statement, n++, ledger->lsn);
	(void) sqlite3_bind_int64(statement, n++, ledger->batch);
	dbsync_sqlite_bind_text(statement, n++, ledger->after);
	dbsync_sqlite_bind_text(statement, n++, ledger->upto);
	dbsync_sqlite_bind_lsn(statement, n++, ledger->closing);
	if (ledger->closing != InvalidXLogRecPtr)
		(void) sqlite3_bind_int64(statement, n, (int64) ledger->closing_xid);
	n++;
	(void) sqlite3_bind_int64(statement, n++, ledger->checksum);
}

/* Prepared, bound, run and gone; *changes: rows that it has changed. */
static bool
write_position(SqliteTarget *target, const char *sql, const DbsyncLedger *ledger, int *changes)
{
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, sql, false, DOING_WRITE);
	bool		done;

	if (statement == NULL)
		return false;
	bind_position(statement, ledger);
	done = dbsync_sqlite_step(target, statement, DOING_WRITE) == SQLITE_DONE;
	*changes = done ? sqlite3_changes(target->db) : 0;
	(void) sqlite3_finalize(statement);
	return done;
}

bool
dbsync_sqlite_fence(SqliteTarget *target, const DbsyncLedger *ledger)
{
	int			changes;

	if (!write_position(target, "UPDATE " SQLITE_LEDGER " SET " POSITION_ASSIGNMENTS
						" WHERE id = ?1 AND subscription = ?1 AND batch = ?9 - 1", ledger, &changes))
		return false;
	if (changes != 1)
		return dbsync_sqlite_refuse(target, DBSYNC_FAULT_LEDGER_MOVED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
									"another worker has moved the ledger of this subscription", NULL, NULL);
	target->batch = ledger->batch;
	return true;
}

bool
dbsync_sqlite_ledger_move(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	int			changes;

	return write_position((SqliteTarget *) base, "UPDATE " SQLITE_LEDGER " SET " POSITION_ASSIGNMENTS
						  " WHERE id = ?1 AND subscription = ?1", ledger, &changes);
}

/* Is it there, and such that each row has a key? */
static bool
look_at_ledger(SqliteTarget *target, bool *found)
{
	int64		columns;
	int64		keys;

	if (!dbsync_sqlite_number(target, "SELECT count(*) FROM pragma_table_info('" SQLITE_LEDGER "')", &columns, DOING_READ) ||
		!dbsync_sqlite_number(target, "SELECT count(*) FROM pragma_table_info('" SQLITE_LEDGER "') WHERE (name = 'id') = (pk = 1)",
							  &keys, DOING_READ))
		return false;
	*found = columns > 0;
	return columns == keys ||
		dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
							 "table " SQLITE_LEDGER " is not the ledger that dbsync makes",
							 psprintf("File \"%s\".", target->options.path),
							 "Rename it, and let dbsync make its own; docs/ledger.sqlite.sql says what it looks like.");
}

static bool
install(SqliteTarget *target)
{
	bool		found;

	return look_at_ledger(target, &found) &&
		(found || (dbsync_sqlite_run(target, "BEGIN IMMEDIATE", DOING_WRITE) &&
				   dbsync_sqlite_run(target, CREATE_SQL, DOING_WRITE) &&
				   dbsync_sqlite_run(target, "COMMIT", DOING_WRITE)));
}

/* In the order of the query; NULL: it may be null. */
static const char *const position_columns[] = {NULL, "system_identifier", "database_oid", "timeline", "lsn",
	"server_start", "batch", "after", NULL, NULL, NULL, "checksum", NULL};

#define POSITION_SQL \
	"SELECT name, system_identifier, database_oid, timeline, lsn, server_start, batch, \"after\", upto, closing, closing_xid," \
	" checksum, identities FROM " SQLITE_LEDGER " WHERE id = ?1 AND subscription = ?1"

static void
read_position(sqlite3_stmt *statement, DbsyncLedger *ledger)
{
	int			f = 0;

	ledger->null_column = dbsync_sqlite_null_column(statement, position_columns, lengthof(position_columns));
	ledger->subscription_name = dbsync_sqlite_text(statement, f++);
	ledger->system_identifier = (uint64) sqlite3_column_int64(statement, f++);
	ledger->database_oid = (Oid) sqlite3_column_int64(statement, f++);
	ledger->timeline = (TimeLineID) sqlite3_column_int64(statement, f++);
	ledger->lsn = dbsync_sqlite_lsn_from(dbsync_sqlite_text(statement, f++));
	ledger->server_start = sqlite3_column_int64(statement, f++);
	ledger->batch = sqlite3_column_int64(statement, f++);
	ledger->after = dbsync_sqlite_text(statement, f++);
	ledger->upto = dbsync_sqlite_text(statement, f++);
	ledger->closing = dbsync_sqlite_lsn_from(dbsync_sqlite_text(statement, f++));
	ledger->closing_xid = (uint64) sqlite3_column_int64(statement, f++);
	ledger->checksum = sqlite3_column_int64(statement, f++);
	ledger->identities = dbsync_sqlite_text(statement, f++);
}

/* A query of a subscription's rows; NULL: refused. */
static sqlite3_stmt *
ask(SqliteTarget *target, const char *sql, const pg_uuid_t *id)
{
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, sql, false, DOING_READ);

	if (statement != NULL)
		dbsync_sqlite_bind_text(statement, 1, dbsync_sqlite_uuid_text(id));
	return statement;
}

bool
dbsync_sqlite_ledger_read(DbsyncTarget *base, const pg_uuid_t *subscription, DbsyncLedger *ledger, bool *found)
{
	SqliteTarget *target = (SqliteTarget *) base;
	sqlite3_stmt *statement;
	MemoryContext old;
	int			code;

	*found = false;
	memset(ledger, 0, sizeof(DbsyncLedger));
	ledger->subscription = *subscription;
	if (!install(target))
		return false;
	statement = ask(target, POSITION_SQL, subscription);
	if (statement == NULL)
		return false;
	code = dbsync_sqlite_step(target, statement, DOING_READ);
	if (code == SQLITE_ROW)
	{
		old = MemoryContextSwitchTo(base->context);
		read_position(statement, ledger);
		MemoryContextSwitchTo(old);
		*found = true;
		target->batch = ledger->batch;
		target->subscription = *subscription;
	}
	target->has_position = *found;
	(void) sqlite3_finalize(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE;
}

bool
dbsync_sqlite_ledger_is_same(SqliteTarget *target, bool patient)
{
	sqlite3_stmt *statement;
	int			code;
	bool		same;

	if (!target->has_position)
		return true;
	statement = ask(target, "SELECT batch FROM " SQLITE_LEDGER " WHERE id = ?1 AND subscription = ?1", &target->subscription);
	if (statement == NULL)
		return false;
	if (!patient)
	{
		(void) sqlite3_busy_handler(target->db, NULL, NULL);
		code = sqlite3_step(statement);
		dbsync_sqlite_install_handlers(target);
	}
	if (patient || (code != SQLITE_ROW && code != SQLITE_DONE && (code & 0xff) != SQLITE_BUSY))
		code = dbsync_sqlite_step(target, statement, DOING_READ);
	same = (code & 0xff) == SQLITE_BUSY || (code == SQLITE_ROW && sqlite3_column_int64(statement, 0) == target->batch);
	(void) sqlite3_finalize(statement);
	if (same)
		return true;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return false;
	return dbsync_sqlite_refuse(target, DBSYNC_FAULT_LOST, ERRCODE_CONNECTION_FAILURE,
								psprintf("file \"%s\" is not as it was left", target->options.path),
								"Its ledger is of another batch: an older copy may have been put in its place.", NULL);
}

bool
dbsync_sqlite_ledger_create(DbsyncTarget *base, const DbsyncLedger *ledger)
{
	SqliteTarget *target = (SqliteTarget *) base;
	int			changes;
	bool		done = dbsync_sqlite_run(target, "BEGIN IMMEDIATE", DOING_WRITE) &&
		write_position(target, "INSERT OR ABORT INTO " SQLITE_LEDGER " (id, subscription, name, system_identifier, database_oid,"
					   " timeline, server_start, identities, lsn, batch, \"after\", upto, closing, closing_xid, checksum, updated)"
					   " VALUES (?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, " NOW ")", ledger, &changes) &&
		dbsync_sqlite_run(target, "COMMIT", DOING_WRITE);

	target->has_position = done;
	target->subscription = ledger->subscription;
	target->batch = ledger->batch;
	return done;
}

/* A statement about one id. */
static bool
run_for(SqliteTarget *target, const char *sql, const pg_uuid_t *id)
{
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, sql, false, DOING_WRITE);
	bool		done;

	if (statement == NULL)
		return false;
	dbsync_sqlite_bind_text(statement, 1, dbsync_sqlite_uuid_text(id));
	done = dbsync_sqlite_step(target, statement, DOING_WRITE) == SQLITE_DONE;
	(void) sqlite3_finalize(statement);
	return done;
}

/* Where there is no ledger, nothing is to be forgotten. */
bool
dbsync_sqlite_ledger_forget(DbsyncTarget *base, const pg_uuid_t *subscription)
{
	SqliteTarget *target = (SqliteTarget *) base;
	bool		found;

	if (!look_at_ledger(target, &found))
		return false;
	return !found || (dbsync_sqlite_run(target, "BEGIN IMMEDIATE", DOING_WRITE) &&
					  run_for(target, "DELETE FROM " SQLITE_LEDGER " WHERE subscription = ?1", subscription) &&
					  dbsync_sqlite_run(target, "COMMIT", DOING_WRITE));
}

/* --- parts --- */

#define PARTS_SQL \
	"SELECT id, live, \"rows\", checksum, boundary, \"after\", upto, closing, closing_xid FROM " SQLITE_LEDGER \
	" WHERE subscription = ?1 AND id <> ?1"

static const char *const part_columns[] = {"id", "live", "rows", "checksum"};

static bool
read_part(SqliteTarget *target, sqlite3_stmt *statement, List **parts)
{
	DbsyncLedgerPart *part = palloc0(sizeof(DbsyncLedgerPart));
	int			f = 0;

	part->null_column = dbsync_sqlite_null_column(statement, part_columns, lengthof(part_columns));
	if (!dbsync_sqlite_uuid_from((const char *) sqlite3_column_text(statement, f++), &part->attachment))
		return dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_DATA_CORRUPTED,
									"a row of the ledger has an id that is none", psprintf("File \"%s\".", target->options.path), NULL);
	part->live = sqlite3_column_int64(statement, f++) != 0;
	part->rows = sqlite3_column_int64(statement, f++);
	part->checksum = sqlite3_column_int64(statement, f++);
	dbsync_sqlite_boundary_from(dbsync_sqlite_text(statement, f++), part);
	part->after = dbsync_sqlite_text(statement, f++);
	part->upto = dbsync_sqlite_text(statement, f++);
	part->closing = dbsync_sqlite_lsn_from(dbsync_sqlite_text(statement, f++));
	part->closing_xid = (uint64) sqlite3_column_int64(statement, f++);
	*parts = lappend(*parts, part);
	return true;
}

bool
dbsync_sqlite_ledger_read_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List **parts)
{
	SqliteTarget *target = (SqliteTarget *) base;
	sqlite3_stmt *statement = ask(target, PARTS_SQL, subscription);
	MemoryContext old = MemoryContextSwitchTo(base->context);
	bool		good = statement != NULL;
	int			code = SQLITE_ROW;

	*parts = NIL;
	while (good && (code = dbsync_sqlite_step(target, statement, DOING_READ)) == SQLITE_ROW)
		good = read_part(target, statement, parts);
	MemoryContextSwitchTo(old);
	(void) sqlite3_finalize(statement);
	return good && code == SQLITE_DONE;
}

static void
bind_part(sqlite3_stmt *statement, const pg_uuid_t *subscription, const DbsyncLedgerPart *part)
{
	int			n = 1;

	dbsync_sqlite_bind_text(statement, n++, dbsync_sqlite_uuid_text(&part->attachment));
	dbsync_sqlite_bind_text(statement, n++, dbsync_sqlite_uuid_text(subscription));
	(void) sqlite3_bind_int64(statement, n++, part->live);
	(void) sqlite3_bind_int64(statement, n++, part->rows);
	(void) sqlite3_bind_int64(statement, n++, part->checksum);
	dbsync_sqlite_bind_text(statement, n++, dbsync_sqlite_boundary_text(part->nkeys, part->boundary));
	dbsync_sqlite_bind_text(statement, n++, part->after);
	dbsync_sqlite_bind_text(statement, n++, part->upto);
	dbsync_sqlite_bind_lsn(statement, n++, part->closing);
	if (part->closing != InvalidXLogRecPtr)
		(void) sqlite3_bind_int64(statement, n, (int64) part->closing_xid);
	else
		(void) sqlite3_bind_null(statement, n);
	n++;
	dbsync_sqlite_bind_text(statement, n++, part->relation);
}

bool
dbsync_sqlite_ledger_write_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List *parts)
{
	SqliteTarget *target = (SqliteTarget *) base;
	sqlite3_stmt *statement;
	bool		done = true;
	ListCell   *lc;

	target->table = NULL;
	statement = dbsync_sqlite_prepare(target, "INSERT OR REPLACE INTO " SQLITE_LEDGER " (id, subscription, live, \"rows\", checksum,"
									  " boundary, \"after\", upto, closing, closing_xid, relation, updated)"
									  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, " NOW ")", false, DOING_WRITE);
	if (statement == NULL)
		return false;
	foreach(lc, parts)
	{
		bind_part(statement, subscription, lfirst(lc));
		done = done && dbsync_sqlite_step(target, statement, DOING_WRITE) == SQLITE_DONE;
		(void) sqlite3_reset(statement);
	}
	(void) sqlite3_finalize(statement);
	return done;
}

bool
dbsync_sqlite_ledger_forget_parts(DbsyncTarget *base, List *attachments)
{
	ListCell   *lc;

	foreach(lc, attachments)
	{
		if (!run_for((SqliteTarget *) base, "DELETE FROM " SQLITE_LEDGER " WHERE id = ?1 AND id <> subscription",
					 &((DbsyncLedgerPart *) lfirst(lc))->attachment))
			return false;
	}
	return true;
}
