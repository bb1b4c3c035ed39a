/*-------------------------------------------------------------------------
 *
 * worker/driver/driver.h
 *	  The contract between the worker and a driver.
 *
 * A driver speaks to one kind of target.  The worker knows targets only through
 * this header; a driver knows the worker not at all.
 *
 * Rules for every function below
 *	- A refusal by the remote, and a lost connection, are returned: the function
 *	  returns false and target->fault says what the remote said.  ereport(ERROR)
 *	  is for our own failures and for interrupts.  After either, the worker
 *	  throws the connection away with close(), which must be safe at any moment,
 *	  also half-way through a batch; what was not committed is then rolled back
 *	  by the remote.
 *	- Every wait is a wait on MyLatch and the socket, with CHECK_FOR_INTERRUPTS.
 *	- Strings handed out live in target->context, which dies with close().
 *	- A driver runs in one process and need not be reentrant.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_DRIVER_H
#define DBSYNC_WORKER_DRIVER_DRIVER_H

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "extension/compat.h"
#include "nodes/pg_list.h"
#include "utils/palloc.h"
#include "utils/uuid.h"

#include "worker/types/types.h"

/*
 * What the worker is to make of a fault.  The remote's words and codes are for people;
 * only the driver knows what a code of its remote means.
 */
typedef enum DbsyncFaultKind
{
	DBSYNC_FAULT_REFUSED,		/* all that is none of the others */
	DBSYNC_FAULT_LOST,			/* the connection; the outcome of a COMMIT is unknown */
	DBSYNC_FAULT_UNAVAILABLE,	/* out of resources, shutting down, cancelled, read only: it
								 * is not for what was sent */
	DBSYNC_FAULT_LOCKED,		/* somebody else's lock was in the way */
	DBSYNC_FAULT_CLASH,			/* two rows with one unique value, a row for which a stage has
								 * no room, or that breaks a foreign key before others are
								 * there: send it again, deleting first, or all together */
	DBSYNC_FAULT_ROW_MISSING,	/* a row that came with untouched columns is not there: it
								 * is to be sent whole */
	DBSYNC_FAULT_LEDGER_MOVED,	/* another worker has */
	DBSYNC_FAULT_TABLE_CHANGED,	/* since table_open(), or settings that its rows rely on */
	DBSYNC_FAULT_CHANGE_DUE,	/* the table lacks a change that somebody is to make there */
	DBSYNC_FAULT_TOO_MANY		/* more keys of the table would be parked than there may be */
} DbsyncFaultKind;

/* what the remote said when it refused; strings may be NULL, sqlstate is not 0 then */
typedef struct DbsyncFault
{
	DbsyncFaultKind kind;
	int			sqlstate;		/* packed as MAKE_SQLSTATE does, for messages */
	char	   *message;
	char	   *detail;
	char	   *hint;
	char	   *context;
	char	   *statement;		/* to be run on the remote, or refused by it; NULL: none known */
	const struct DbsyncTargetTable *table;	/* where a type of it has become another one than
											 * the source's, so that its rows are refused; or NULL */
	const struct DbsyncTargetTable *rows_of;	/* whose rows were refused, which may have been given before
												 * the function that says so was called; or NULL */
	bool		of_row;			/* a row is refused for what it is, and would be again: its key may be parked */
	const char *late;			/* with of_row, found by a check that came behind all rows: what doubt() is to be told,
								 * so that it is found beside its row; or NULL */
} DbsyncFault;

/* where and how to connect; built by the worker from server and user mapping */
typedef struct DbsyncTargetConfig
{
	const char *name;			/* the target's name, for messages */
	const char *driver;			/* the foreign data wrapper's name */
	List	   *options;		/* of DefElem: server options, then user mapping */
	bool		password_required;	/* the server's own account must not let us in */
	const char *application_name;

	/*
	 * Called about once a second, with the time at which it began, while an answer of
	 * the remote is waited for that has not come within a second; and with 0 when that
	 * is over.  Must be safe at any moment, also while the connection is being closed.
	 * NULL: nobody wants to know.
	 */
	void		(*waits) (TimestampTz since);

	/*
	 * ms of silence after which the connection is given up, read again while waiting;
	 * 0 or NULL: never.  What was sent may give the remote more time than that.
	 */
	const int  *timeout;
} DbsyncTargetConfig;

/* who answered; strings may be NULL: there is no such thing */
typedef struct DbsyncTargetIdentity
{
	/*
	 * What it is called in the routes of changes (dbsync_route_extend()), so that its own do
	 * not come back to it; NULL: it makes none, or does not say who it is.
	 */
	const char *origin;
	int			version;		/* driver's own numbering, 150020 */
	const char *version_text;
	const char *user;
	const char *database;
	TimestampTz server_start;	/* 0: not known */
	List	   *properties;		/* of DefElem with strings: what else test_target() tells */
} DbsyncTargetIdentity;

/*
 * A subscription's row in the ledger: how far the target has come.  The set of
 * transactions applied is: visible in "after", or (when upto is not NULL)
 * visible in "upto" and (closing, closing_xid) at or below the pair here.  The
 * pair is kept without upto as well: a source that does not know the transaction
 * any more was put back to an older state.
 */
typedef struct DbsyncLedger
{
	pg_uuid_t	subscription;
	const char *subscription_name;	/* for people who read the ledger */
	uint64		system_identifier;	/* of the source ... */
	Oid			database_oid;
	TimeLineID	timeline;
	XLogRecPtr	lsn;			/* source WAL flushed up to here before the commit */
	TimestampTz server_start;	/* PgStartTime of the source server */
	int64		batch;			/* counts commits; the fence compares it */
	const char *after;			/* pg_snapshot as text */
	const char *upto;			/* or NULL */
	XLogRecPtr	closing;		/* of the last transaction passed; 0: none yet */
	uint64		closing_xid;
	int64		checksum;		/* over all of it but name and batch, by the worker */
	const char *null_column;	/* as read: a column that is null and must not be */
	const char *identities;		/* that the target has had, as a route names them;
								 * NULL: not known */

	/* of a position that came in bundles; of all others 0 and NULL */
	int64		chain;			/* theirs; the fence compares it, too */
	const char *note;			/* of the receiver's: which of them was the last */
} DbsyncLedger;

/*
 * One table's row in the ledger: how much of it has been copied, and where it is if it is
 * not where its subscription is: a held table has a position of its own.
 */
typedef struct DbsyncLedgerPart
{
	pg_uuid_t	attachment;
	bool		live;			/* first copy is complete */
	int			nkeys;			/* 0: nothing copied yet */
	char	  **boundary;		/* key columns of the last copied row, as text; as
								 * read from the target elements may be NULL */
	int64		rows;			/* rows copied */
	const char *after;			/* NULL: not held; else as in DbsyncLedger, for this */
	const char *upto;			/* table alone; NULL where that may be, too */
	XLogRecPtr	closing;
	uint64		closing_xid;
	int64		checksum;		/* over all of it, by the worker */
	const char *null_column;	/* as read: a column that is null and must not be */
	const char *relation;		/* quoted name of the target table; only written */
} DbsyncLedgerPart;

/* how a table is to be reached on the target; filled by the worker */
typedef struct DbsyncTableSpec
{
	const char *schema;
	const char *table;
	int			ncolumns;
	const DbsyncColumn *columns;	/* in the order rows come */
	int			nkeys;			/* 0: it has no key, and rows come in modes COUNT and APPEND */
	const int  *keys;			/* indexes into columns */
	int			ngenerated;		/* columns that the source generates: not sent, */
	const char **generated;		/* and refused where the target would not */
	int			nothers;		/* all other target tables of the subscription: the table must */
	const char **other_schemas; /* not be part of one of them, nor they of it */
	const char **other_tables;
	bool		chosen;			/* somebody has said what each column gets: refuse types that do not go together */

	/* for targets that pass on what they get; who has it from there knows no oids of types but of built-in ones */
	pg_uuid_t	attachment;
	const char *source;			/* qualified and quoted name at the source */
} DbsyncTableSpec;

/*
 * How a table differs from what it was: what happened to one column, or to the key.  In the
 * order of kinds they can be made one after the other; renames, so that no name is taken.
 */
typedef enum DbsyncChangeKind
{
	DBSYNC_CHANGE_DROP,
	DBSYNC_CHANGE_RENAME,
	DBSYNC_CHANGE_TYPE,
	DBSYNC_CHANGE_ADD,
	DBSYNC_CHANGE_DEFAULT,
	DBSYNC_CHANGE_NOT_NULL,
	DBSYNC_CHANGE_KEY
} DbsyncChangeKind;

/* a label of an enum, and the names that it had before, none of which another label has now */
typedef struct DbsyncLabel
{
	const char *name;
	List	   *former;			/* of char * */
} DbsyncLabel;

/* an enum of the source with its labels in their order, all as they were at one moment */
typedef struct DbsyncEnum
{
	Oid			type;
	const char *type_name;		/* as SQL says it; NULL: "type" says it */
	int			nlabels;
	DbsyncLabel *labels;
} DbsyncEnum;

/* an attribute of a composite type, and the names that it had before, none of which another one has or had */
typedef struct DbsyncAttribute
{
	const char *name;			/* NULL: it was dropped */
	List	   *former;			/* of char *; its name of today may be among them */
	Oid			type;
	const char *type_name;		/* as SQL says it; NULL: "type" says it */
	int32		typmod;
	Oid			collation;
} DbsyncAttribute;

/*
 * A column of a target's table whose values, or their elements, are of a composite type; or an attribute of
 * these, however deep: "path" has the places of attributes on the way to it, as int, from 1, without dropped ones.
 */
typedef struct DbsyncRowPlace
{
	const char *schema;
	const char *table;
	const char *column;
	List	   *path;
} DbsyncRowPlace;

/* a composite type of the source: all attributes that it ever had, in their order */
typedef struct DbsyncRowType
{
	bool		unchanged;		/* as long as anybody remembers: it is to be compared only */
	List	   *places;			/* of DbsyncRowPlace: where the target may have it by another name */
	Oid			type;
	const char *type_name;		/* as SQL says it; NULL: "type" says it */
	int			nattributes;
	DbsyncAttribute *attributes;
} DbsyncRowType;

/*
 * An index, to be made for a table at the target.  "definition" is what comes behind the table's
 * name in PostgreSQL's SQL (USING ...), by the spec's names of columns.
 */
typedef struct DbsyncIndex
{
	const char *name;			/* NULL: the target may choose */
	bool		unique;
	const char *definition;
	const char *problem;		/* why it is not made, in words; NULL: it is */
} DbsyncIndex;

/* what has become of it */
typedef enum DbsyncIndexOutcome
{
	DBSYNC_INDEX_MADE,			/* or it was there */
	DBSYNC_INDEX_REFUSED,
	DBSYNC_INDEX_EARLY,			/* the table lacks a column for it, which may be on its way */
	DBSYNC_INDEX_LATER			/* something is in the way that may pass */
} DbsyncIndexOutcome;

typedef struct DbsyncChange
{
	DbsyncChangeKind kind;
	const char *column;			/* RENAME: before it; of keys NULL */
	const char *new_name;		/* RENAME */
	Oid			type;			/* ADD, TYPE: as in DbsyncTableSpec */
	const char *type_name;		/* as in DbsyncTableSpec: NULL: "type" says it */
	int32		typmod;
	Oid			collation;
	Oid			old_type;		/* TYPE; InvalidOid: that type has been dropped since */
	int32		old_typmod;
	bool		not_null;		/* ADD, NOT_NULL: from now on */
	const char *value;			/* ADD, DEFAULT: expression in PostgreSQL's SQL; NULL: none */
	const char *missing;		/* ADD: the text of the value that rows have which are there
								 * already; NULL: they are null */
	int			nkeys;			/* KEY: the columns that were it, now called so */
	const char **keys;

	/* of a table that is made from nothing: table_create() */
	const char *identity;		/* ADD: it gives values BY DEFAULT; options of its sequence in
								 * PostgreSQL's SQL, or ""; NULL: it is none */
	const DbsyncIndex *index;	/* KEY: the one by which the source has it; NULL: the primary key */
} DbsyncChange;

/* how table_change() goes about it */
#define DBSYNC_CHANGE_MAKE		0x01	/* make what is due; else refuse where something is */
#define DBSYNC_CHANGE_TRUST		0x02	/* somebody has made it: do not look */
#define DBSYNC_CHANGE_TAKEN		0x04	/* names changed places: looking cannot tell */
#define DBSYNC_CHANGE_EMPTY		0x08	/* empty the table: it is copied anew */
#define DBSYNC_CHANGE_SHARED	0x10	/* rows of others are in it: what they say is left alone */
#define DBSYNC_CHANGE_FILL		0x20	/* alter nothing, but give all rows the missing values */

/*
 * One row.  Values are in the forms that the driver has asked for (table_forms()), else text in the
 * source's server encoding, written under the pinned settings of docs/design.md; NULL pointer is SQL NULL.
 */
typedef enum DbsyncRowKind
{
	DBSYNC_ROW_INSERT,			/* most likely not there yet */
	DBSYNC_ROW_UPDATE,			/* most likely there already */
	DBSYNC_ROW_DELETE
} DbsyncRowKind;

typedef struct DbsyncRow
{
	DbsyncRowKind kind;
	const char **values;		/* of all columns; mode DELETE: of the keys */
	int		   *lengths;		/* bytes of each value; 0 for NULL.  DBSYNC_FORM_TEXT is
								 * followed by a zero that does not count */
	const bool *unchanged;		/* columns that stay as they are there, which have
								 * no value here; NULL: none.  Only of updates in
								 * mode PATCH, and never of key columns */
	int64		count;			/* mode COUNT: so many of it, 1 at least */
	char	  **parked;			/* mode DOUBTED: its key, as it is parked; NULL: it is not */
} DbsyncRow;

typedef enum DbsyncRowsMode
{
	DBSYNC_ROWS_APPEND,			/* to insert; their keys cannot be there */
	DBSYNC_ROWS_MERGE,			/* each key at most once; upserts and deletes */
	DBSYNC_ROWS_PATCH,			/* the same, and some updates lack columns */
	DBSYNC_ROWS_DELETE,			/* keys of rows to delete; may come repeatedly */
	DBSYNC_ROWS_COUNT,			/* of a table without a key: so many rows with just these values to
								 * delete or to insert; each row once, deletes first */
	DBSYNC_ROWS_TOGETHER,		/* as MERGE, but they wait for rows_together() */
	DBSYNC_ROWS_CLEAR,			/* rows for which others are to make room: they wait for rows_clear(), and
								 * come once more to be written */
	DBSYNC_ROWS_DOUBTED,		/* as MERGE, of any table with a key, and never in binary form; of one that is refused for what
								 * it is the key is parked, and the others are written */
	DBSYNC_ROWS_CLEAR_DOUBTED	/* as CLEAR, for rows_clear() that tells keys, and never in binary form; one that is refused for
								 * what it is makes no room: it comes in mode DOUBTED then */
} DbsyncRowsMode;

/* a row that the target has refused; strings but these three may be NULL */
typedef struct DbsyncParkedRow
{
	pg_uuid_t	attachment;
	int			nkeys;
	char	  **key;			/* its key columns, as text */
	bool		freed;			/* it is parked no more; the rest means nothing then */
	bool		deletes;		/* it was to be deleted */
	char	   *row;			/* for people: JSON, by the target's names of columns */
	char	   *sqlstate;		/* what was said of it: five characters, */
	char	   *message;		/* in words */
	char	   *detail;
	char	   *hint;
	TimestampTz since;			/* it has been parked */
	int64		changes;		/* of the key that were refused, 1 at least */
} DbsyncParkedRow;

/* a foreign key that the target checks; one of its two tables may be none of those asked about */
typedef struct DbsyncForeignKey
{
	int			child;			/* the table that has it, by its number; -1: another one */
	int			parent;			/* the one that it leads to */
	const char *name;			/* for messages: of the constraint, as "name of table x" */
} DbsyncForeignKey;

/* what a driver has found of a sequence at the target */
typedef enum DbsyncSequenceFound
{
	DBSYNC_SEQUENCE_ASKED,		/* nothing yet */
	DBSYNC_SEQUENCE_AHEAD,		/* it is ahead */
	DBSYNC_SEQUENCE_MISSING,	/* there is none */
	DBSYNC_SEQUENCE_FORBIDDEN,	/* the role may not set it */
	DBSYNC_SEQUENCE_OTHER_WAY,	/* it counts down where the source's counts up, or up for down */
	DBSYNC_SEQUENCE_EXHAUSTED	/* it is at its own limit, and gives no more values */
} DbsyncSequenceFound;

/*
 * Where a sequence of the target is to be: so that the next value that it gives lies beyond
 * "goal", as the source's counts.  The source's stands at "here".  One that cycles gives values
 * again: then "goal" may lie behind the end of the range, at its beginning, and whatever
 * is less than half of the range ahead of "here" is ahead.
 */
typedef struct DbsyncSequenceGoal
{
	const char *schema;
	const char *relation;		/* the sequence; or the table to whose ... */
	const char *column;			/* ... column it belongs; else NULL */
	int64		here;
	int64		goal;
	int64		min;			/* range of the source's */
	int64		max;
	bool		descending;
	bool		cycles;

	/* filled in by the driver */
	DbsyncSequenceFound found;
	NameData	found_schema;	/* as it is called there; unless it is missing */
	NameData	found_name;
	int64		there;			/* AHEAD, EXHAUSTED: its last value now, and */
	int64		covered;		/* the last one before the next that it will give */
} DbsyncSequenceGoal;

/*
 * Comparing tables.  An image is ROW(...)::text as PostgreSQL writes it, of some columns in the order of the spec (of the key's
 * in the order of keys), with the types that the target has, under the pinned settings.  H(text, seed) is what
 * hashtextextended(text, seed) gives under collation "C", of the hexadecimal form where that is said; N(number, seed) is
 * hashint8extended(number, seed).
 *
 * Without a key a row's hash is H(image of all columns, seed).  With one:
 *
 * - of a value, with a seed, as DbsyncReadHow says
 * - of its key: h, beginning with the seed, becomes the hash of the value, seeded with h, by each of the key's columns, and 0 by one
 *   that is null; if one of them has none of its own, it is H(image of the key, seed)
 * - of the row: that of its key, k; XOR the hash of the value, seeded with k XOR i, or i if it is null, of each column beside the key,
 *   where i is its place in the spec, from 1; XOR H(image of those that have none of their own, k), if there are such
 *
 * So no text is made twice, and none at all of rows whose key says that they do not matter.
 */
typedef enum DbsyncReadHow
{
	DBSYNC_READ_IN_IMAGE,		/* no hash of its own */
	DBSYNC_READ_TEXT,			/* H(its text, seed) */
	DBSYNC_READ_INTEGER,		/* of 32 bits at most: N(value, seed) */
	DBSYNC_READ_BIGINT			/* of 64 bits, which N makes 32 of first: N(value, N(value >> 32, seed)) */
} DbsyncReadHow;

typedef struct DbsyncReadForm
{
	bool		hex;			/* images, and text, are the hexadecimal form of their UTF-8: encodings differ */
	const Oid  *types;			/* of the target's columns, without domains, where they are such that every PostgreSQL has
								 * them; InvalidOid: a value's text is the same there */
	const int32 *typmods;
	const DbsyncReadHow *how;	/* of the target's columns */
} DbsyncReadForm;

typedef enum DbsyncReadWhat
{
	DBSYNC_READ_BUCKETS,		/* how many rows are in each bucket, and the sum of their hashes */
	DBSYNC_READ_IMAGES,			/* the key's image and the row's hash, of each row in buckets that are wanted, in the
								 * order of images (as bytes) and hashes; without a key the row's image and how many of
								 * it there are */
	DBSYNC_READ_ROWS			/* the row's image (never in hexadecimal), of rows by their keys */
} DbsyncReadWhat;

/* A row's bucket is the hash of its key, or without one its own, modulo "buckets". */
typedef struct DbsyncReadRequest
{
	DbsyncReadWhat what;
	int64		seed;
	int			buckets;		/* a power of two */
	int			below;			/* BUCKETS: only those below this one */
	const uint8 *wanted;		/* IMAGES: a bit for each bucket, the lowest of a byte first */
	List	   *keys;			/* ROWS: of const char **, values of the key's columns as text */
	int			longest;		/* ROWS: of longer ones the image is NULL; IMAGES: no row of the source's is longer, in bytes */
} DbsyncReadRequest;

typedef struct DbsyncReadRow
{
	int			number;			/* BUCKETS: the bucket; ROWS: of the key, from 0 */
	int64		count;			/* BUCKETS, IMAGES without a key */
	uint64		hash;			/* BUCKETS: the sum modulo 2^64; IMAGES with a key */
	const char *image;			/* good until the next row; NULL: ROWS, it is too long */
} DbsyncReadRow;

/* a sequence of the target that belongs to a column */
typedef struct DbsyncReadSequence
{
	bool		found;			/* there is one that can be read, does not cycle, and there are rows */
	const char *name;
	int64		last;			/* the value that it gave last, or the one before its first */
	int64		furthest;		/* the furthest value that rows have in the column */
} DbsyncReadSequence;

#define DBSYNC_BATCH_CHUNK		0x01	/* carries a chunk of a first copy */
#define DBSYNC_BATCH_CHANGES	0x04	/* table_change() is to come */
#define DBSYNC_BATCH_CAREFUL	0x08	/* with DBSYNC_FEATURE_CAREFUL */
#define DBSYNC_BATCH_DOUBTED	0x10	/* with DBSYNC_FEATURE_QUARANTINE: doubt() follows, and rows in mode DOUBTED */
#define DBSYNC_BATCH_BESIDE		0x02	/* ... whose rows go while another connection's
										 * batch is open; its fence comes behind them */

/* what upkeep() wants of the worker */
#define DBSYNC_UPKEEP_POSITION	0x01	/* write the position once more, by a batch of its own */
#define DBSYNC_UPKEEP_RESTART	0x02	/* begin another chain: all is copied anew */

/*
 * What a driver can do.  Functions that go with a feature are required with it, and only
 * with it; dbsync_target_driver() checks that once.
 */
#define DBSYNC_FEATURE_LEDGER		0x01	/* keeps the position, in the transaction of the rows */
#define DBSYNC_FEATURE_READ_BACK	0x02	/* tells what is in its tables */
#define DBSYNC_FEATURE_PATCH		0x04	/* takes rows with untouched columns, mode PATCH */
#define DBSYNC_FEATURE_SEVERAL		0x08	/* takes one table over several connections */
#define DBSYNC_FEATURE_CHANGE		0x10	/* follows changes of a table's columns and key */
#define DBSYNC_FEATURE_COUNT		0x20	/* takes tables without a key, mode COUNT */
#define DBSYNC_FEATURE_SEQUENCES	0x40	/* has sequences, and keeps them ahead */
#define DBSYNC_FEATURE_CREATE		0x80	/* makes tables that are missing, and their indexes */
#define DBSYNC_FEATURE_FOREIGN_KEYS	0x100	/* says which foreign keys are checked there */
#define DBSYNC_FEATURE_CLEAR		0x200	/* makes room for rows, mode CLEAR */

/*
 * Its targets are folders of this server, which it writes to as the server's own account: who uses one must be a member
 * of pg_write_server_files.  What is sent goes in chains (DbsyncLedger.chain), and a root is known by its key,
 * which the worker hands over as option "public_key".
 */
#define DBSYNC_FEATURE_FILES		0x400

/*
 * Takes batches with DBSYNC_BATCH_CAREFUL.  In these, modes MERGE, PATCH and TOGETHER take rows with untouched columns
 * of any table, and complete them with what the target's own rows have; a row that is not there is ROW_MISSING, with
 * its key.  Then rows of MERGE and PATCH take the place of those that are there: all of their keys are deleted before the
 * first is inserted.  For who has no source to ask for whole rows.
 */
#define DBSYNC_FEATURE_CAREFUL		0x800

#define DBSYNC_FEATURE_COMPARE		0x1000	/* shows what is in its tables, as of one moment */

/*
 * Takes rows in mode DOUBTED: those that it refuses for what they are, and would refuse again, it parks, beside the
 * ledger and in the transaction of the rows: a key each, DBSYNC_MAX_PARKED of a table.
 */
#define DBSYNC_FEATURE_QUARANTINE	0x2000
#define DBSYNC_MAX_PARKED	10000

/*
 * Its targets are files of this server, which it writes to as the server's own account: who uses one must be a member of
 * pg_write_server_files.  What is wrong with the file is said when the target is made: it is opened then.
 */
#define DBSYNC_FEATURE_SERVER_FILES	0x4000

/* the worker cannot do without these yet */
#define DBSYNC_FEATURES_NEEDED		(DBSYNC_FEATURE_LEDGER | DBSYNC_FEATURE_READ_BACK)

/* of this contract; a driver that was made for another one is refused */
#define DBSYNC_DRIVER_VERSION	13

/* an option of targets; lists of them end with one that has no name */
typedef struct DbsyncOption
{
	const char *name;
	int			where;			/* it may stand: DBSYNC_OPTION_... */
	const char *superuser;		/* why only superusers may set it, a sentence: then it counts only where one owns the
								 * target.  NULL: everybody may */
	bool		secret;			/* it is never shown */
} DbsyncOption;

#define DBSYNC_OPTION_SERVER	0x01	/* among the foreign server's */
#define DBSYNC_OPTION_MAPPING	0x02	/* among the user mapping's, where other roles cannot read it */

/*
 * What the parts of a target's URI mean: the options that they become.  NULL: it has no such part.  User and password, if
 * there are such options, are "user" and "password"; what stands behind ? are options by their names.
 */
typedef struct DbsyncAddress
{
	const char *const *schemes; /* up to a NULL */
	const char *example;		/* for hints */
	const char *host;
	const char *port;
	const char *path;
	bool		path_is_whole;	/* its first slash belongs to it */
} DbsyncAddress;

typedef struct DbsyncTarget DbsyncTarget;
typedef struct DbsyncTargetTable DbsyncTargetTable; /* body is the driver's */

typedef struct DbsyncDriver
{
	int			version;		/* DBSYNC_DRIVER_VERSION */
	const char *name;			/* the foreign data wrapper it belongs to */
	int			features;

	/*
	 * Whose SQL its targets speak.  If that is not PostgreSQL's, specs come with declarations and forms of columns in
	 * that dialect, and columns that have none there are refused before the driver is asked.
	 */
	DbsyncDialect dialect;

	/* --- required of all --- */

	/*
	 * Connect and find out who answered.  The config need not outlive the call, but
	 * for what it points to in timeout.  Always returns a target, allocated in
	 * a fresh context below CurrentMemoryContext; *ok says whether it is
	 * connected, else its fault is set and only close() may follow.
	 */
	DbsyncTarget *(*open) (const DbsyncTargetConfig *config, bool *ok);

	/* Drop the connection without ceremony and free everything. */
	void		(*close) (DbsyncTarget *target);

	/*
	 * Look a table up and keep what is needed to write to it.  Refused with a
	 * clear fault when the table or a column is missing, when no unique index
	 * matches the key or takes different keys for one, when rights are missing, when
	 * rules or triggers could leave rows out, or when rows of others reference it, which is
	 * checked, and its own cannot be updated in place: then it
	 * returns NULL.  What it returns lives in target->context; the spec goes when the call is over.
	 * Own short transaction; called again for a table after the worker has
	 * learned of DDL or after a new connection.
	 */
	DbsyncTargetTable *(*table_open) (DbsyncTarget *target, const DbsyncTableSpec *spec);

	/*
	 * Begin a batch: write the position where the target will be, so that nobody else can
	 * write it before this batch has ended, and fail with LEDGER_MOVED unless the batch
	 * number there is the one before this position's, or the ledger has no row of the
	 * subscription any more.  expected_rows lets the driver choose how to go about it: it
	 * may gather a small batch and send it whole, so that what any step is refused for shows
	 * in commit() only.  "origin" goes with the writes if they are captured there: the way
	 * that they have come, a route.  With DBSYNC_BATCH_BESIDE the fence is left to fence().
	 */
	bool		(*begin) (DbsyncTarget *target, const DbsyncLedger *ledger,
						  const char *origin, int64 expected_rows, int flags);

	/*
	 * Empty these tables, in one command where the target can; else in this order, so those
	 * come first that reference others.
	 */
	bool		(*truncate) (DbsyncTarget *target, DbsyncTargetTable **tables, int ntables);

	/*
	 * Rows of one table: begin, row per row, end.  Not nested; a table's may come
	 * several times in a batch, later ones on top of those before.  In modes MERGE
	 * and PATCH of a row to delete only the key columns mean something.
	 */
	bool		(*rows_begin) (DbsyncTarget *target, DbsyncTargetTable *table,
							   DbsyncRowsMode mode, int64 expected_rows);
	bool		(*rows_put) (DbsyncTarget *target, const DbsyncRow *row);
	bool		(*rows_end) (DbsyncTarget *target);

	/*
	 * The worker is about to wait for something else, between the last row and
	 * commit(): let the target begin with what it has not been sent yet.
	 */
	bool		(*hurry) (DbsyncTarget *target);

	/*
	 * Commit.  False with DBSYNC_FAULT_LOST: the outcome is unknown and
	 * the worker asks the ledger over a new connection.
	 */
	bool		(*commit) (DbsyncTarget *target);

	/* --- with DBSYNC_FEATURE_LEDGER --- */

	/*
	 * Make the ledger if it is missing, and read the subscription's row into
	 * *ledger; *found says whether there is one.  Allocates in target->context.  With FEATURE_FILES: what is
	 * of a lower chain than ledger->chain counts as none, and is not even read.
	 */
	bool		(*ledger_read) (DbsyncTarget *target, const pg_uuid_t *subscription,
								DbsyncLedger *ledger, bool *found);

	/* Read the rows of all attachments; *parts: list of DbsyncLedgerPart. */
	bool		(*ledger_read_parts) (DbsyncTarget *target,
									  const pg_uuid_t *subscription, List **parts);

	/* Insert the first row (own transaction); refused if there is one. */
	bool		(*ledger_create) (DbsyncTarget *target, const DbsyncLedger *ledger);

	/* Forget a subscription and its attachments (own transaction). */
	bool		(*ledger_forget) (DbsyncTarget *target, const pg_uuid_t *subscription);

	/* Write the position once more, as the batch has become longer since begin(). */
	bool		(*ledger_move) (DbsyncTarget *target, const DbsyncLedger *ledger);

	/*
	 * Write these attachments' parts (List of DbsyncLedgerPart: inserted or
	 * replaced) in the batch's transaction.
	 */
	bool		(*ledger_write_parts) (DbsyncTarget *target, const pg_uuid_t *subscription,
									   List *parts);

	/* Delete these attachments' parts (List of DbsyncLedgerPart) in the batch's transaction. */
	bool		(*ledger_forget_parts) (DbsyncTarget *target, List *attachments);

	/* Return once everything committed so far is on the target's disk. */
	bool		(*confirm) (DbsyncTarget *target, const pg_uuid_t *subscription);

	/* --- with DBSYNC_FEATURE_READ_BACK --- */

	/* Does the table hold any row?  Own transaction. */
	bool		(*table_has_rows) (DbsyncTarget *target, DbsyncTargetTable *table,
								   bool *has_rows);

	/* --- with DBSYNC_FEATURE_PATCH --- */

	/*
	 * Does it take rows with untouched columns, in mode PATCH?  The driver then
	 * makes sure, before anything can be committed, that each of these rows was
	 * there to be updated, and else refuses with DBSYNC_FAULT_ROW_MISSING.  The worker
	 * sends the batch again with whole rows, as it does at once where the answer is
	 * no.
	 */
	bool		(*table_takes_unchanged) (const DbsyncTargetTable *table);

	/* --- with DBSYNC_FEATURE_SEVERAL --- */

	/*
	 * Can rows be appended to the table over several connections at a time, none
	 * of which will ever have to wait for what another has not committed?
	 */
	bool		(*table_takes_several) (const DbsyncTargetTable *table);

	/*
	 * Of a batch that was begun with DBSYNC_BATCH_BESIDE, behind its rows: what
	 * begin() does otherwise, move the ledger row on and raise on the server unless
	 * it was where the ledger's batch number expects it.  Until then the batch must
	 * fail, rather than wait for long, where it meets somebody's lock.
	 */
	bool		(*fence) (DbsyncTarget *target, const DbsyncLedger *ledger);

	/* --- with DBSYNC_FEATURE_CHANGE --- */

	/*
	 * In a batch that was begun with DBSYNC_BATCH_CHANGES: from here on the table's rows are of
	 * another spec, from which the list of DbsyncChange leads.  With DBSYNC_CHANGE_MAKE the
	 * driver makes those that are not there, in the batch's transaction; else it refuses with
	 * DBSYNC_FAULT_CHANGE_DUE if something is due that rows of the spec need, and says in
	 * the fault's statement what that is.  Returns the table looked up for the spec, or NULL.
	 * The handle for what it was, NULL if there is none, is not used any more.
	 */
	DbsyncTargetTable *(*table_change) (DbsyncTarget *target, DbsyncTargetTable *before,
										const DbsyncTableSpec *spec, List *changes, int how);

	/*
	 * Before a table is looked up: let the enums that its columns are made of (a list of DbsyncEnum)
	 * follow those of the source, where labels have got other names, and where there are more of
	 * them; and composite types (a list of DbsyncRowType), where attributes have come, gone, or got
	 * other names, also those that tables have in their places.  One that has the same attributes
	 * in another order is refused.  Transactions of its own.  Without "make" it refuses with DBSYNC_FAULT_CHANGE_DUE if the
	 * target has a label under an old name, or has not the attributes, as above; labels that are missing are
	 * waited for, and names of attributes do not matter.
	 */
	bool		(*types_follow) (DbsyncTarget *target, List *enums, List *row_types, bool make);

	/*
	 * Which columns of the spec does the target's table lack?  In a transaction of its own, or
	 * in the batch's.
	 */
	bool		(*table_lacks) (DbsyncTarget *target, const DbsyncTableSpec *spec, bool *lacks);

	/* --- with DBSYNC_FEATURE_COUNT --- */

	/*
	 * How many rows that were to be deleted in mode COUNT were not there, in all batches
	 * committed since it was asked last.  Equal rows are as many as are wanted, whichever of
	 * them go: of rows that are there beside them nothing is known.  Equal is what the target
	 * would show as the same text, once the values have been turned into the types that it has.
	 */
	int64		(*table_missing) (DbsyncTargetTable *table);

	/* --- with DBSYNC_FEATURE_SEQUENCES --- */

	/*
	 * Once in a batch, behind its rows: have these sequences (a list of DbsyncSequenceGoal)
	 * where they are to be when the batch is committed, though they need not go back if
	 * it is not.  One is only ever moved ahead, by whole steps of its own from where it is, within
	 * its own limits, whoever else moves it.  That there is none, or no right, is no fault: commit() fills
	 * in what was found.  The list must last until then.
	 */
	bool		(*sequences_advance) (DbsyncTarget *target, List *sequences);

	/* --- with DBSYNC_FEATURE_CREATE --- */

	/*
	 * The statements (List of char *) by which table_create() makes a table; without a connection.
	 * The changes (List of DbsyncChange) lead to it from nothing: ADD of all columns in their order,
	 * then KEY, if it has one.
	 */
	List	   *(*create_sql) (const DbsyncTableSpec *spec, List *changes);

	/*
	 * Before a table's first copy: make it, unless there is something of its name.  All of it or
	 * nothing, in a transaction of its own.  The driver marks what it has made, at the target and in
	 * that transaction, as made by "maker".  So *made says true also of one that
	 * he made before (another worker did, whose answer was lost) until table_complete(); one that was
	 * made in another way, as the source's has changed since, is made anew if it is empty.  What is missing there (a schema,
	 * a type) is not made: the fault says what, and has the statement.
	 */
	bool		(*table_create) (DbsyncTarget *target, const DbsyncTableSpec *spec, List *changes,
								 const char *maker, bool *made);

	/* The statement by which index_create() makes an index; without a connection. */
	char	   *(*index_sql) (const DbsyncTableSpec *spec, const DbsyncIndex *index);

	/*
	 * Make an index, unless the table has one of its name, in a transaction of its own, however long it takes
	 * the target.  That the target refuses it is no fault, nor that a lock or its resources are
	 * not to be had: *outcome says so, and *words why.
	 */
	bool		(*index_create) (DbsyncTarget *target, const DbsyncTableSpec *spec, const DbsyncIndex *index,
								 DbsyncIndexOutcome *outcome, const char **words);

	/* A table that was made has all that it is to have: take the maker's mark off, if it is there. */
	bool		(*table_complete) (DbsyncTarget *target, const DbsyncTableSpec *spec, const char *maker);

	/* --- with DBSYNC_FEATURE_FOREIGN_KEYS --- */

	/*
	 * Are foreign keys checked when rows come?  And which, from or to these tables: *keys, of
	 * DbsyncForeignKey, in CurrentMemoryContext.  Own short transaction, if the answer takes any.
	 *
	 * Where they are, the worker sends rows so that none is in the way: first what is put, parents
	 * before children, then what is deleted, children before parents.  A row that breaks a key in
	 * the middle of a batch is DBSYNC_FAULT_CLASH, and its table's rows come again in mode TOGETHER.
	 */
	bool		(*foreign_keys) (DbsyncTarget *target, int ntables, const char **schemas,
								 const char **tables, bool *checked, List **keys);

	/*
	 * What has come in mode TOGETHER since it was called last, each table once: write it so that
	 * no key is checked before all of it is there, and each unique value is free before it is taken.
	 * Clashed: rows have been in each other's way when they were sent before.
	 */
	bool		(*rows_together) (DbsyncTarget *target, bool clashed);

	/* --- with DBSYNC_FEATURE_CLEAR --- */

	/*
	 * Behind the rows that have come in mode CLEAR: delete rows of the table that have a unique value of theirs
	 * under another key.  Unique are these sets of columns (a List of integer lists, indexes into the spec's), of which
	 * the table may enforce some: what it enforces beside them is a clash, as ever.
	 *
	 * keys not NULL, with DBSYNC_FEATURE_COMPARE alone: the sets are not looked at, as all are meant that the table enforces by
	 * what the spec's columns say, also by expressions of them; and the key of each row that was deleted, the texts of its values
	 * in an array, is appended to *keys (of char **), in CurrentMemoryContext.
	 */
	bool		(*rows_clear) (DbsyncTarget *target, DbsyncTargetTable *table, List *sets, List **keys);

	/* --- with DBSYNC_FEATURE_COMPARE --- */

	/*
	 * Outside of batches, over a connection that has none: from here to read_end() the table is shown as it is now, whatever
	 * others write.  Refused with DBSYNC_FAULT_LOCKED if that would have to wait for anybody, with DBSYNC_FAULT_TABLE_CHANGED if
	 * it is another one than was opened.  *form lives as long as the table is open.
	 */
	bool		(*read_begin) (DbsyncTarget *target, DbsyncTargetTable *table, DbsyncReadForm *form);

	/* Let the target begin with what is asked for; does not wait for it.  One at a time. */
	bool		(*read_ask) (DbsyncTarget *target, DbsyncTargetTable *table, const DbsyncReadRequest *request);

	/* The next row of it; *more says whether there was one.  All of them are to be read. */
	bool		(*read_next) (DbsyncTarget *target, DbsyncReadRow *row, bool *more);

	bool		(*read_end) (DbsyncTarget *target);

	/*
	 * Between the two, with nothing asked for: the sequence of a column of the table (by its place in the spec), which counts
	 * up, or down.  Required with FEATURE_SEQUENCES as well.
	 */
	bool		(*read_sequence) (DbsyncTarget *target, DbsyncTargetTable *table, int column, bool descending,
								  DbsyncReadSequence *sequence);

	/*
	 * Does anybody wait for a lock on the table that a reader keeps from him?  Over another connection than the one that reads
	 * it and has opened it.
	 */
	bool		(*read_is_in_way) (DbsyncTarget *target, DbsyncTargetTable *table, bool *in_way);

	/* --- with DBSYNC_FEATURE_QUARANTINE --- */

	/*
	 * Read what is parked of a subscription: *rows, of DbsyncParkedRow, in CurrentMemoryContext.  With "make", make room for it
	 * beside the ledger, if there is none yet.  Own transaction.
	 */
	bool		(*quarantine_read) (DbsyncTarget *target, const pg_uuid_t *subscription, bool make, List **rows);

	/*
	 * With DBSYNC_FEATURE_COMPARE, between read_begin() and read_end(), with nothing asked for: keys of an attachment that are
	 * parked, as the reading shows it.  *rows, of DbsyncParkedRow, of which only nkeys and key count, in
	 * CurrentMemoryContext.
	 */
	bool		(*read_parked) (DbsyncTarget *target, const pg_uuid_t *attachment, List **rows);

	/*
	 * In a batch: these keys (a List of DbsyncParkedRow) are parked no more.  Those of tables that truncate() empties, and of
	 * attachments that are forgotten, are not either, without being told.
	 */
	bool		(*quarantine_free) (DbsyncTarget *target, List *rows);

	/*
	 * After begin() of a batch with DBSYNC_BATCH_DOUBTED: what was found too late before (a List of DbsyncFault.late) is
	 * to be checked with each row.  What became of keys is in target->parked when commit() has returned true.
	 */
	bool		(*doubt) (DbsyncTarget *target, List *late);

	/* --- optional --- */

	/*
	 * Replace a subscription's row by this one, of a higher chain, and forget its parts, in one transaction of its own;
	 * refused with LEDGER_MOVED if the row is of this chain or a higher one by now.  NULL: it takes nothing from bundles.
	 */
	bool		(*ledger_restart) (DbsyncTarget *target, const DbsyncLedger *ledger);

	/*
	 * Outside of batches, after a batch and while there is nothing to do: what the driver has to see to by itself.
	 * *pause: ms after which it wants to be called again; left alone where it does not matter.  *wants: what the
	 * worker is to do for it, DBSYNC_UPKEEP_...  NULL: nothing.
	 */
	bool		(*upkeep) (DbsyncTarget *target, long *pause, int *wants);

	/*
	 * Which options there are, without a connection; for superusers are those that lend the identity of
	 * the server's own account, or waive what keeps others from borrowing it.  NULL: it does not say,
	 * and none of them is more than an option of the server.
	 */
	const DbsyncOption *(*options) (void);

	/*
	 * What a URI says, as a list of DefElem, in CurrentMemoryContext; an error of class 22023 if it is none, which
	 * shows nothing of it that could be a password.  NULL: what "address" makes of it, and if that is NULL,
	 * targets have no URIs.
	 */
	List	   *(*parse_uri) (const char *uri);
	const DbsyncAddress *address;

	/* Where tables are unless somebody names another place.  NULL: in schemas that are called as the source's. */
	const char *schema;

	/*
	 * Outside of batches: these tables are not used any more until they are opened again; give
	 * up what is kept for them, on both sides.  NULL: it is kept as long as the connection.
	 */
	bool		(*tables_close) (DbsyncTarget *target, List *tables);

	/*
	 * In which form are values to come, and what is there room for: one for each column, in the order of the spec, as
	 * table_open() has found them.  The worker refuses values that do not fit.  It lives as long as the table is open.  NULL, as is
	 * what it returns then: all as text.  All or none of them are DBSYNC_FORM_BINARY.
	 */
	const DbsyncForm *(*table_forms) (const DbsyncTargetTable *table);

	/*
	 * Shall so many changes of rows be sent as deletes of all their keys and
	 * inserts, in modes DELETE and APPEND, instead of in mode MERGE?  Because the
	 * table takes no upsert, or because it is faster and nobody can tell the
	 * difference.  NULL: no.
	 */
	bool		(*table_wants_replace) (const DbsyncTargetTable *table, int64 rows);

	/*
	 * Where keys are checked: can a value of the table's go from one row to another, and take along rows that reference
	 * it, without any row being in the way?  Then several rows that are put go in mode TOGETHER,
	 * and the driver refuses with DBSYNC_FAULT_CLASH where it does.  NULL: no.
	 */
	bool		(*table_is_followed) (const DbsyncTargetTable *table);

	/*
	 * In a batch, between rows: delete the table's rows of which a condition of the
	 * source's SQL is true, over columns as the spec calls them, by which the table was looked up;
	 * operators and constants are its system's.  Refused where it may be true of other rows than
	 * at the source.  NULL: it cannot.
	 */
	bool		(*delete_where) (DbsyncTarget *target, DbsyncTargetTable *table,
								 const DbsyncTableSpec *spec, const char *condition);

	/*
	 * After rows_begin() in mode APPEND: another connection inserts rows with
	 * greater keys at the same time, so the order of keys, in which the rows come, may
	 * not be the best for the target's indexes.  NULL: it does not matter.
	 */
	void		(*rows_go_between) (DbsyncTarget *target);

	/*
	 * Between rows_begin() and rows_end(): would more rows leave without waiting for
	 * the target?  When in doubt, yes.  NULL: always in doubt.
	 */
	bool		(*rows_have_room) (DbsyncTarget *target);
} DbsyncDriver;

/*
 * Drivers that are modules of their own.  The library of the wrapper's validator has a function of this name and type,
 * which is asked once in each process.  It must not count on dbsync being loaded (a session may call the validator first), so
 * what it is to call of dbsync's it is handed here; and of a driver for another version only "version" is looked at.
 */
#define DBSYNC_DRIVER_FUNCTION	"dbsync_driver"

/* Does a column that the target has already hold what is sent, and in which form?  In a transaction; else *why, in CurrentMemoryContext. */
typedef bool (*DbsyncTypeFits) (DbsyncDialect dialect, const DbsyncColumn *column, const DbsyncColumnThere *there,
								DbsyncForm *form, const char **why);

/* For another version than "version" nothing else of it is to be looked at.  It need not outlive the call. */
typedef struct DbsyncHost
{
	int			version;		/* DBSYNC_DRIVER_VERSION of who asks */
	const char *wrapper;		/* the foreign data wrapper whose driver is wanted; the driver's name is to be the same */
	DbsyncTypeFits type_fits;	/* dbsync_type_fits() of worker/types/fit.h */
} DbsyncHost;

typedef const DbsyncDriver *(*DbsyncDriverFunction) (const DbsyncHost *host);

#define DBSYNC_LACK_WORDS	192

/* what somebody lacks whom the target feeds, for people to see to; as upkeep() has found it last */
typedef struct DbsyncTargetLack
{
	char		words[DBSYNC_LACK_WORDS];	/* a sentence; empty: nothing */
	int64		gone;			/* the bundle that is not there any more, or never was; 0: it is, or is none */
	int64		above;			/* then another chain must be higher than this one; 0: it will be, by itself */
} DbsyncTargetLack;

struct DbsyncTarget
{
	const DbsyncDriver *driver; /* set by the worker when open() has returned */
	MemoryContext context;		/* the rest by the driver */
	DbsyncTargetIdentity identity;
	DbsyncFault fault;
	DbsyncTargetLack lack;
	List	   *parked;			/* of DbsyncParkedRow, in the order in which it happened in this batch; emptied by begin() */
	/* the driver's own fields follow in a struct that begins with this one */
};

#endif							/* DBSYNC_WORKER_DRIVER_DRIVER_H */
