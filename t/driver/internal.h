/*-------------------------------------------------------------------------
 *
 * t/driver/internal.h
 *	  What the files of the test's driver share.
 *
 * A target is a file, all of which is in memory while it is looked at or a batch is
 * open.  A commit writes it anew and renames it into its place: so a target has all of
 * a batch or nothing.  Who writes has the lock on the file beside it from when he read
 * it until he has committed, and loses it with his life.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_FILE_TEST_INTERNAL_H
#define DBSYNC_FILE_TEST_INTERNAL_H

#include "lib/rbtree.h"
#include "lib/stringinfo.h"

#include "worker/driver/driver.h"

/* a row of a table; both strings are fields as in the file */
typedef struct FileRow
{
	RBTNode		node;			/* first: the tree knows us by it */
	char	   *key;
	char	   *values;
} FileRow;

typedef struct FileTable
{
	char	   *schema;
	char	   *name;
	char	   *columns;		/* their names, as fields in the file; NULL: none known */
	RBTree	   *rows;			/* of FileRow, by key */
} FileTable;

/* a part, and whose it is */
typedef struct FilePart
{
	pg_uuid_t	subscription;
	DbsyncLedgerPart part;
} FilePart;

/* what a file says, in a context of its own */
typedef struct FileContents
{
	MemoryContext context;
	List	   *positions;		/* of DbsyncLedger */
	List	   *parts;			/* of FilePart */
	List	   *tables;			/* of FileTable */
} FileContents;

/* a table as the worker has asked for it */
struct DbsyncTargetTable
{
	const char *schema;
	const char *name;
	const char *columns;
	int			ncolumns;
	int			nkeys;
	int		   *keys;
	DbsyncForm *forms;			/* in a dialect that is not PostgreSQL's */
};

typedef struct FileTarget
{
	DbsyncTarget base;			/* first: the worker knows us by it */
	MemoryContextCallback cleanup;
	const char *name;
	char	   *folder;
	char	   *path;
	int			lock;			/* descriptor of the file that is locked; -1: not open */
	bool		locked;
	void		(*waits) (TimestampTz since);
	bool		waits_told;
	const int  *timeout;
	FileContents *batch;		/* of the transaction under way; NULL: there is none */
	const DbsyncTargetTable *sending;	/* between rows_begin() and rows_end() */
	FileTable  *table;			/* where its rows go */
	DbsyncRowsMode mode;
} FileTarget;

/* driver.c */
extern bool file_refuse(FileTarget *target, DbsyncFaultKind kind, int sqlstate,
						const char *message, const char *detail, const char *hint);

/* file.c */
extern void file_put_field(StringInfo buf, const char *text);
extern FileContents *file_read(FileTarget *target);
extern bool file_begin(FileTarget *target);
extern bool file_commit(FileTarget *target);
extern FileTable *file_table(FileContents *contents, const char *schema, const char *name, bool make);
extern RBTree *file_new_rows(FileContents *contents);
extern bool file_put_row(FileContents *contents, FileTable *table, const char *key, const char *values);
extern bool file_has_row(FileTable *table, const char *key);
extern void file_delete_row(FileTable *table, const char *key);

/* ledger.c */
extern void file_write_ledger(StringInfo buf, const FileContents *contents);
extern bool file_read_position(FileContents *contents, char **fields, int n);
extern bool file_read_part(FileContents *contents, char **fields, int n);
extern bool file_ledger_fence(FileTarget *target, const DbsyncLedger *ledger);
extern bool file_ledger_read(DbsyncTarget *base, const pg_uuid_t *subscription,
							 DbsyncLedger *ledger, bool *found);
extern bool file_ledger_read_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List **parts);
extern bool file_ledger_create(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool file_ledger_forget(DbsyncTarget *base, const pg_uuid_t *subscription);
extern bool file_ledger_move(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool file_ledger_write_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List *parts);
extern bool file_ledger_forget_parts(DbsyncTarget *base, List *attachments);

/* rows.c */
extern DbsyncTargetTable *file_table_open(DbsyncTarget *base, const DbsyncTableSpec *spec);
extern const DbsyncForm *file_table_forms(const DbsyncTargetTable *table);
extern bool file_table_has_rows(DbsyncTarget *base, DbsyncTargetTable *table, bool *has_rows);
extern bool file_truncate(DbsyncTarget *base, DbsyncTargetTable **tables, int ntables);
extern bool file_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table,
							DbsyncRowsMode mode, int64 expected_rows);
extern bool file_rows_put(DbsyncTarget *base, const DbsyncRow *row);
extern bool file_rows_end(DbsyncTarget *base);

/* wait.c */
extern bool file_lock(FileTarget *target);
extern void file_unlock(FileTarget *target);
extern bool file_hold(FileTarget *target, const char *where);
extern void file_heard(FileTarget *target);

#endif							/* DBSYNC_FILE_TEST_INTERNAL_H */
