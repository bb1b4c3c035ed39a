/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/internal.h
 *	  What the files of the PostgreSQL driver share.  Private to the driver,
 *	  but for the driver itself.
 *
 * The life of a connection: dbsync_postgres_connect() makes it, and
 * waiting, statements that go out, and answers that come back have a file each.
 * Statements of a batch are queued in libpq's pipeline mode and read back when
 * somebody needs an answer ("settle"): a small batch settles once, in commit().
 * COPY is not possible in pipeline mode, so a table with many rows settles
 * first, and goes on statement by statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_DRIVER_POSTGRES_INTERNAL_H
#define DBSYNC_WORKER_DRIVER_POSTGRES_INTERNAL_H

#include "access/htup_details.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "libpq-fe.h"
#include "storage/latch.h"
#include "worker/driver/driver.h"


/* from PostgreSQL's epoch to that of others, in microseconds */
#define DBSYNC_POSTGRES_UNIX_EPOCH \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)
/*
 * What a remote sends is looked at where answers and words are read, and nowhere else: there
 * it is checked first.  So the compiler refuses these names in all other files.
 */
#ifndef POSTGRES_READS_RESULTS
#pragma GCC poison PQgetvalue PQgetisnull PQgetlength PQntuples PQnfields PQfformat PQftype PQfname
#pragma GCC poison PQresultStatus PQresStatus PQresultErrorMessage PQresultErrorField
#pragma GCC poison PQcmdStatus PQcmdTuples PQbinaryTuples PQexec PQexecParams
#endif

/* oldest target; older ones lack catalog columns that table_open reads */
#define DBSYNC_POSTGRES_OLDEST	120000

/* GRANT SET ON PARAMETER: before, only superusers may set what dbsync needs at most */
#define DBSYNC_POSTGRES_GRANTS_SET	150000

/* statements prepared once per connection */
typedef enum PostgresFixed
{
	POSTGRES_BEGIN,
	POSTGRES_BLOCK,
	POSTGRES_PINS,
	POSTGRES_FENCE,
	POSTGRES_WHOLE_FENCE,
	POSTGRES_BUNDLE_FENCE,
	POSTGRES_CONFIRM,
	POSTGRES_POSITION,
	POSTGRES_PART,
	POSTGRES_FORGET_PART,
	POSTGRES_SAME_FACTS,
	POSTGRES_SAME_BARE_TABLE,
	POSTGRES_SAME_TABLE,
	POSTGRES_COMMIT,
	/* what tables are looked up by; see dbsync_postgres_query_fixed() */
	POSTGRES_LOOK_AT_TABLE,
	POSTGRES_LOOK_AT_FACTS,
	POSTGRES_LOOK_AT_COLUMNS,
	POSTGRES_LOOK_AT_KEY,
	POSTGRES_LOOK_AT_CHANGED,
	POSTGRES_LOOK_AT_LED_TO,
	POSTGRES_SEQUENCE,
	POSTGRES_NFIXED
} PostgresFixed;

/* tgenabled and ev_enabled of what fires in a session like this one, beside 'A' */
#define POSTGRES_FIRES \
	"CASE current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END"

/*
 * Code that would change what we write: rules r of pg_rewrite, and triggers g of pg_trigger
 * that fire before each row (3).
 */
#define POSTGRES_IS_RULE	"r.ev_type <> '1' AND r.ev_enabled IN ('A', " POSTGRES_FIRES ")"
#define POSTGRES_IS_TRIGGER	"g.tgtype & 3 = 3 AND g.tgenabled IN ('A', " POSTGRES_FIRES ")"

/*
 * Does a foreign key reference a table c?  By what depends on it: pg_constraint has no index for
 * that, and one row at least for each table that there is.
 */
#define POSTGRES_IS_REFERENCED \
	"EXISTS (SELECT FROM pg_depend d JOIN pg_constraint k ON k.oid = d.objid" \
	"  WHERE d.refclassid = CAST('pg_class' AS regclass) AND d.refobjid = c.oid" \
	"  AND d.classid = CAST('pg_constraint' AS regclass) AND k.contype = 'f' AND k.confrelid = c.oid)"

/* what errors of our own statements say, by which they are known again */
#define POSTGRES_SETTINGS_MOVED	"dbsync: settings have changed"
#define POSTGRES_LEDGER_MOVED	"dbsync: the ledger has moved"
#define POSTGRES_LEDGER_GONE	"dbsync: the ledger has gone"
#define POSTGRES_MISSING_ROW	"dbsync: a row to update is missing"
#define POSTGRES_STILL_THERE	"dbsync: a row to delete is still there"

/* statements prepared once per table */
typedef enum PostgresTableStatement
{
	POSTGRES_TABLE_DELETE,
	POSTGRES_TABLE_GONE,		/* raises if the row is still there */
	POSTGRES_TABLE_INSERT,
	POSTGRES_TABLE_UPSERT,
	POSTGRES_TABLE_NSTATEMENTS
} PostgresTableStatement;

/* a statement under way whose result has not been read */
typedef enum PostgresStepKind
{
	POSTGRES_STEP_PLAIN,		/* a command */
	POSTGRES_STEP_SETTING,		/* rows that nobody looks at */
	POSTGRES_STEP_ROW,			/* it must have written one row */
	POSTGRES_STEP_FENCE,		/* its cast fails when the ledger has moved */
	POSTGRES_STEP_GUARD,		/* its cast fails when the table has changed */
	POSTGRES_STEP_PATCH,		/* its cast fails when the row is not there */
	POSTGRES_STEP_GONE,			/* its cast fails when the row is still there */
	POSTGRES_STEP_MERGE,		/* how many rows it has found is wanted */
	POSTGRES_STEP_COUNT,		/* it is to write so many rows */
	POSTGRES_STEP_SEQUENCE,		/* what it has found is wanted */
	POSTGRES_STEP_COMMIT
} PostgresStepKind;

typedef struct PostgresStep
{
	PostgresStepKind kind;
	const DbsyncTargetTable *table; /* for messages; may be NULL */
	int64		wanted;			/* COUNT: rows that are to be there */
	int64	   *missing;		/* COUNT: where those are added that it lacks; NULL: none may */
} PostgresStep;

typedef struct PostgresColumn
{
	const char *name;			/* as it is called */
	const char *quoted;
	const char *stage_type;		/* base type with modifier and collation */
	const char *cast_type;		/* the same without collation */
	Oid			type;
	Oid			base_type;
	bool		identity_always;
	bool		is_key;
	bool		is_assigned;	/* by updates and upserts */
	bool		can_be_unchanged;	/* the source may have its values out of line */
	const char *type_name;		/* of the base type, without its schema; */
	char		type_kind;		/* its typtype */
	int32		typmod;
	Oid			element;		/* InvalidOid: no array */
	const char *element_name;
	char		element_kind;
	bool		casts_to_text;	/* by another way than its output function's */
	bool		holds_char;		/* the source's type has a "char" somewhere inside */
	/* of key columns; of a table without a key, of all that can be compared */
	const char *equals;			/* OPERATOR(schema.=) of the key's index, or of an index, or of the type */
	bool		same_if_equal;	/* equal values are the same bytes */
} PostgresColumn;

/* temporary tables from which rows are merged, once per table and session */
typedef enum PostgresStageKind
{
	POSTGRES_STAGE_ROWS,
	POSTGRES_STAGE_PATCH,		/* of rows, some of which lack columns */
	POSTGRES_STAGE_KEYS,
	POSTGRES_STAGE_COUNT,		/* of rows of a table without a key, and how many of each */
	POSTGRES_NSTAGES
} PostgresStageKind;

typedef struct PostgresStage
{
	bool		made;
	int64		filled;			/* batch in which it was last filled */
} PostgresStage;

/* as many sets of untouched columns have prepared statements; others go without */
#define POSTGRES_MAX_MASKS	32

/*
 * Columns beside the key that foreign keys lead to which do more than to check: their values can go from one
 * row to another, and what references them with them.
 */
typedef struct PostgresLedTo
{
	const char *same;			/* condition: a row p of the table and a row n of its stage have one value */
	bool		on_update;		/* one of the keys acts as it changes, and raises no error */
	const char *form;			/* condition: p's value has another form than n's; NULL: it makes no difference */
	bool		in_part;		/* one leads to a partition of the table alone */
} PostgresLedTo;

struct DbsyncTargetTable
{
	MemoryContext context;		/* of everything below; reset by a new look */
	DbsyncTableSpec spec;		/* our own copy */
	const char *label;			/* schema.table for messages, quoted as needed */
	const char *quoted;			/* schema.table for SQL */
	const char *only;			/* the same, without inheritance children */
	Oid			relid;
	int			number;			/* makes names of statements and stage unique */
	int			ncolumns;
	PostgresColumn *columns;
	int			nkeys;
	const int  *keys;
	bool		upsertable;		/* ON CONFLICT (key) can be used ... */
	bool		assignable;		/* ... and has something to SET */
	bool		bare;			/* has neither triggers nor rules */
	bool		partitioned;	/* or a partition */
	bool		swallows;		/* triggers may leave out what is deleted */
	bool		overriding;		/* has a GENERATED ALWAYS identity column */
	bool		binary;			/* values come in binary form */
	const int  *binary_formats; /* as many ones as there are columns, */
	const DbsyncForm *forms;	/* and forms that say so */
	bool		narrow;			/* dbsync_postgres_check_narrow() is to look at each row */
	bool		independent;	/* inserts of different keys never wait for one another */
	bool		replaceable;	/* delete and insert, in place of update, is as good */
	bool		referenced;		/* by foreign keys that are checked */
	bool		has_own;		/* columns that the source does not send */
	List	   *led_to;			/* PostgresLedTo: what they lead to beside the key */
	double		tuples;			/* rows, as far as the target's statistics know */
	const char *facts;			/* what it was when it was looked up */
	int64		guarded;		/* batch in which that was compared */
	int64		touched;		/* batch that writes to it */
	int64		parked;			/* keys of it that are parked ... */
	bool		parked_known;	/* ... if they have been counted */
	int64		emptied;		/* batch in which many of its rows were deleted */
	bool		prepared[POSTGRES_TABLE_NSTATEMENTS];
	int			nmasks;			/* for which an UPDATE is prepared */
	const bool *masks[POSTGRES_MAX_MASKS];
	/* of a table without a key */
	bool		indexed;		/* some of its rows are found without looking at all of them */
	bool		hashed;			/* hash_record() takes all of its columns */
	int			npatterns;		/* of nulls, for which a DELETE is prepared */
	const bool *patterns[POSTGRES_MAX_MASKS];
	int64		missing;		/* rows to delete that were not there, not told yet */
	const char *op_column;		/* of the stage of rows */
	PostgresStage stages[POSTGRES_NSTAGES];
};

/* a table whose rows are in its stage, until all are written */
typedef struct PostgresTogether
{
	DbsyncTargetTable *table;
	int64		upserts;
	int64		deletes;
	bool		replaced;		/* each row is deleted and inserted */
	const char *carried;		/* carry.h: a table of rows whose key changes; NULL: none does */
	int			levels;			/* levels.h: rows are updated in so many parts more */
} PostgresTogether;

/* a row that waits for rows_end on the small road; values follow it */
typedef struct PostgresWaitingRow
{
	struct PostgresWaitingRow *next;
	DbsyncRow	row;
} PostgresWaitingRow;

/* COPY data is handed to libpq in pieces of about this size */
#define POSTGRES_FRAME_SIZE	(64 * 1024)

/* keys, all integers from first to last */
typedef struct PostgresRun
{
	int64		first;
	int64		last;
} PostgresRun;

/* between rows_begin and rows_end */
typedef struct PostgresRows
{
	DbsyncTargetTable *table;	/* NULL: not between them */
	DbsyncRowsMode mode;
	bool		careful;		/* they are completed in the stage: careful.h; the mode is PATCH then, */
	bool		waits;			/* or was TOGETHER */
	int			ncolumns;		/* that each row has: in mode DELETE its keys */
	bool		large;			/* expected to be: takes the large road at once */
	bool		ranging;		/* large road, mode DELETE: keys are kept as runs */
	int			nruns;
	int			maxruns;
	PostgresRun *runs;			/* room for them, kept for the next */
	bool		copying;		/* large road: a COPY is open */
	int64		inserts;
	int64		updates;
	int64		deletes;
	int64		added;			/* mode COUNT: rows that these are to insert, */
	int64		removed;		/* and to delete */
	int64		patches;		/* updates that lack columns */
	/* small road */
	MemoryContext context;
	PostgresWaitingRow *first;
	PostgresWaitingRow **last;
	Size		bytes;
	/* large road */
	StringInfoData frame;		/* COPY data not yet handed to libpq */
	int64		frames;			/* handed over so far */
	bool		between;		/* others with greater keys are being inserted */
	int64		turn;			/* rows counted for it */
	StringInfoData held;		/* of them, those to be sent later */
} PostgresRows;

/* an UPDATE from a stage that is under way; rows it does not find are inserted */
typedef struct PostgresMerge
{
	DbsyncTargetTable *table;	/* NULL: none */
	PostgresStageKind stage;
	int64		upserts;
	int64		patches;		/* of these lack columns and cannot be inserted */
	int64		found;			/* when its result has been read */
} PostgresMerge;

/* between read_begin and read_end: compare.c */
typedef struct PostgresReading
{
	bool		hex;			/* images are hexadecimal */
	DbsyncTargetTable *table;
	DbsyncReadWhat what;
	const struct PostgresAnswer *answer;	/* NULL: it has not been read yet */
	int			row;			/* the next of it */
	int64		longest;		/* image of a row of the source's */
	int			fetched;		/* rows that were asked for last */
} PostgresReading;

typedef struct PostgresTarget
{
	DbsyncTarget base;			/* first: the worker knows us by it */
	const char *name;			/* of the target, for messages */
	const char *options;		/* settings to be made when we are in; may be NULL */
	MemoryContextCallback cleanup;	/* gives conn, result, wait set back */
	PGconn	   *conn;
	bool		external_fd;	/* counted with AcquireExternalFD */
	bool		broken;			/* nothing more may be asked over this connection */
	bool		before_triggers;	/* tables whose triggers may swallow rows are taken */
	bool		direct;			/* no pooler is between us and the server */
	uint64		system_identifier;	/* 0: not known */
	Oid			database_oid;
	bool		in_recovery;
	bool		replica_role;	/* it may set session_replication_role */
	bool		sets_origin;	/* has the right to set dbsync.origin, and does */
	PGresult   *result;			/* the one last read; freed by the next */
	MemoryContext answer_context;	/* of the answer last read; NULL: none yet */
	WaitEventSet *wait_set;
	uint32		wait_events;	/* what the socket is watched for */

	/* waits that last; the worker is told of them */
	void		(*waits) (TimestampTz since);	/* may be NULL */
	const int  *timeout;		/* ms of silence that are too many; NULL, 0: none */
	TimestampTz waits_since;	/* 0: an answer is not awaited, or has not been for long */
	bool		waits_told;
	int64		batch_rows;		/* sent in this batch: the server may need time for them */
	bool		patient;		/* what it was asked for last may take any time */

	/* statements under way */
	bool		pipelined;
	bool		synced;			/* the pipeline's end has been sent */
	PostgresStep *steps;
	int			nsteps;
	int			maxsteps;
	bool		commit_sent;	/* if the connection is lost now, who knows */
	bool		implicit;		/* there was no BEGIN: the next Sync would commit */

	const char *fixed_sql[POSTGRES_NFIXED];
	bool		prepared[POSTGRES_NFIXED];
	const char *pins;			/* SQL of POSTGRES_PINS */
	bool		pinned;			/* the session keeps what does not change, */
	char	   *pinned_commit;	/* and these parameters of POSTGRES_PINS too; */
	char	   *pinned_origin;	/* NULL: not sent yet */
	bool		ledger_has_chain;	/* it has columns for positions that come in bundles */
	char	   *ledger_name;	/* that the ledger has; NULL: not written yet */

	List	   *tables;			/* of DbsyncTargetTable */
	int			ntables;		/* numbers given out */

	int64		batches;		/* begun on this connection */
	bool		careful;		/* this one was begun with DBSYNC_BATCH_CAREFUL */
	List	   *touched;		/* tables (DbsyncTargetTable) that the batch writes to */
	int64		joined_by_index;	/* batch whose transaction allows no other joins */
	PostgresRows rows;
	PostgresMerge merge;
	PostgresReading reading;
	List	   *together;		/* of PostgresTogether: staged, and waiting for one another */
	bool		defers;			/* there are foreign keys that can be checked at the end */
	int			nasides;		/* numbers given out to temporary tables of aside.c */
	List	   *sequences;		/* the worker's: to be set as the batch is committed */
	int			nsequences;		/* of which so many have been answered */

	pg_uuid_t	subscription;	/* of the batch */
	bool		has_quarantine; /* there is a table for rows that were refused */
	struct PostgresDoubt *doubt;	/* rows that may be; see doubt.c; NULL: there were none yet */
	bool		doubted;		/* in this batch there were */
	bool		checks_late;	/* what was to be checked at the end of the batch is being checked */
	MemoryContext told_context; /* of base.parked; reset for each batch */
} PostgresTarget;

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_INTERNAL_H */
