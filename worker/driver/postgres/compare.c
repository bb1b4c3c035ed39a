/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/compare.c
 *	  PostgreSQL driver: showing what is in a table, as of one moment, to be compared.
 *
 * One transaction that is REPEATABLE READ and only reads.  The lock comes before its snapshot, which LOCK TABLE does not
 * take: whoever has written the table anew since would not be seen by an older one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/compare.h"
#include "worker/driver/postgres/compare_sql.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/guard.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/step.h"

/* rows of images that are fetched at a time, at most; and bytes of them, about */
#define FETCHED		2000
#define FETCHED_BYTES	(16 * 1024 * 1024)

/* of long ones, to begin with */
#define FEW_FETCHED		16

/* what is hashed on both sides, to see whether they hash alike */
#define PROBE		"dbsync"
#define PROBE_SEED	4711

#define BUCKETS_SHAPE	"*ilt"
#define IMAGES_SHAPE	"*tl"
#define ROWS_SHAPE		"*iT"

/* --- the transaction --- */

/* The target's type can have each value of the source's, and writes the same text.  varchar(n) cuts off blanks that are too many. */
static bool
is_written_alike(Oid source, Oid target, int32 target_typmod)
{
	bool		texts = (source == TEXTOID || source == VARCHAROID) && (target == TEXTOID || target == VARCHAROID) &&
		target_typmod < (int32) VARHDRSZ;
	bool		numbers = (target == INT2OID && source == INT2OID) ||
		(target == INT4OID && (source == INT2OID || source == INT4OID)) ||
		(target == INT8OID && (source == INT2OID || source == INT4OID || source == INT8OID));

	return texts || numbers;
}

/* Types of the target's columns that a source has, too, and by which it can write values as they are here. */
static void
describe_types(PostgresTarget *target, DbsyncTargetTable *table, DbsyncReadForm *form)
{
	Oid		   *types = MemoryContextAllocZero(table->context, sizeof(Oid) * Max(table->ncolumns, 1));
	int32	   *typmods = MemoryContextAllocZero(table->context, sizeof(int32) * Max(table->ncolumns, 1));
	DbsyncReadHow *how = MemoryContextAllocZero(table->context, sizeof(DbsyncReadHow) * Max(table->ncolumns, 1));

	for (int i = 0; i < table->ncolumns; i++)
	{
		const PostgresColumn *column = &table->columns[i];

		typmods[i] = column->typmod;
		how[i] = dbsync_postgres_compares_how(column);
		if (column->base_type < FirstGenbkiObjectId && !is_written_alike(table->spec.columns[i].type, column->base_type, column->typmod) &&
			(column->base_type != table->spec.columns[i].type || column->typmod != table->spec.columns[i].typmod))
			types[i] = column->base_type;
	}
	form->hex = target->reading.hex;
	form->types = types;
	form->typmods = typmods;
	form->how = how;
}

static bool
hashes_alike(PostgresTarget *target, bool *alike)
{
	uint64		ours = DatumGetUInt64(hash_any_extended((const unsigned char *) PROBE, strlen(PROBE), PROBE_SEED));
	const PostgresAnswer *answer =
		dbsync_postgres_query(target, psprintf("SELECT hashtextextended('%s' COLLATE pg_catalog.\"C\", %d)", PROBE, PROBE_SEED),
							  0, NULL, "1l");

	if (answer == NULL)
		return false;
	*alike = (uint64) dbsync_postgres_answer_int(answer, 0, 0) == ours;
	return true;
}

/* Bytes are compared as they are where one end does not know what they mean. */
static bool
look_at_encoding(PostgresTarget *target)
{
	const char *name = PQparameterStatus(target->conn, "server_encoding");
	int			there = name ? pg_char_to_encoding(name) : -1;

	target->reading.hex = there != GetDatabaseEncoding() && there != PG_SQL_ASCII && GetDatabaseEncoding() != PG_SQL_ASCII;
	return true;
}

/* Behind a pooler the session's pins are not ours. */
static bool
pin(PostgresTarget *target)
{
	const char *values[2] = {"off", ""};

	return target->pinned ||
		dbsync_postgres_query(target, target->pins, target->sets_origin ? 2 : 1, values, POSTGRES_ANY_ROWS) != NULL;
}

/*
 * It was looked up before the worker was waited for, and is read by its name: a view of somebody's in its place would run his code
 * as us.
 */
static bool
is_as_looked_up(PostgresTarget *target, const DbsyncTargetTable *table)
{
	const char *values[2] = {table->quoted, table->facts};
	const PostgresAnswer *answer =
		dbsync_postgres_query(target, psprintf("SELECT coalesce((SELECT c.relkind IN ('r', 'p') AND NOT row_security_active(c.oid)"
											   " FROM pg_class c WHERE c.oid = $1::regclass) AND (%s) = $2, false)",
											   dbsync_postgres_look_at_facts_sql()), 2, values, "1b");

	if (answer == NULL)
		return false;
	return dbsync_postgres_answer_bool(answer, 0, 0) || dbsync_postgres_table_changed(target, table);
}

bool
dbsync_postgres_read_begin(DbsyncTarget *base, DbsyncTargetTable *table, DbsyncReadForm *form)
{
	PostgresTarget *target = (PostgresTarget *) base;
	bool		alike;

	memset(&target->reading, 0, sizeof(target->reading));
	if (!look_at_encoding(target) ||
		!dbsync_postgres_execute(target, table, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL) ||
		!dbsync_postgres_execute(target, table, psprintf("LOCK TABLE %s IN ACCESS SHARE MODE NOWAIT", table->only), NULL) ||
		!pin(target) || !is_as_looked_up(target, table) || !hashes_alike(target, &alike))
		return false;
	if (!alike)
		return dbsync_postgres_refuse(target, ERRCODE_FEATURE_NOT_SUPPORTED,
									  psprintf("target \"%s\" hashes values in another way", target->name),
									  "Rows are compared by hashes, which servers of another byte order do not have in common.", NULL);
	describe_types(target, table, form);
	return true;
}

bool
dbsync_postgres_read_end(DbsyncTarget *base)
{
	PostgresTarget *target = (PostgresTarget *) base;

	target->batch_rows = 0;
	return dbsync_postgres_execute(target, NULL, "ROLLBACK", NULL);
}

/* --- what is asked for --- */

static const char *
shape_of(DbsyncReadWhat what)
{
	switch (what)
	{
		case DBSYNC_READ_BUCKETS:
			return BUCKETS_SHAPE;
		case DBSYNC_READ_IMAGES:
			return IMAGES_SHAPE;
		default:
			return ROWS_SHAPE;
	}
}

/* Keys are short.  Of rows without one nobody knows: the source's say how long the target's may be, mostly, and those that have come. */
static int
most_fetched(const DbsyncTargetTable *table, int64 longest)
{
	if (table->nkeys > 0)
		return FETCHED;
	return (int) Min(Max(FETCHED_BYTES / Max(longest, 1), 1), FETCHED);
}

static int
first_fetched(const PostgresReading *reading)
{
	int			most = most_fetched(reading->table, reading->longest);

	return reading->table->nkeys > 0 ? most : Min(most, FEW_FETCHED);
}

static void
fetch_more(PostgresReading *reading)
{
	int64		bytes = dbsync_postgres_answer_bytes(reading->answer) / reading->fetched;

	reading->fetched = Min(most_fetched(reading->table, Max(bytes, reading->longest)), reading->fetched * 2);
}

static bool
fetch(PostgresTarget *target)
{
	return dbsync_postgres_send(target, psprintf("FETCH %d FROM dbsync_images", target->reading.fetched), 0, NULL, IMAGES_SHAPE);
}

static bool
ask_rows(PostgresTarget *target, const DbsyncTargetTable *table, const DbsyncReadRequest *request)
{
	const char **values = palloc(sizeof(char *) * table->nkeys);

	for (int k = 0; k < table->nkeys; k++)
		values[k] = dbsync_postgres_key_values(request, k);
	return dbsync_postgres_send(target, dbsync_postgres_compared_rows_sql(table, request->longest), table->nkeys, values, ROWS_SHAPE);
}

bool
dbsync_postgres_read_ask(DbsyncTarget *base, DbsyncTargetTable *table, const DbsyncReadRequest *request)
{
	PostgresTarget *target = (PostgresTarget *) base;
	PostgresReading *reading = &target->reading;

	/* it reads all of the table before it says anything */
	target->batch_rows = (int64) Max(table->tuples, 0);
	reading->table = table;
	reading->what = request->what;
	reading->answer = NULL;
	reading->row = 0;
	reading->longest = (int64) request->longest * (reading->hex ? 2 : 1);
	reading->fetched = first_fetched(reading);
	switch (request->what)
	{
		case DBSYNC_READ_BUCKETS:
			return dbsync_postgres_send(target, dbsync_postgres_buckets_sql(target, table, request), 0, NULL, BUCKETS_SHAPE);
		case DBSYNC_READ_IMAGES:
			return dbsync_postgres_execute(target, table, "CLOSE ALL", NULL) &&
				dbsync_postgres_execute(target, table, dbsync_postgres_images_sql(target, table, request), NULL) && fetch(target);
		case DBSYNC_READ_ROWS:
			return ask_rows(target, table, request);
	}
	pg_unreachable();
}

/* A sum of any size, modulo 2^64. */
static uint64
read_sum(const char *text)
{
	bool		negative = *text == '-';
	uint64		sum = 0;

	for (const char *p = negative ? text + 1 : text; *p >= '0' && *p <= '9'; p++)
		sum = sum * 10 + (*p - '0');
	return negative ? -sum : sum;
}

static void
take_row(const PostgresReading *reading, DbsyncReadRow *row)
{
	const PostgresAnswer *answer = reading->answer;
	int			at = reading->row;

	memset(row, 0, sizeof(*row));
	if (reading->what == DBSYNC_READ_IMAGES)
	{
		row->image = dbsync_postgres_answer_text(answer, at, 0);
		row->hash = (uint64) dbsync_postgres_answer_int(answer, at, 1);
		row->count = reading->table->nkeys > 0 ? 1 : (int64) row->hash;
		return;
	}
	row->number = (int) dbsync_postgres_answer_int(answer, at, 0);
	if (reading->what == DBSYNC_READ_ROWS)
		row->image = dbsync_postgres_answer_is_null(answer, at, 1) ? NULL : dbsync_postgres_answer_text(answer, at, 1);
	else
	{
		row->count = dbsync_postgres_answer_int(answer, at, 1);
		row->hash = read_sum(dbsync_postgres_answer_text(answer, at, 2));
	}
}

bool
dbsync_postgres_read_next(DbsyncTarget *base, DbsyncReadRow *row, bool *more)
{
	PostgresTarget *target = (PostgresTarget *) base;
	PostgresReading *reading = &target->reading;

	/* of images a full answer may not be the last one */
	if (reading->answer != NULL && reading->what == DBSYNC_READ_IMAGES && reading->row == reading->fetched)
	{
		fetch_more(reading);
		reading->answer = NULL;
		reading->row = 0;
		if (!fetch(target))
			return false;
	}
	if (reading->answer == NULL)
	{
		reading->answer = dbsync_postgres_receive(target, reading->table, shape_of(reading->what));
		if (reading->answer == NULL)
			return dbsync_postgres_refused_by(target, reading->table->label);
	}
	*more = reading->row < dbsync_postgres_answer_rows(reading->answer);
	if (*more)
	{
		take_row(reading, row);
		reading->row++;
	}
	return true;
}

bool
dbsync_postgres_read_is_in_way(DbsyncTarget *base, DbsyncTargetTable *table, bool *in_way)
{
	PostgresTarget *target = (PostgresTarget *) base;
	const char *values[1] = {psprintf("%u", table->relid)};
	const PostgresAnswer *answer =
		dbsync_postgres_query(target, "SELECT EXISTS (SELECT FROM pg_locks l WHERE NOT l.granted AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation'"
							  " AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
							  " AND l.relation IN (SELECT $1::oid UNION SELECT t.relid FROM pg_partition_tree($1::oid::regclass) t))",
							  1, values, "1b");

	if (answer == NULL)
		return false;
	*in_way = dbsync_postgres_answer_bool(answer, 0, 0);
	return true;
}
