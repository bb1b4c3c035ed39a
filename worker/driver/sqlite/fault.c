/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/fault.c
 *	  SQLite driver: what SQLite says, in the worker's terms.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "worker/driver/sqlite/internal.h"

/* what is made of one of SQLite's codes */
typedef struct Meaning
{
	int			code;
	DbsyncFaultKind kind;
	int			sqlstate;
	const char *hint;
} Meaning;

/* extended codes before the ones that they belong to */
static const Meaning meanings[] = {
	{SQLITE_CONSTRAINT_UNIQUE, DBSYNC_FAULT_CLASH, ERRCODE_UNIQUE_VIOLATION, NULL},
	{SQLITE_CONSTRAINT_PRIMARYKEY, DBSYNC_FAULT_CLASH, ERRCODE_UNIQUE_VIOLATION, NULL},
	{SQLITE_CONSTRAINT_ROWID, DBSYNC_FAULT_CLASH, ERRCODE_UNIQUE_VIOLATION, NULL},
	{SQLITE_CONSTRAINT_NOTNULL, DBSYNC_FAULT_REFUSED, ERRCODE_NOT_NULL_VIOLATION, NULL},
	{SQLITE_CONSTRAINT_CHECK, DBSYNC_FAULT_REFUSED, ERRCODE_CHECK_VIOLATION, NULL},
	{SQLITE_CONSTRAINT_FOREIGNKEY, DBSYNC_FAULT_REFUSED, ERRCODE_FOREIGN_KEY_VIOLATION, NULL},
	{SQLITE_CONSTRAINT, DBSYNC_FAULT_REFUSED, ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION, NULL},
	{SQLITE_MISMATCH, DBSYNC_FAULT_REFUSED, ERRCODE_DATATYPE_MISMATCH, NULL},
	{SQLITE_TOOBIG, DBSYNC_FAULT_REFUSED, ERRCODE_PROGRAM_LIMIT_EXCEEDED, NULL},
	{SQLITE_BUSY, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_LOCK_NOT_AVAILABLE,
		"Somebody else has the file open, and a transaction in it. With journal_mode = WAL readers are in nobody's way."},
	{SQLITE_LOCKED, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_LOCK_NOT_AVAILABLE, NULL},
	{SQLITE_FULL, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_DISK_FULL, "Make room on the file's disk; or the file is as long as its max_page_count lets it be."},
	{SQLITE_READONLY, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_READ_ONLY_SQL_TRANSACTION,
		"Have the file, and the folder that it is in, be writable by the server's operating system user."},
	{SQLITE_PERM, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_INSUFFICIENT_PRIVILEGE, NULL},
	{SQLITE_AUTH, DBSYNC_FAULT_REFUSED, ERRCODE_INSUFFICIENT_PRIVILEGE, NULL},
	{SQLITE_CORRUPT, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_DATA_CORRUPTED,
		"Look at it with PRAGMA integrity_check, and put back a copy, or have all tables copied anew."},
	{SQLITE_NOTADB, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_DATA_CORRUPTED, "The file is no database of SQLite's, or an encrypted one."},
	{SQLITE_CANTOPEN, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_IO_ERROR, NULL},
	{SQLITE_IOERR, DBSYNC_FAULT_LOST, ERRCODE_IO_ERROR, NULL},
	{SQLITE_PROTOCOL, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_LOCK_NOT_AVAILABLE, NULL},
	{SQLITE_NOMEM, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_OUT_OF_MEMORY, NULL},
	{SQLITE_INTERRUPT, DBSYNC_FAULT_UNAVAILABLE, ERRCODE_QUERY_CANCELED, NULL},
	{SQLITE_SCHEMA, DBSYNC_FAULT_TABLE_CHANGED, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, NULL},
};

/* all others are what SQLite makes of a statement */
static const Meaning other = {SQLITE_ERROR, DBSYNC_FAULT_REFUSED, ERRCODE_FDW_ERROR, NULL};

static const Meaning *
meaning_of(int code)
{
	for (int i = 0; i < lengthof(meanings); i++)
	{
		if (meanings[i].code == code || meanings[i].code == (code & 0xff))
			return &meanings[i];
	}
	return &other;
}

const char *
dbsync_sqlite_words(const char *text)
{
	char	   *words;

	if (GetDatabaseEncoding() == PG_UTF8)
		return text;
	words = pstrdup(text);
	for (char *c = words; *c; c++)
	{
		if (IS_HIGHBIT_SET(*c))
			*c = '?';
	}
	return words;
}

/* What a fault says lives as long as the target. */
bool
dbsync_sqlite_refuse(SqliteTarget *target, DbsyncFaultKind kind, int sqlstate,
					 const char *message, const char *detail, const char *hint)
{
	MemoryContext context = target->base.context;
	DbsyncFault *fault = &target->base.fault;

	memset(fault, 0, sizeof(DbsyncFault));
	fault->kind = kind;
	fault->sqlstate = sqlstate;
	fault->message = MemoryContextStrdup(context, message);
	fault->detail = detail ? MemoryContextStrdup(context, detail) : NULL;
	fault->hint = hint ? MemoryContextStrdup(context, hint) : NULL;
	fault->rows_of = target->table;
	return false;
}

bool
dbsync_sqlite_fault(SqliteTarget *target, const char *doing)
{
	int			code = target->db ? sqlite3_extended_errcode(target->db) : SQLITE_NOMEM;
	const char *words = target->db ? dbsync_sqlite_words(sqlite3_errmsg(target->db)) : "out of memory";
	const Meaning *meaning = meaning_of(code);
	char	   *message = psprintf("could not %s: %s", doing, words);
	char	   *detail = psprintf("File \"%s\", SQLite error %d.", target->options.path, code);

	if (meaning->sqlstate == ERRCODE_LOCK_NOT_AVAILABLE)
		message = psprintf("file \"%s\" is locked: could not %s", target->options.path, doing);
	return dbsync_sqlite_refuse(target, meaning->kind, meaning->sqlstate, message, detail, meaning->hint);
}
