/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/internal.h
 *	  SQLite driver: what its files share.
 *
 * A connection has one handle of SQLite's.  Nothing else of the process may open the file, its journal or its WAL: closing them
 * would drop the locks that SQLite has (they are the process's, of POSIX).  So files are looked at by stat() alone.
 *
 * None of SQLite's callbacks raises an error, as that would jump over SQLite: they ask whether there is
 * something to see to, have SQLite return, and whoever has called it looks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_SQLITE_INTERNAL_H
#define DBSYNC_WORKER_DRIVER_SQLITE_INTERNAL_H

#include <sqlite3.h>
#include <sys/stat.h>

#include "worker/driver/driver.h"
#include "worker/driver/sqlite/options.h"
#include "worker/driver/sqlite/values.h"

/* open_v2() with NOFOLLOW, and what DBSYNC_SQLITE_SAFE says, came with it */
#if SQLITE_VERSION_NUMBER < 3031000
#error "dbsync_sqlite needs SQLite 3.31 or newer"
#endif

/* as SQLite calls the file's own schema */
#define SQLITE_SCHEMA_NAME	"main"

/* the ledger */
#define SQLITE_LEDGER		"dbsync_position"

/* rows that one statement inserts, if there are as many */
#define SQLITE_BULK_ROWS	100

/* of rows that wait for such a statement; bytes */
#define SQLITE_PENDING_MAX	(1024 * 1024)

/* statements of a table, each prepared when it is wanted first */
typedef enum SqliteVerb
{
	SQLITE_VERB_INSERT,
	SQLITE_VERB_UPSERT,
	SQLITE_VERB_DELETE
} SqliteVerb;

#define SQLITE_VERBS	3

struct DbsyncTargetTable
{
	MemoryContext context;		/* all of it */
	const char *label;			/* for messages: "main.item", with the quotes */
	char	   *name;			/* as SQLite has it, UTF-8 */
	char	   *quoted;
	int			ncolumns;
	char	  **columns;		/* quoted, UTF-8 */
	DbsyncForm *forms;
	int			nkeys;
	int		   *keys;
	bool		is_strict;		/* values of other types are refused there */
	bool		has_own;		/* columns of its own, which keep what they have */
	bool		has_unique;		/* unique indexes that do not have the key in them */
	int			schema_version; /* as it was looked at */
	sqlite3_stmt *statements[SQLITE_VERBS];
};

typedef struct SqliteTarget
{
	DbsyncTarget base;
	sqlite3    *db;				/* NULL: closed */
	SqliteOptions options;
	const char *name;			/* of the target */
	int			descriptors;	/* that PostgreSQL knows of */
	dev_t		device;			/* of the file that was opened */
	ino_t		inode;
	void		(*waits) (TimestampTz since);
	bool		waits_told;
	const int  *timeout;
	int			schema_version; /* as the batch finds it */
	bool		has_position;	/* there is one in the ledger, ... */
	pg_uuid_t	subscription;	/* of this subscription, ... */
	int64		batch;			/* with this number of a batch */
	List	   *tables;			/* of DbsyncTargetTable */

	/* rows that are being sent */
	DbsyncTargetTable *table;
	DbsyncRowsMode mode;
	MemoryContext rows_context;
	SqliteValue *pending[SQLITE_BULK_ROWS]; /* values of rows that wait, of all columns */
	int			npending;
	Size		pending_bytes;
	sqlite3_stmt *bulk;			/* puts "bulk_rows" at once; NULL: there is none yet */
	SqliteVerb	bulk_verb;
	DbsyncTargetTable *bulk_table;
	int			bulk_rows;
	MemoryContextCallback cleanup;
} SqliteTarget;

/* --- module.c --- */

/* what of dbsync's can be called; set before anything else of the driver is */
extern DbsyncHost dbsync_sqlite_host;

/* --- fault.c: what is refused; all return false --- */

extern bool dbsync_sqlite_refuse(SqliteTarget *target, DbsyncFaultKind kind, int sqlstate,
								 const char *message, const char *detail, const char *hint);

/* Words of the file's, or SQLite's, for messages: what the server's encoding may not have becomes question marks. */
extern const char *dbsync_sqlite_words(const char *text);

/* What SQLite has said last; "doing": "could not ..." without it. */
extern bool dbsync_sqlite_fault(SqliteTarget *target, const char *doing);

/* --- file.c --- */

/* May the file be written to?  Then its inode is noted. */
extern bool dbsync_sqlite_file_check(SqliteTarget *target);

/* Is what the path leads to still what was opened? */
extern bool dbsync_sqlite_file_is_same(SqliteTarget *target);

/* --- statement.c --- */

/* NULL: refused.  "lasting": it is kept for longer than a few calls. */
extern sqlite3_stmt *dbsync_sqlite_prepare(SqliteTarget *target, const char *sql, bool lasting, const char *doing);

/*
 * SQLITE_ROW, or SQLITE_DONE; else it is refused, and was reset.  While the file is locked it waits, 30 s at most.
 */
extern int	dbsync_sqlite_step(SqliteTarget *target, sqlite3_stmt *statement, const char *doing);

/* A statement that returns nothing. */
extern bool dbsync_sqlite_run(SqliteTarget *target, const char *sql, const char *doing);

/* A statement that returns a number. */
extern bool dbsync_sqlite_number(SqliteTarget *target, const char *sql, int64 *number, const char *doing);

/* Have it wait, and be interrupted, as above. */
extern void dbsync_sqlite_install_handlers(SqliteTarget *target);

/* Nothing is waited for any more. */
extern void dbsync_sqlite_heard(SqliteTarget *target);

/* Text in the server's encoding, or NULL. */
extern void dbsync_sqlite_bind_text(sqlite3_stmt *statement, int number, const char *text);

/* A column as text in the server's encoding, in CurrentMemoryContext; or NULL. */
extern char *dbsync_sqlite_text(sqlite3_stmt *statement, int column);

/* An identifier, in UTF-8, in quotes, in CurrentMemoryContext. */
extern char *dbsync_sqlite_quote(const char *name);

/* --- look.c --- */

extern DbsyncTargetTable *dbsync_sqlite_table_open(DbsyncTarget *base, const DbsyncTableSpec *spec);
extern bool dbsync_sqlite_tables_close(DbsyncTarget *base, List *tables);
extern const DbsyncForm *dbsync_sqlite_table_forms(const DbsyncTargetTable *table);

/* look_key.c: has it a unique index for the key, and what further ones has it?  Inside of table_open(). */
extern bool dbsync_sqlite_look_at_key(SqliteTarget *target, DbsyncTargetTable *table, const DbsyncTableSpec *spec);

/* --- rows.c --- */

extern bool dbsync_sqlite_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table, DbsyncRowsMode mode, int64 expected_rows);
extern bool dbsync_sqlite_rows_put(DbsyncTarget *base, const DbsyncRow *row);
extern bool dbsync_sqlite_rows_end(DbsyncTarget *base);
extern bool dbsync_sqlite_truncate(DbsyncTarget *base, DbsyncTargetTable **tables, int ntables);
extern bool dbsync_sqlite_table_has_rows(DbsyncTarget *base, DbsyncTargetTable *table, bool *has_rows);
extern bool dbsync_sqlite_table_wants_replace(const DbsyncTargetTable *table, int64 rows);

/* Give up the statement for many rows. */
extern void dbsync_sqlite_bulk_free(SqliteTarget *target);

/* --- ledger.c --- */

extern bool dbsync_sqlite_fence(SqliteTarget *target, const DbsyncLedger *ledger);

/* Has it the batch that was committed last?  Else the file was put back, or moved on.  Who is not patient takes a locked one for the same. */
extern bool dbsync_sqlite_ledger_is_same(SqliteTarget *target, bool patient);
extern bool dbsync_sqlite_ledger_read(DbsyncTarget *base, const pg_uuid_t *subscription, DbsyncLedger *ledger, bool *found);
extern bool dbsync_sqlite_ledger_read_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List **parts);
extern bool dbsync_sqlite_ledger_create(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool dbsync_sqlite_ledger_forget(DbsyncTarget *base, const pg_uuid_t *subscription);
extern bool dbsync_sqlite_ledger_move(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool dbsync_sqlite_ledger_write_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List *parts);
extern bool dbsync_sqlite_ledger_forget_parts(DbsyncTarget *base, List *attachments);

#endif							/* DBSYNC_WORKER_DRIVER_SQLITE_INTERNAL_H */
