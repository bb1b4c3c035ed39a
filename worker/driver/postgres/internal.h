/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/internal.h
 *	  What the files of the PostgreSQL driver share.  Private to the driver,
 *	  but for the driver itself, which registry.c lists.
 *
 * The life of a connection: postgres_connect.c makes it, postgres_wait.c does
 * all waiting on it, postgres_step.c sends statements, postgres_answer.c reads
 * what comes back.
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
 * What a remote sends is looked at in postgres_answer.c and nowhere else, where it
 * is checked first: so the compiler refuses these names in all other files.
 */
#ifndef POSTGRES_READS_RESULTS
#pragma GCC poison PQgetvalue PQgetisnull PQgetlength PQntuples PQnfields PQfformat PQftype PQfname
#pragma GCC poison PQresultStatus PQresStatus PQresultErrorMessage PQresultErrorField
#pragma GCC poison PQcmdStatus PQcmdTuples PQbinaryTuples PQexec PQexecParams
#endif

/* oldest target; older ones lack catalog columns that table_open reads */
#define DBSYNC_POSTGRES_OLDEST	120000

/* statements prepared once per connection */
typedef enum PostgresFixed
{
	POSTGRES_BEGIN,
	POSTGRES_BLOCK,
	POSTGRES_PINS,
	POSTGRES_FENCE,
	POSTGRES_WHOLE_FENCE,
	POSTGRES_POSITION,
	POSTGRES_PART,
	POSTGRES_FORGET_PART,
	POSTGRES_SAME_BARE_TABLE,
	POSTGRES_SAME_TABLE,
	POSTGRES_COMMIT,
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
	POSTGRES_STEP_COMMIT
} PostgresStepKind;

typedef struct PostgresStep
{
	PostgresStepKind kind;
	const DbsyncTargetTable *table; /* for messages; may be NULL */
} PostgresStep;

typedef struct PostgresColumn
{
	const char *name;			/* as it is called */
	const char *quoted;
	const char *stage_type;		/* base type with modifier and collation */
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
	/* of key columns */
	const char *equals;			/* OPERATOR(schema.=) of the key's index */
	bool		same_if_equal;	/* equal values are the same bytes */
} PostgresColumn;

/* temporary tables from which rows are merged, once per table and session */
typedef enum PostgresStageKind
{
	POSTGRES_STAGE_ROWS,
	POSTGRES_STAGE_PATCH,		/* of rows, some of which lack columns */
	POSTGRES_STAGE_KEYS,
	POSTGRES_NSTAGES
} PostgresStageKind;

typedef struct PostgresStage
{
	bool		made;
	int64		filled;			/* batch in which it was last filled */
} PostgresStage;

/* as many sets of untouched columns have prepared statements; others go without */
#define POSTGRES_MAX_MASKS	32

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
	bool		swallows;		/* triggers may leave out what is deleted */
	bool		overriding;		/* has a GENERATED ALWAYS identity column */
	bool		binary;			/* values come in binary form */
	const int  *binary_formats; /* as many ones as there are columns */
	bool		independent;	/* inserts of different keys never wait for one another */
	bool		replaceable;	/* delete and insert, in place of update, is as good */
	double		tuples;			/* rows, as far as the target's statistics know */
	const char *facts;			/* what it was when it was looked up */
	int64		guarded;		/* batch in which that was compared */
	int64		touched;		/* batch that writes to it */
	int64		emptied;		/* batch in which many of its rows were deleted */
	bool		prepared[POSTGRES_TABLE_NSTATEMENTS];
	int			nmasks;			/* for which an UPDATE is prepared */
	const bool *masks[POSTGRES_MAX_MASKS];
	const char *op_column;		/* of the stage of rows */
	PostgresStage stages[POSTGRES_NSTAGES];
};

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

	/* statements under way */
	bool		pipelined;
	PostgresStep *steps;
	int			nsteps;
	int			maxsteps;
	bool		commit_sent;	/* if the connection is lost now, who knows */
	bool		implicit;		/* there was no BEGIN: the next Sync would commit */

	bool		prepared[POSTGRES_NFIXED];
	const char *pins;			/* SQL of POSTGRES_PINS */
	bool		pinned;			/* the session keeps what does not change, */
	char	   *pinned_commit;	/* and these parameters of POSTGRES_PINS too; */
	char	   *pinned_origin;	/* NULL: not sent yet */
	char	   *ledger_name;	/* that the ledger has; NULL: not written yet */

	List	   *tables;			/* of DbsyncTargetTable */
	int			ntables;		/* numbers given out */

	int64		batches;		/* begun on this connection */
	List	   *touched;		/* tables (DbsyncTargetTable) that the batch writes to */
	int64		joined_by_index;	/* batch whose transaction allows no other joins */
	PostgresRows rows;
	PostgresMerge merge;
} PostgresTarget;

/* in postgres.c */

extern const DbsyncDriver dbsync_postgres_driver;

/* in postgres_fault.c; all return false (NULL), for "return refuse(...)" */

/* Set the fault in our own words; the strings are copied. */
extern bool dbsync_postgres_refuse(PostgresTarget *target, int sqlstate,
								   const char *message, const char *detail,
								   const char *hint);

/* Set the fault from a result that is an error. */
extern bool dbsync_postgres_refused_by(PostgresTarget *target, const char *label);
extern bool dbsync_postgres_refused(PostgresTarget *target, PGresult *result,
									const PostgresStep *step);

/* Set the fault from the connection's own state. */
extern bool dbsync_postgres_lost(PostgresTarget *target);

/*
 * Set the fault: what came is not an answer to what was asked.  The connection is
 * not used any more, as nobody knows what comes next.
 */
extern bool dbsync_postgres_violated(PostgresTarget *target, const char *detail);

/* Set the fault's hint, after one of the above. */
extern void dbsync_postgres_advise(PostgresTarget *target, const char *hint);

/* The table has not taken a row, and has not said why. */
extern bool dbsync_postgres_swallowed(PostgresTarget *target, const DbsyncTargetTable *table);

/* A row that lacks columns is not in the table: it is to be sent whole. */
extern bool dbsync_postgres_incomplete(PostgresTarget *target, const DbsyncTargetTable *table);

/* printf into the target's context. */
extern char *dbsync_postgres_format(PostgresTarget *target, const char *format,...) pg_attribute_printf(2, 3);

/* in postgres_connect.c */

/*
 * Make target->conn from the options and check that a password was used if one
 * is required.  False: fault set.
 */
extern bool dbsync_postgres_connect(PostgresTarget *target,
									const DbsyncTargetConfig *config);

/* in postgres_options.c */

/*
 * Set what "options" says, where it was not sent along with the password.  False:
 * fault set.
 */
extern bool dbsync_postgres_set_options(PostgresTarget *target);

/* in postgres_wait.c */

/* Watch the connected socket from now on. */
extern void dbsync_postgres_watch(PostgresTarget *target);

/*
 * The clock of a wait that lasts: tell the worker after a second, and refuse to go
 * on when the remote has said nothing for too long, since "quiet_since".
 */
extern bool dbsync_postgres_look_at_clock(PostgresTarget *target, TimestampTz quiet_since);

/* The wait is over: something came. */
extern void dbsync_postgres_heard(PostgresTarget *target);

/*
 * Bytes that the kernel holds for us are added to *arrived; false: fault set, they
 * are more than "most".
 */
extern bool dbsync_postgres_count_arrived(PostgresTarget *target, Size *arrived, Size most);

/* Let the kernel hold little of what the remote sends. */
extern void dbsync_postgres_receive_little(int socket);

/* Has the remote something to say?  Does not wait. */
extern bool dbsync_postgres_readable(PostgresTarget *target);

/* Hand everything to the kernel, reading what comes meanwhile. */
extern bool dbsync_postgres_flush(PostgresTarget *target);

/*
 * The next result, NULL where libpq says NULL, or with target->broken and the fault
 * set.  It is freed by the next call or with the target.  For postgres_answer.c.
 */
extern PGresult *dbsync_postgres_next_result(PostgresTarget *target);

/* in postgres_answer.c; see there what a shape is */

typedef struct PostgresAnswer PostgresAnswer;

/* rows that nobody looks at */
#define POSTGRES_ANY_ROWS	"*"

/*
 * Read the answer to one statement, the NULL behind it included.  NULL: fault set,
 * and if target->broken is not, it was an error and the connection is idle.  The
 * answer lives until the next one is read.
 */
extern const PostgresAnswer *dbsync_postgres_read_answer(PostgresTarget *target,
														 const PostgresStep *step,
														 const char *shape);

/* Read the end of a pipeline, or the answer to COMMIT, which must be one. */
extern bool dbsync_postgres_read_sync(PostgresTarget *target);
extern bool dbsync_postgres_read_commit(PostgresTarget *target);

/* Read the answer to COPY ... FROM STDIN: it must want rows of so many columns. */
extern bool dbsync_postgres_read_copy_in(PostgresTarget *target, const PostgresStep *step,
										 int ncolumns, bool binary);

/*
 * Values, by row and column, as their letter in the shape says: text may be NULL,
 * whole numbers of any kind are read by _int.
 */
extern int	dbsync_postgres_answer_rows(const PostgresAnswer *answer);
extern bool dbsync_postgres_answer_is_null(const PostgresAnswer *answer, int row, int column);
extern const char *dbsync_postgres_answer_text(const PostgresAnswer *answer, int row, int column);
extern bool dbsync_postgres_answer_bool(const PostgresAnswer *answer, int row, int column);
extern int64 dbsync_postgres_answer_int(const PostgresAnswer *answer, int row, int column);
extern double dbsync_postgres_answer_double(const PostgresAnswer *answer, int row, int column);

/* Rows that a command has changed; < 0: its tag does not say. */
extern int64 dbsync_postgres_answer_affected(const PostgresAnswer *answer);

/* Of an error: a field, "" if it is missing; its SQLSTATE, 0 if it has none; libpq's words. */
extern const char *dbsync_postgres_error_field(PostgresTarget *target, const PGresult *result,
											   int code);
extern int	dbsync_postgres_error_code(const PGresult *result);
extern const char *dbsync_postgres_result_words(PostgresTarget *target, const PGresult *result);

/* A copy that is valid in our encoding, and not long; NULL of NULL. */
extern char *dbsync_postgres_clean(PostgresTarget *target, const char *text);

/* in postgres_step.c */

/* Queue one of the fixed statements. */
extern bool dbsync_postgres_queue_fixed(PostgresTarget *target, PostgresFixed fixed,
										int nparams, const char *const *values);

/* Queue a statement of a table, preparing it if that has not been done. */
extern bool dbsync_postgres_queue_table(PostgresTarget *target, DbsyncTargetTable *table,
										PostgresTableStatement statement, const DbsyncRow *row);

/*
 * Queue an update of a row that lacks columns.  sql: prepare it first as number
 * "mask"; NULL: that has been done.  mask < 0: not prepared.
 */
extern bool dbsync_postgres_queue_patch(PostgresTarget *target, DbsyncTargetTable *table,
										int mask, const char *sql, const DbsyncRow *row);

/*
 * Queue a statement of a table and let the server begin with it: it works while
 * the source reads on.
 */
extern bool dbsync_postgres_queue_sql(PostgresTarget *target, const DbsyncTargetTable *table,
									  PostgresStepKind kind, const char *sql);

/*
 * Send what is queued and read all results; leaves pipeline mode, and the
 * transaction open.
 */
extern bool dbsync_postgres_settle(PostgresTarget *target);

/*
 * Settle, then run one statement that gives rows of this shape (NULL: none).  NULL:
 * fault set.  The answer lives until the next one.
 */
extern const PostgresAnswer *dbsync_postgres_query(PostgresTarget *target, const char *sql,
												   int nparams, const char *const *values,
												   const char *shape);

/* The same for commands, of a table or none; *affected may be NULL. */
extern bool dbsync_postgres_execute(PostgresTarget *target, const DbsyncTargetTable *table,
									const char *sql, int64 *affected);

/* Keep a copy in place of the old one, which may be NULL. */
extern void dbsync_postgres_remember(PostgresTarget *target, char **place, const char *value);

/*
 * Begin a pinned transaction, queued.  synchronous_commit: "on" or "off";
 * origin may be NULL.
 */
extern bool dbsync_postgres_begin(PostgresTarget *target, const char *synchronous_commit,
								  const char *origin);

/*
 * The same for a transaction that is likely to be one pipeline: where the session
 * is pinned it does without BEGIN and COMMIT.
 */
extern bool dbsync_postgres_begin_short(PostgresTarget *target, const char *synchronous_commit,
										const char *origin);

/* Commit, settle, and check that it was one. */
extern bool dbsync_postgres_commit(PostgresTarget *target);

/* in postgres_ledger.c */

/* what the server says when the fence holds; part of a message of its own */
#define POSTGRES_LEDGER_MOVED	"dbsync: the ledger has moved"

/* text[] literal; an element may be NULL */
extern char *dbsync_postgres_array_text(int n, const char *const *elements);

extern const char *dbsync_postgres_fence_sql(void);
extern const char *dbsync_postgres_whole_fence_sql(void);
extern const char *dbsync_postgres_position_sql(void);
extern const char *dbsync_postgres_part_sql(void);

/* Queue fence and position: the first statement of a batch after its pins. */
extern bool dbsync_postgres_queue_fence(PostgresTarget *target, const DbsyncLedger *ledger);

extern bool dbsync_postgres_ledger_read(DbsyncTarget *base, const pg_uuid_t *subscription,
										DbsyncLedger *ledger, bool *found);
extern bool dbsync_postgres_ledger_read_parts(DbsyncTarget *base,
											  const pg_uuid_t *subscription, List **parts);
extern bool dbsync_postgres_ledger_create(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool dbsync_postgres_ledger_forget(DbsyncTarget *base, const pg_uuid_t *subscription);
extern bool dbsync_postgres_ledger_move(DbsyncTarget *base, const DbsyncLedger *ledger);
extern bool dbsync_postgres_ledger_write_parts(DbsyncTarget *base, const pg_uuid_t *subscription,
											   List *parts);
extern bool dbsync_postgres_ledger_forget_parts(DbsyncTarget *base, List *attachments);
extern bool dbsync_postgres_confirm(DbsyncTarget *base, const pg_uuid_t *subscription);

/* in postgres_install.c */

/* Make the ledger if it is missing, within the current transaction. */
extern bool dbsync_postgres_ledger_install(PostgresTarget *target);

/* in postgres_table.c */

extern DbsyncTargetTable *dbsync_postgres_table_open(DbsyncTarget *base,
													 const DbsyncTableSpec *spec);
extern bool dbsync_postgres_table_has_rows(DbsyncTarget *base, DbsyncTargetTable *table,
										   bool *has_rows);
extern bool dbsync_postgres_truncate(DbsyncTarget *base, DbsyncTargetTable **tables,
									 int ntables);

extern DbsyncEncoding dbsync_postgres_table_encoding(const DbsyncTargetTable *table);
extern bool dbsync_postgres_table_takes_several(const DbsyncTargetTable *table);
extern bool dbsync_postgres_table_wants_replace(const DbsyncTargetTable *table, int64 rows);

/* in postgres_look.c */

/* Fill in a table from the target's catalogs and check it against its spec. */
extern bool dbsync_postgres_look(PostgresTarget *target, DbsyncTargetTable *table);

/* in postgres_equality.c */

/*
 * Could the target take different keys of the source for one, in this column?  NULL:
 * no; else what its type, or collation, is.  The last three are those of its index.
 */
extern const char *dbsync_postgres_coarser(const DbsyncTargetTable *table, int column,
										   bool deterministic, const char *collation,
										   bool usual_operators);

/* in postgres_sql.c; results are palloc'd */

/* A statement for one row; parameters are the columns (delete: the keys). */
extern char *dbsync_postgres_row_sql(const DbsyncTargetTable *table,
									 PostgresTableStatement statement);

/* Quoted name of a stage, and the command that makes it. */
extern char *dbsync_postgres_stage_name(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_stage_create_sql(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_stage_analyze_sql(const DbsyncTargetTable *table, PostgresStageKind kind);

/* COPY into the table, or into the stage that the mode wants. */
extern char *dbsync_postgres_copy_sql(const DbsyncTargetTable *table, DbsyncRowsMode mode);

/* From stage to table; the insert leaves out rows whose keys are there already. */
extern char *dbsync_postgres_merge_delete_sql(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_merge_update_sql(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_merge_gone_sql(const DbsyncTargetTable *table, PostgresStageKind kind);
extern char *dbsync_postgres_merge_insert_sql(const DbsyncTargetTable *table, PostgresStageKind kind);

/*
 * A statement that raises if there is a row of "FROM ... WHERE ...", for tables that
 * may not have let go of what was deleted.
 */
#define POSTGRES_STILL_THERE	"dbsync: a row to delete is still there"
extern char *dbsync_postgres_gone_sql(const char *from);

/* in postgres_patch.c: rows that lack columns */

/* most bytes of dbsync_postgres_patch_op(): a letter, and one for each column */
#define POSTGRES_OP_SIZE	(1 + MaxTupleAttributeNumber)

/* what the server says when such a row is not there; part of a message of its own */
#define POSTGRES_MISSING_ROW	"dbsync: a row to update is missing"

extern bool dbsync_postgres_table_takes_unchanged(const DbsyncTargetTable *table);

/* Queue the update of one row. */
extern bool dbsync_postgres_patch_row(PostgresTarget *target, const DbsyncRow *row);

/* The stage's word for an operation and its columns, as in "U" or "P001"; returns its length. */
extern int	dbsync_postgres_patch_op(const DbsyncTargetTable *table, const DbsyncRow *row, char *op);

/* Assignments of a merge from the stage, where a column may stay as it is. */
extern void dbsync_postgres_patch_assignments(StringInfo buf, const DbsyncTargetTable *table,
											  const char *target, const char *stage);

/* in postgres_rows.c */

extern bool dbsync_postgres_rows_begin(DbsyncTarget *base, DbsyncTargetTable *table,
									   DbsyncRowsMode mode, int64 expected_rows);
extern bool dbsync_postgres_rows_put(DbsyncTarget *base, const DbsyncRow *row);
extern bool dbsync_postgres_rows_end(DbsyncTarget *base);
extern bool dbsync_postgres_rows_have_room(DbsyncTarget *base);

/* More rows than this for one table take the large road. */
extern bool dbsync_postgres_is_large(int64 rows);

/* in postgres_binary.c */

/* Is the binary form of this built-in type the same in all majors we speak to? */
extern bool dbsync_postgres_is_binary_type(const PostgresTarget *target, Oid type);

/* in postgres_guard.c */

/* Find out and keep what the guard compares; the table must have been found. */
extern bool dbsync_postgres_look_at_facts(PostgresTarget *target, DbsyncTargetTable *table);

/* Queue the guard, once a batch: before rows go straight into the table. */
extern bool dbsync_postgres_guard(PostgresTarget *target, DbsyncTargetTable *table);

/* The batch writes to the table: to be called before it does. */
extern void dbsync_postgres_touch(PostgresTarget *target, DbsyncTargetTable *table);

/*
 * Queue, as the last statements before the commit, what fails if a table that was touched
 * is another one by now, or has code that changes what we write.
 */
extern bool dbsync_postgres_guard_touched(PostgresTarget *target);
extern char *dbsync_postgres_same_bare_table_sql(const PostgresTarget *target);
extern char *dbsync_postgres_same_table_sql(const PostgresTarget *target);

/* what their error says when it is not the table that has changed */
#define POSTGRES_SETTINGS_MOVED	"dbsync: settings have changed"

/* in postgres_ranges.c: many keys to delete, as ranges */

/* Can the table's keys be taken as ranges? */
extern bool dbsync_postgres_ranges_apply(const DbsyncTargetTable *table);

extern bool dbsync_postgres_ranges_put(PostgresTarget *target, const DbsyncRow *row);
extern bool dbsync_postgres_ranges_end(PostgresTarget *target);

/* in postgres_copy.c: the large road of a table's rows */

extern bool dbsync_postgres_copy_begin(PostgresTarget *target);
extern bool dbsync_postgres_copy_row(PostgresTarget *target, const DbsyncRow *row);
extern bool dbsync_postgres_copy_end(PostgresTarget *target);

/* Hand the frame over; it is empty afterwards. */
extern bool dbsync_postgres_send_frame(PostgresTarget *target);

/* in postgres_merge.c */

/* Merge what has been copied to the stage, according to the rows' mode: queued. */
extern bool dbsync_postgres_merge_begin(PostgresTarget *target, PostgresStageKind stage);

/* Wait for a merge that is under way, and insert the rows that it has not found. */
extern bool dbsync_postgres_merge_finish(PostgresTarget *target);

/* in postgres_between.c */

extern void dbsync_postgres_rows_go_between(DbsyncTarget *base);

/* A row has been added to the frame, behind "from"; shall it wait? */
extern bool dbsync_postgres_between_row(PostgresTarget *target, int from);

/* Let go those that wait. */
extern bool dbsync_postgres_between_end(PostgresTarget *target);

#endif							/* DBSYNC_WORKER_DRIVER_POSTGRES_INTERNAL_H */
