/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/module.c
 *	  SQLite driver: opening and closing, batches, the list of functions.
 *
 * A batch is a transaction of SQLite's: position and rows in one, under the lock that there is one of.
 * How it keeps exactly once is SQLite's own promise: the journal undoes what a process left behind that died, whoever opens the
 * file next plays it back, and with synchronous = EXTRA what was committed is on the disk.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "worker/driver/sqlite/internal.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT const DbsyncDriver *dbsync_driver(const DbsyncHost *host);

DbsyncHost	dbsync_sqlite_host;

/* the file, its journal or WAL and -shm, the folder, a little more */
#define DESCRIPTORS		5

#define DOING_READ		"read the file"

#define LOOK_EACH_MS	2000

/* from so many rows on a batch shuts readers out, so that it can leave its pages to the file before it ends */
#define EXCLUSIVE_ROWS	10000

/*
 * What a file could have us do, and what names that are gone would be taken for: without DQS a column that
 * was renamed is an error, and no string.
 */
static const struct
{
	int			what;
	int			value;
}			safe[] = {
	{SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
	{SQLITE_DBCONFIG_ENABLE_FKEY, 0},
	{SQLITE_DBCONFIG_DQS_DML, 0},
	{SQLITE_DBCONFIG_DQS_DDL, 0},
	{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
	{SQLITE_DBCONFIG_DEFENSIVE, 1},
	{SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0},
	{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
};

/* FULL does not sync the folder behind the journal's end: what was confirmed could be undone. */
static const char *const pragmas[] = {
	"PRAGMA synchronous = EXTRA",
	"PRAGMA mmap_size = 0",
	"PRAGMA temp_store = MEMORY",
	"PRAGMA cache_size = -8000",
};

/*
 * Hung on the target's context: so file and locks go also where an error passes over whoever holds the target, and close()
 * may come at any moment.  What was not committed is rolled back.
 */
static void
cleanup(void *arg)
{
	SqliteTarget *target = arg;

	dbsync_sqlite_heard(target);
	if (target->db != NULL)
	{
		sqlite3_stmt *statement;

		/* what interrupts is of no use to whoever rolls back */
		sqlite3_progress_handler(target->db, 0, NULL, NULL);
		(void) sqlite3_busy_handler(target->db, NULL, NULL);
		/* all of them are ours: virtual tables, which have some of their own, are never connected */
		while ((statement = sqlite3_next_stmt(target->db, NULL)) != NULL)
			(void) sqlite3_finalize(statement);
		(void) sqlite3_close(target->db);
	}
	target->db = NULL;
	for (; target->descriptors > 0; target->descriptors--)
		ReleaseExternalFD();
}

static SqliteTarget *
new_target(const DbsyncTargetConfig *config)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync SQLite target",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	SqliteTarget *target = palloc0(sizeof(SqliteTarget));

	target->base.context = context;
	target->name = pstrdup(config->name);
	target->waits = config->waits;
	target->timeout = config->timeout;
	target->cleanup.func = cleanup;
	target->cleanup.arg = target;
	MemoryContextRegisterResetCallback(context, &target->cleanup);
	target->rows_context = AllocSetContextCreate(context, "dbsync SQLite rows", ALLOCSET_DEFAULT_SIZES);
	dbsync_sqlite_options_read(config->options, &target->options);
	MemoryContextSwitchTo(old);
	return target;
}

static bool
acquire_descriptors(SqliteTarget *target)
{
	for (; target->descriptors < DESCRIPTORS; target->descriptors++)
	{
		if (!AcquireExternalFD())
			return dbsync_sqlite_refuse(target, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_INSUFFICIENT_RESOURCES,
										"out of file descriptors", NULL, NULL);
	}
	return true;
}

static bool
open_file(SqliteTarget *target)
{
	int			flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	int			code = sqlite3_open_v2(target->options.path, &target->db, flags, NULL);

	if (code != SQLITE_OK)
		return dbsync_sqlite_fault(target, "open the file");
	(void) sqlite3_extended_result_codes(target->db, 1);
	for (int i = 0; i < lengthof(safe); i++)
	{
		int			now = -1;

		if (sqlite3_db_config(target->db, safe[i].what, safe[i].value, &now) != SQLITE_OK || now != safe[i].value)
			return dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_FEATURE_NOT_SUPPORTED,
										psprintf("SQLite %s was built without what dbsync relies on", sqlite3_libversion()),
										psprintf("Setting %d cannot be %d.", safe[i].what, safe[i].value), NULL);
	}
	dbsync_sqlite_install_handlers(target);
	for (int i = 0; i < lengthof(pragmas); i++)
	{
		if (!dbsync_sqlite_run(target, pragmas[i], "open the file"))
			return false;
	}
	return true;
}

/* Where text is UTF-16, SQLite takes U+FFFE and U+FFFF for mistakes, and writes U+FFFD.  It stays as it was made. */
static bool
check_file_encoding(SqliteTarget *target)
{
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, "PRAGMA encoding", false, DOING_READ);
	char	   *encoding = NULL;
	int			code;

	if (statement == NULL)
		return false;
	code = dbsync_sqlite_step(target, statement, DOING_READ);
	if (code == SQLITE_ROW)
		encoding = dbsync_sqlite_text(statement, 0);
	(void) sqlite3_finalize(statement);
	if (code != SQLITE_ROW || encoding == NULL)
		return code == SQLITE_DONE;
	if (strcmp(encoding, "UTF-8") == 0)
		return true;
	return dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_FEATURE_NOT_SUPPORTED,
								psprintf("file \"%s\" has text of encoding %s", target->options.path, encoding),
								"Not all characters can be written to it.",
								"Make it anew, in UTF-8: sqlite3 OLD .dump | sqlite3 NEW");
}

/* It is read once, which plays back what a process left behind that died; and it is what was looked at. */
static bool
look_into_file(SqliteTarget *target)
{
	int64		tables;

	return dbsync_sqlite_number(target, "SELECT count(*) FROM sqlite_master", &tables, DOING_READ) &&
		check_file_encoding(target) &&
		dbsync_sqlite_file_is_same(target);
}

static DbsyncTarget *
sqlite_open(const DbsyncTargetConfig *config, bool *ok)
{
	SqliteTarget *target = new_target(config);
	DbsyncTargetIdentity *identity = &target->base.identity;
	MemoryContext old = MemoryContextSwitchTo(target->base.context);

	*ok = false;
	if (target->options.path == NULL)
		(void) dbsync_sqlite_refuse(target, DBSYNC_FAULT_REFUSED, ERRCODE_FDW_OPTION_NAME_NOT_FOUND,
									psprintf("target \"%s\" has no option \"path\"", target->name), NULL,
									psprintf("Say where its file is: %s.", dbsync_sqlite_address.example));
	else
		*ok = dbsync_sqlite_file_check(target) && acquire_descriptors(target) &&
			open_file(target) && look_into_file(target);
	identity->version = sqlite3_libversion_number();
	identity->version_text = psprintf("SQLite %s", sqlite3_libversion());
	identity->database = target->options.path;
	/* by which two connections are known to be to one file */
	identity->properties = list_make1(makeDefElem("file", (Node *) makeString(psprintf(UINT64_FORMAT "/" UINT64_FORMAT,
																					   (uint64) target->device, (uint64) target->inode)), -1));
	MemoryContextSwitchTo(old);
	return &target->base;
}

static void
sqlite_close(DbsyncTarget *base)
{
	MemoryContextDelete(base->context);
}

/* Nobody else writes from here on, so what the tables look like stays as it is found. */
static bool
begin(DbsyncTarget *base, const DbsyncLedger *ledger, const char *origin, int64 expected_rows, int flags)
{
	SqliteTarget *target = (SqliteTarget *) base;
	int64		version;

	target->table = NULL;
	if (!dbsync_sqlite_file_is_same(target) ||
		!dbsync_sqlite_run(target, expected_rows >= EXCLUSIVE_ROWS ? "BEGIN EXCLUSIVE" : "BEGIN IMMEDIATE", "begin a transaction") ||
		!dbsync_sqlite_number(target, "PRAGMA schema_version", &version, "begin a transaction"))
		return false;
	target->schema_version = (int) version;
	return dbsync_sqlite_fence(target, ledger);
}

/* Nothing is sent ahead. */
static bool
hurry(DbsyncTarget *base)
{
	return true;
}

static bool
commit(DbsyncTarget *base)
{
	SqliteTarget *target = (SqliteTarget *) base;

	target->table = NULL;
	return dbsync_sqlite_file_is_same(target) && dbsync_sqlite_run(target, "COMMIT", "commit");
}

/* What is committed is on disk.  But a file can be put back, or away, while there is nothing to write to it. */
static bool
confirm(DbsyncTarget *base, const pg_uuid_t *subscription)
{
	SqliteTarget *target = (SqliteTarget *) base;

	return dbsync_sqlite_file_is_same(target) && dbsync_sqlite_ledger_is_same(target, true);
}

/* So it is looked at when there is nothing to do, too: nobody breaks a connection where a file is put back. */
static bool
upkeep(DbsyncTarget *base, long *pause, int *wants)
{
	SqliteTarget *target = (SqliteTarget *) base;

	*pause = LOOK_EACH_MS;
	return dbsync_sqlite_file_is_same(target) && dbsync_sqlite_ledger_is_same(target, false);
}

static const DbsyncDriver sqlite_driver = {
	.version = DBSYNC_DRIVER_VERSION,
	.name = "dbsync_sqlite",
	.dialect = DBSYNC_DIALECT_SQLITE,
	.features = DBSYNC_FEATURE_LEDGER | DBSYNC_FEATURE_READ_BACK | DBSYNC_FEATURE_SERVER_FILES,
	.open = sqlite_open,
	.close = sqlite_close,
	.table_open = dbsync_sqlite_table_open,
	.begin = begin,
	.truncate = dbsync_sqlite_truncate,
	.rows_begin = dbsync_sqlite_rows_begin,
	.rows_put = dbsync_sqlite_rows_put,
	.rows_end = dbsync_sqlite_rows_end,
	.hurry = hurry,
	.commit = commit,
	.ledger_read = dbsync_sqlite_ledger_read,
	.ledger_read_parts = dbsync_sqlite_ledger_read_parts,
	.ledger_create = dbsync_sqlite_ledger_create,
	.ledger_forget = dbsync_sqlite_ledger_forget,
	.ledger_move = dbsync_sqlite_ledger_move,
	.ledger_write_parts = dbsync_sqlite_ledger_write_parts,
	.ledger_forget_parts = dbsync_sqlite_ledger_forget_parts,
	.confirm = confirm,
	.upkeep = upkeep,
	.table_has_rows = dbsync_sqlite_table_has_rows,
	.options = dbsync_sqlite_options,
	.address = &dbsync_sqlite_address,
	.schema = SQLITE_SCHEMA_NAME,
	.tables_close = dbsync_sqlite_tables_close,
	.table_forms = dbsync_sqlite_table_forms,
	.table_wants_replace = dbsync_sqlite_table_wants_replace,
};

const DbsyncDriver *
dbsync_driver(const DbsyncHost *host)
{
	/* another one refuses us by our version */
	if (host->version == DBSYNC_DRIVER_VERSION)
		dbsync_sqlite_host = *host;
	return strcmp(host->wrapper, sqlite_driver.name) == 0 ? &sqlite_driver : NULL;
}
