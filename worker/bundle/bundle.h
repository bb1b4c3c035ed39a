/*-------------------------------------------------------------------------
 *
 * worker/bundle/bundle.h
 *	  Bundles: a batch, or a part of one, as a file that proves itself.
 *
 * docs/bundles.md has the format byte by byte, for those who write a reader of their own.
 * In short: an ustar archive of regular files in one folder, in this order,
 *
 *		FORMAT				"dbsync bundle 1\n"
 *		1.copy.zst ...		the rows of a step: COPY data in one zstd frame
 *		load.sql			a psql script that loads them by hand
 *		contents.json		tables and steps: DbsyncBundleContents
 *		bundle.json			who it is, and the position: DbsyncBundleHead
 *		SHA256SUMS			of each member above, in order
 *		SHA256SUMS.sig		Ed25519 over SHA256SUMS
 *
 * then two blocks of zeros, then the end of the file.  Headers and padding are canonical: a reader makes
 * them itself from name and size, and compares.  Nothing is unzipped, unsealed or parsed before the
 * signature over the sums, and the sums over the members, have held.
 *
 * A bundle is a recorded batch: its steps are the calls of the driver contract (worker/driver/driver.h),
 * and whoever receives it plays them to another driver.  A batch that is larger than a file may be goes
 * over several, which are numbered one after the other; the last one has the position.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BUNDLE_BUNDLE_H
#define DBSYNC_WORKER_BUNDLE_BUNDLE_H

#include "worker/driver/driver.h"

/* how values of a step are written, all of them */
typedef enum DbsyncEncoding
{
	DBSYNC_ENCODING_TEXT,		/* PostgreSQL's text, as UTF-8 */
	DBSYNC_ENCODING_BINARY		/* what PostgreSQL's send functions make of them */
} DbsyncEncoding;

#define DBSYNC_BUNDLE_FORMAT		1
#define DBSYNC_BUNDLE_FORMAT_TEXT	"dbsync bundle 1\n"

#define DBSYNC_BUNDLE_BLOCK			512
#define DBSYNC_BUNDLE_HASH			32	/* bytes of a SHA-256 */
#define DBSYNC_BUNDLE_HEX			(2 * DBSYNC_BUNDLE_HASH + 1)
#define DBSYNC_BUNDLE_SIGNATURE		64
#define DBSYNC_BUNDLE_KEY			32	/* of an Ed25519 public key */

/* no chain, and no number in one, is higher: names have so many digits */
#define DBSYNC_BUNDLE_CHAIN_LIMIT	INT64CONST(9999999999)
#define DBSYNC_BUNDLE_NUMBER_LIMIT	INT64CONST(999999999999)

/* limits that a reader holds a file to before it allocates anything */
#define DBSYNC_BUNDLE_NAME_LIMIT	93	/* bytes of a member's name with its folder */
#define DBSYNC_BUNDLE_JSON_LIMIT	(64 * 1024 * 1024)
#define DBSYNC_BUNDLE_WINDOW_LOG	23	/* of zstd: 8 MB */
#define DBSYNC_BUNDLE_SEAL_LIMIT	(1024 * 1024)	/* bytes in one CMS message */

/*
 * bundle.json: never encrypted, as who wrote it reads in it where he was.  Strings and lists live where
 * the struct does.
 */
typedef struct DbsyncBundleHead
{
	List	   *requires;		/* of char *: what a reader must know beyond the first five steps */
	pg_uuid_t	subscription;
	const char *subscription_name;
	uint64		system_identifier;	/* of the source ... */
	Oid			database_oid;
	TimeLineID	timeline;
	int			postgresql;		/* 150020 */
	const char *dbsync;			/* version of the extension */
	int64		chain;			/* the second in which it was begun, or the one behind the last chain's */
	int64		number;			/* of the file in its chain, from 1 */
	char		previous[DBSYNC_BUNDLE_HEX];	/* SHA-256 of the last file's SHA256SUMS; "" for number 1 */
	TimestampTz time;			/* when its batch was begun */
	int64		batch;
	int			part;			/* of the batch, from 1 */
	bool		last;			/* it completes the batch */
	int64		rows;
	int64		bytes;			/* of all its rows before they were zipped */
	const DbsyncLedger *position;	/* where the batch comes to; NULL: not the last part */
} DbsyncBundleHead;

typedef struct DbsyncBundleColumn
{
	const char *name;			/* at the target */
	const char *type;			/* as SQL says it at the source, its modifier with it */
	Oid			oid;			/* InvalidOid unless it is built in, and so the same everywhere */
	int32		typmod;			/* of a built-in type; else -1 */
	bool		not_null;
} DbsyncBundleColumn;

/* a table, as a spec (DbsyncTableSpec) has it */
typedef struct DbsyncBundleTable
{
	pg_uuid_t	id;				/* its attachment */
	const char *source;			/* quoted name there */
	const char *schema;			/* at the target */
	const char *table;
	int			ncolumns;
	DbsyncBundleColumn *columns;
	int			nkeys;
	int		   *keys;			/* indexes into columns; from 1 in the file */
	int			ngenerated;
	const char **generated;
	bool		chosen;
	char		fingerprint[DBSYNC_BUNDLE_HEX]; /* SHA-256 over columns, types and key */
} DbsyncBundleTable;

typedef enum DbsyncBundleDo
{
	/* what each reader of format 1 knows */
	DBSYNC_BUNDLE_TRUNCATE,
	DBSYNC_BUNDLE_APPEND,
	DBSYNC_BUNDLE_MERGE,
	DBSYNC_BUNDLE_PATCH,
	DBSYNC_BUNDLE_DELETE,
	/* named in "requires" where they are used */
	DBSYNC_BUNDLE_COUNT,		/* rows of a table without a key */
	DBSYNC_BUNDLE_CLEAR,		/* rows for which others make room */
	DBSYNC_BUNDLE_DELETE_WHERE,
	DBSYNC_BUNDLE_CHANGE,		/* the table has another shape from here on */
	DBSYNC_BUNDLE_TYPES,		/* enums have other labels, or composite types other attributes */
	DBSYNC_BUNDLE_SEQUENCES
} DbsyncBundleDo;

typedef struct DbsyncBundleStep
{
	DbsyncBundleDo what;
	int			table;			/* index into tables; CHANGE: as it is from here on; -1: none */

	/* TRUNCATE: in one command */
	List	   *tables;			/* of int */

	/*
	 * Rows.  Their fields, by step: APPEND the table's columns; MERGE dbsync_op (I, U, D; of D the key alone
	 * means something), then the columns; PATCH dbsync_op, dbsync_same (text: numbers, from 1, of the columns that stay
	 * as they are, with commas; or null), then the columns; DELETE the key's columns; COUNT dbsync_op (I, D),
	 * dbsync_count, then the columns; CLEAR as MERGE.
	 */
	DbsyncEncoding form;
	int			member;			/* its file: "<member>.copy..." */
	int64		rows;
	int64		bytes;
	bool		continues;		/* it goes on in the next file, in a step for the same table */
	bool		first;			/* APPEND: a first copy begins, and nobody has said what is to become of rows there */

	List	   *sets;			/* CLEAR: of integer lists, as rows_clear() takes them */
	const char *condition;		/* DELETE_WHERE */
	int			before;			/* CHANGE: the table as it was, index into tables; -1: not known */
	List	   *changes;		/* CHANGE: of DbsyncChange, types by their names */
	int			how;			/* CHANGE: DBSYNC_CHANGE_TAKEN, _EMPTY, _SHARED, _FILL, or 0 */
	List	   *enums;			/* TYPES: of DbsyncEnum, types by their names, as oids are the source's */
	List	   *row_types;		/* TYPES: of DbsyncRowType, the same */
	List	   *sequences;		/* of DbsyncSequenceGoal */
} DbsyncBundleStep;

/* contents.json */
typedef struct DbsyncBundleContents
{
	const char *encoding;		/* "UTF8" */
	const char *route;			/* the way that the changes have come, as begin() was told */
	List	   *tables;			/* of DbsyncBundleTable: those that the steps name */
	List	   *steps;			/* of DbsyncBundleStep */
	List	   *parts;			/* of DbsyncLedgerPart: those that the batch has changed; in its last file */
} DbsyncBundleContents;

/* what a file is found to be */
typedef enum DbsyncBundleVerdict
{
	DBSYNC_BUNDLE_GOOD,
	DBSYNC_BUNDLE_PARTIAL,		/* all right as far as it goes, but it has no end yet */
	DBSYNC_BUNDLE_BAD,			/* can never become good */
	DBSYNC_BUNDLE_UNSIGNED,		/* by nobody whose key we have */
	DBSYNC_BUNDLE_TOO_NEW		/* proved, but of a later format, or requires what we do not know */
} DbsyncBundleVerdict;

#endif							/* DBSYNC_WORKER_BUNDLE_BUNDLE_H */
