/*-------------------------------------------------------------------------
 *
 * worker/query.c
 *	  The worker's own small SQL on the source, through SPI.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "extension/settings.h"
#include "worker/query.h"

#define MAX_ARGS 12

/* what is left behind by a transaction and needed until the round is over */
static MemoryContext round_context = NULL;

static uint64
execute(const char *sql, int nargs, const char *const *args, bool read_only)
{
	Oid			types[MAX_ARGS];
	Datum		values[MAX_ARGS] = {0};
	char		nulls[MAX_ARGS] = {0};
	int			rc;

	if (nargs > MAX_ARGS)
		elog(ERROR, "too many parameters");
	for (int i = 0; i < nargs; i++)
	{
		types[i] = TEXTOID;
		values[i] = args[i] ? CStringGetTextDatum(args[i]) : (Datum) 0;
		nulls[i] = args[i] ? ' ' : 'n';
	}
	rc = SPI_execute_with_args(sql, nargs, types, values, nulls, read_only, 0);
	if (rc < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(rc));
	return SPI_processed;
}

uint64
dbsync_query(const char *sql, int nargs, const char *const *args)
{
	return execute(sql, nargs, args, false);
}

/* SPI takes the snapshot that is active only if it is told that nothing is written */
uint64
dbsync_query_latest(const char *sql, int nargs, const char *const *args)
{
	uint64		n;

	PushActiveSnapshot(GetLatestSnapshot());
	n = execute(sql, nargs, args, true);
	PopActiveSnapshot();
	return n;
}

void
dbsync_query_run(const char *sql, int nargs, const char *const *args)
{
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	dbsync_query(sql, nargs, args);
	PopActiveSnapshot();
	SPI_finish();
}

char *
dbsync_query_text(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static Datum
field(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

int64
dbsync_query_int(uint64 row, int column)
{
	char	   *text = dbsync_query_text(row, column);

	return text ? strtoi64(text, NULL, 10) : 0;
}

int
dbsync_query_int4(uint64 row, int column)
{
	bool		isnull;
	Datum		value = field(row, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

Oid
dbsync_query_oid(uint64 row, int column)
{
	bool		isnull;
	Datum		value = field(row, column, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

bool
dbsync_query_bool(uint64 row, int column)
{
	bool		isnull;
	Datum		value = field(row, column, &isnull);

	return !isnull && DatumGetBool(value);
}

void
dbsync_query_begin(bool repeatable, const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();

	/* whatever the database's or the role's default says */
	XactIsoLevel = repeatable ? XACT_REPEATABLE_READ : XACT_READ_COMMITTED;
	XactReadOnly = false;
	pgstat_report_activity(STATE_RUNNING, activity);
}

void
dbsync_query_commit(void)
{
	CommitTransactionCommand();
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (round_context == NULL)
		round_context = AllocSetContextCreate(TopMemoryContext, "dbsync round",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(round_context);
}

void
dbsync_query_reset(void)
{
	if (round_context != NULL)
		MemoryContextReset(round_context);
}

bool
dbsync_query_attempt(void (*function) (void *arg), void *arg)
{
	MemoryContext old = CurrentMemoryContext;
	ErrorContextCallback *context = error_context_stack;
	volatile bool done = false;

	PG_TRY();
	{
		function(arg);
		done = true;
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		FlushErrorState();
		AbortCurrentTransaction();
		error_context_stack = context;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return done;
}

int64
dbsync_query_pause(int64 first, int failures)
{
	int64		pause = first;

	for (int i = 1; i < failures && pause < dbsync_retry_max; i++)
		pause *= 2;
	return Min(pause, dbsync_retry_max);
}

long
dbsync_query_random_pause(int64 first, int failures)
{
	double		pause = dbsync_query_pause(first, failures);

	return (long) (pause / 2 + pg_prng_double(&pg_global_prng_state) * pause / 2);
}

void
dbsync_query_speak_utf8(void)
{
	MemoryContext old = CurrentMemoryContext;

	dbsync_query_begin(false, "setting the encoding");
	SetConfigOption("client_encoding", "UTF8", PGC_SUSET, PGC_S_OVERRIDE);
	dbsync_query_commit();
	MemoryContextSwitchTo(old);
}
