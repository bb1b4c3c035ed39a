/*-------------------------------------------------------------------------
 *
 * worker/driver/file/internal.h
 *	  File driver: what its files share; nobody else includes it.
 *
 * A target is a folder, the root, in which batches become bundles (worker/bundle/bundle.h):
 *
 *		dbsync.json			it is an outbox of ours
 *		signing.key, .pub	Ed25519; made with the root only
 *		tmp/<uuid>/			files being written
 *		keep/<uuid>/		a subscription's: lock; <chain>-<number>.tar, of which the newest is the ledger;
 *							<chain>-<number>.state, all parts as of that number; by-hand/, receipts on paper
 *		out/				the same files by names that say whose they are: a gateway takes them
 *		receipts/			what comes back
 *
 * A batch is committed by the link that gives its last file its name in keep.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_FILE_INTERNAL_H
#define DBSYNC_WORKER_DRIVER_FILE_INTERNAL_H

#include <sys/stat.h>

#include "lib/stringinfo.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "worker/bundle/bundle.h"
#include "worker/bundle/seal.h"
#include "worker/bundle/sign.h"
#include "worker/bundle/writer.h"
#include "worker/driver/driver.h"
#include "worker/driver/file/options.h"

/* a table as the worker has asked for it */
struct DbsyncTargetTable
{
	DbsyncBundleTable table;	/* as bundles say it */
	DbsyncEncoding form;
	DbsyncForm *forms;			/* of its columns, where that is binary */
	bool		first;			/* a first copy is to begin, and nobody has said what to do with rows there */
	bool		whole_rows;		/* no column of its rows stays open */
};

/* which file a subscription's bundles are in: number 0 is the position before the first */
typedef struct FileName
{
	int64		chain;
	int64		number;
} FileName;

/* the bundle being written, or the one to be begun next */
typedef struct FileWriting
{
	MemoryContext context;		/* of all that is below; NULL: not begun */
	char	   *path;			/* in tmp */
	DbsyncBundleWriter *writer;
	DbsyncBundleHead head;
	DbsyncBundleContents contents;
	List	   *handles;		/* of DbsyncTargetTable, as contents.tables: whose they are */
	int			columns;		/* of all of them */
} FileWriting;

/* between rows_begin() and rows_end() */
typedef struct FileSending
{
	DbsyncTargetTable *table;	/* NULL: none is */
	DbsyncBundleDo what;
	int			nfields;
	DbsyncBundleStep *step;		/* NULL: no row has come for this file */
	const char **values;		/* of a row's fields */
	int		   *lengths;
	StringInfoData same;		/* text of dbsync_same */
	StringInfoData count;		/* of dbsync_count */
	int64		unlooked;		/* bytes since the size of the file was looked at */
	bool		full;			/* then it was as large as it may be */
} FileSending;

typedef struct FileBatch
{
	MemoryContext context;
	DbsyncLedger ledger;		/* where it comes to */
	const char *route;
	TimestampTz time;
	int			part;			/* of the file being written */
	List	   *finished;		/* of char *: files in tmp, in their order */
	char		sums[DBSYNC_BUNDLE_HEX];	/* of the last of them */
	List	   *changed;		/* of DbsyncLedgerPart: written in it */
	bool		parts_changed;	/* or forgotten */
	FileWriting file;
	FileSending sending;
	DbsyncBundleStep *clearing; /* the last step of mode CLEAR */
} FileBatch;

typedef struct FileTarget
{
	DbsyncTarget base;			/* first: the worker knows us by it */
	const char *name;
	FileOptions options;
	DbsyncSigner *signer;
	DbsyncSealer *sealer;		/* NULL: not encrypted */

	/* of the subscription whose ledger was read; NULL: none was */
	char	   *keep;
	pg_uuid_t	subscription;
	bool		found;			/* it has a ledger: */
	DbsyncLedger ledger;
	FileName	newest;
	int			newest_part;	/* it is this part of its batch */
	char		sums[DBSYNC_BUNDLE_HEX];	/* of the newest; "": there is none in this chain yet */
	List	   *parts;			/* of DbsyncLedgerPart */
	TimestampTz written;		/* when the newest was */

	FileBatch  *batch;			/* NULL: none has begun */
	TimestampTz pruned;			/* when what is kept was looked at last, */
	TimestampTz unanswered;		/* and what nobody has acknowledged */
	List	   *ignored;		/* of char *: files among receipts that were named as none */
	int			nignored;		/* of them, those that are there */
	const char *silent;			/* receiver that has said nothing for long of what it lacks; NULL: none */
	FileName	ahead;			/* that a receiver says it has played, and that was never written here; number 0: none is */
	char		ahead_of[33];	/* whose word that is */
	int			unreadable;		/* errno of a file among receipts that could not be read; 0: there is none */
	int64		gone_told;		/* up to this number, what somebody lacks that is not kept any more */
	List	   *enums;			/* of DbsyncEnum: those that receivers know, or are told of next */
	List	   *enums_due;		/* of them, those that they are to be told of */
	List	   *row_types;		/* the same of composite types: of DbsyncRowType, without their places */
	List	   *row_types_due;	/* of DbsyncRowType, with places that they are to be told of */
	HTAB	   *places;			/* where tables have values of them (types.c); NULL: none has */
} FileTarget;

/* --- fault.c --- */

/* What a fault says lives as long as the target.  Returns false. */
extern bool dbsync_file_refuse(FileTarget *target, DbsyncFaultKind kind, int sqlstate, const char *message,
							   const char *detail, const char *hint);

/*
 * Of PG_CATCH(): make the error that was raised the target's fault, and return false.  One that ends
 * what the process is doing is raised again.
 */
extern bool dbsync_file_caught(FileTarget *target, MemoryContext context);

/* Return what "call" does, or the fault that it raises. */
#define DBSYNC_FILE_GUARDED(target, call) \
	do { \
		MemoryContext guarded_context = CurrentMemoryContext; \
		volatile bool guarded_done = false; \
		PG_TRY(); \
		{ \
			guarded_done = (call); \
		} \
		PG_CATCH(); \
		{ \
			guarded_done = dbsync_file_caught(target, guarded_context); \
		} \
		PG_END_TRY(); \
		return guarded_done; \
	} while (0)

/* --- root.c --- */

/* The root, made if there is none; its keys, and what is wrong with them.  False: the fault says what. */
extern bool dbsync_file_root_open(FileTarget *target);

/* Public keys (List of uint8 *): that the root has, or has had; all that are in a file, one PEM behind the other. */
extern List *dbsync_file_own_keys(const FileTarget *target);
extern List *dbsync_file_read_keys(const char *path);

/* --- names.c --- */

extern char *dbsync_file_uuid(const pg_uuid_t *uuid);
extern char *dbsync_file_hex(const uint8 *hash);
/*
 * Since when a kept bundle is there, which has been looked at.  One of a time that has not come was written before the clock was put back: it is
 * as if it were written now, and so from here on.
 */
extern TimestampTz dbsync_file_kept_since(const FileTarget *target, const FileName *name, const struct stat *status);

/*
 * Is it so many ms ago?  Also true of a time that has not come: it was noted before the clock was put back, and nobody is to wait for
 * as long as that.
 */
extern bool dbsync_file_is_due(TimestampTz since, int64 ms);

extern char *dbsync_file_keep_path(const FileTarget *target, const FileName *name, const char *suffix);
extern char *dbsync_file_out_path(const FileTarget *target, const char *subscription_name, const FileName *name);
extern char *dbsync_file_by_hand_folder(const FileTarget *target);
extern char *dbsync_file_tmp_folder(const FileTarget *target);
extern char *dbsync_file_tmp_path(const FileTarget *target, const FileName *name, const char *suffix);

/* All of the subscription with this suffix (List of FileName), in their order. */
extern List *dbsync_file_list(const FileTarget *target, const char *suffix);

/* -1, 0, 1: by chain, then by number */
extern int	dbsync_file_compare(const FileName *a, const FileName *b);

/* --- state.c --- */

/*
 * All parts as of a bundle, whose sums it names; of number 0 the first position, too.
 * Writing: never over another one, which is somebody else's; false then.
 * Reading: false if there is no such file; error if it is damaged.  Allocates in CurrentMemoryContext.
 */
extern bool dbsync_file_state_write(FileTarget *target, const FileName *name, const char *sums,
									const DbsyncLedger *position, List *parts);
extern bool dbsync_file_state_read(FileTarget *target, const FileName *name, char *sums,
								   DbsyncLedger *position, List **parts);
extern bool dbsync_file_state_is_of(FileTarget *target, const FileName *name, const char *sums);

/* --- ledger_read.c --- */

extern bool dbsync_file_ledger_read(DbsyncTarget *base, const pg_uuid_t *subscription, DbsyncLedger *ledger, bool *found);
extern bool dbsync_file_ledger_read_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List **parts);

/* The subscription's folder is ours alone, until the target is closed; false: the fault says who has it. */
extern bool dbsync_file_take_folder(FileTarget *target, const pg_uuid_t *subscription);

/* Remove files of batches that were never committed. */
extern void dbsync_file_clear_tmp(const FileTarget *target);

/* The highest chain that anything kept is of; 0: nothing is kept. */
extern int64 dbsync_file_highest_chain(const FileTarget *target);

/* --- ledger.c --- */

extern bool dbsync_file_ledger_create(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool dbsync_file_ledger_forget(DbsyncTarget *base, const pg_uuid_t *subscription);
extern bool dbsync_file_ledger_move(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool dbsync_file_ledger_write_parts(DbsyncTarget *base, const pg_uuid_t *subscription, List *parts);
extern bool dbsync_file_ledger_forget_parts(DbsyncTarget *base, List *attachments);

/* --- ledger_copy.c --- */

/* With all strings, into CurrentMemoryContext; and freed again. */
extern void dbsync_file_copy_ledger(DbsyncLedger *to, const DbsyncLedger *from);
extern void dbsync_file_free_ledger(DbsyncLedger *ledger);
extern DbsyncLedgerPart *dbsync_file_copy_part(const DbsyncLedgerPart *from);
extern void dbsync_file_free_part(DbsyncLedgerPart *part);

/* --- table.c --- */

extern DbsyncTargetTable *dbsync_file_table_open(DbsyncTarget *base, const DbsyncTableSpec *spec);
extern const DbsyncForm *dbsync_file_table_forms(const DbsyncTargetTable *table);
extern bool dbsync_file_table_has_rows(DbsyncTarget *base, DbsyncTargetTable *table, bool *has_rows);
extern bool dbsync_file_tables_close(DbsyncTarget *base, List *tables);

/* A type as SQL says it, wherever it is read; its oid if it is the same everywhere, else InvalidOid. */
extern char *dbsync_file_type_name(Oid type, int32 typmod);
extern Oid	dbsync_file_type_oid(Oid type);

/* --- writing.c --- */

/* The file being written, begun if need be; its index of a table; a step at its end. */
extern void dbsync_file_writing_begin(FileTarget *target);
extern int	dbsync_file_writing_table(FileTarget *target, DbsyncTargetTable *table);
extern DbsyncBundleStep *dbsync_file_writing_step(FileTarget *target, DbsyncBundleDo what);

/* Finish it; "last": it completes the batch. */
extern void dbsync_file_writing_finish(FileTarget *target, bool last);

/* Is it as large as a file may be? */
extern bool dbsync_file_writing_is_full(const FileTarget *target);

/* --- steps.c --- */

extern bool dbsync_file_truncate(DbsyncTarget *base, DbsyncTargetTable **tables, int ntables);
extern DbsyncTargetTable *dbsync_file_table_change(DbsyncTarget *base, DbsyncTargetTable *before,
												   const DbsyncTableSpec *spec, List *changes, int how);
extern bool dbsync_file_table_lacks(DbsyncTarget *base, const DbsyncTableSpec *spec, bool *lacks);
extern bool dbsync_file_delete_where(DbsyncTarget *base, DbsyncTargetTable *table, const DbsyncTableSpec *spec,
									 const char *condition);
extern bool dbsync_file_rows_clear(DbsyncTarget *base, DbsyncTargetTable *table, List *sets, List **keys);
extern bool dbsync_file_sequences_advance(DbsyncTarget *base, List *sequences);

/* --- types.c --- */

extern bool dbsync_file_types_follow(DbsyncTarget *base, List *enums, List *row_types, bool make);

/* With the batch that has begun, what receivers do not know yet. */
extern void dbsync_file_types_tell(FileTarget *target);

/* --- rows.c --- */

extern bool dbsync_file_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table, DbsyncRowsMode mode, int64 expected_rows);
extern bool dbsync_file_rows_put(DbsyncTarget *base, const DbsyncRow *row);
extern bool dbsync_file_rows_end(DbsyncTarget *base);

/* --- batch.c --- */

extern bool dbsync_file_begin(DbsyncTarget *base, const DbsyncLedger *ledger, const char *origin,
							  int64 expected_rows, int flags);
extern bool dbsync_file_commit(DbsyncTarget *base);

/* --- publish.c --- */

/* Give a kept file its name in out, where the gateway may have left anything. */
extern void dbsync_file_publish(FileTarget *target, const FileName *name);

/* Is it in out still: by its second name, or as a copy, on another disk, of what is kept so? */
extern bool dbsync_file_is_out(const FileTarget *target, const FileName *name, const struct stat *kept);

/* The files of the newest batch. */
extern void dbsync_file_publish_newest(FileTarget *target);

/* --- upkeep.c --- */

/* Remove bundles that are kept (List of FileName), and all names of theirs in out; the folder is for the caller to sync. */
extern void dbsync_file_remove_bundles(FileTarget *target, List *names);

extern bool dbsync_file_upkeep(DbsyncTarget *base, long *pause, int *wants);

#endif							/* DBSYNC_WORKER_DRIVER_FILE_INTERNAL_H */
