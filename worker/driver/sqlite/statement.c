/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/statement.c
 *	  SQLite driver: statements, and waiting for whoever has the file locked.
 *
 * SQLite asks a handler whether it is to go on trying for a lock, and keeps what it has of it meanwhile: new readers wait
 * behind it.  The handler waits on the latch for a second in all; then the statement is left, so that interrupts are seen to
 * and the worker's status is written, and begun once more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "worker/driver/sqlite/internal.h"

#define LOCK_WAIT_MAX_MS	30000

/* 10, 20 ... 100 ms, so often that they are a second */
#define STEP_MIN_MS			10
#define STEP_MAX_MS			100
#define HANDLER_TIMES		14
#define HANDLER_MS			1000

/* steps of SQLite's virtual machine between two looks at what has come in */
#define PROGRESS_STEPS		1000

static bool
is_interrupted(void)
{
	return InterruptPending && (QueryCancelPending || ProcDiePending);
}

static int
on_progress(void *arg)
{
	return is_interrupted() || !PostmasterIsAlive();
}

/* Called again and again for one lock; 0: give up. */
static int
on_busy(void *arg, int times)
{
	int			pause = Min(STEP_MIN_MS * (times + 1), STEP_MAX_MS);
	int			events;

	if (is_interrupted() || times >= HANDLER_TIMES)
		return 0;
	events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_POSTMASTER_DEATH, pause, PG_WAIT_EXTENSION);
	if ((events & WL_LATCH_SET) != 0)
		ResetLatch(MyLatch);
	return (events & WL_POSTMASTER_DEATH) == 0;
}

void
dbsync_sqlite_install_handlers(SqliteTarget *target)
{
	(void) sqlite3_busy_handler(target->db, on_busy, target);
	sqlite3_progress_handler(target->db, PROGRESS_STEPS, on_progress, target);
}

/* Behind a call that may have been left because of us. */
static void
see_to_interrupts(void)
{
	if (!PostmasterIsAlive())
		proc_exit(1);
	CHECK_FOR_INTERRUPTS();
}

/* It is locked since then.  False: that is too long. */
static bool
wait_on(SqliteTarget *target, TimestampTz since)
{
	int			limit = LOCK_WAIT_MAX_MS;

	see_to_interrupts();
	if (target->timeout != NULL && *target->timeout > 0)
		limit = Min(limit, *target->timeout);
	if (TimestampDifferenceExceeds(since, GetCurrentTimestamp(), limit))
		return false;
	if (target->waits != NULL)
	{
		target->waits_told = true;
		target->waits(since);
	}
	return true;
}

void
dbsync_sqlite_heard(SqliteTarget *target)
{
	if (target->waits_told)
		target->waits(0);
	target->waits_told = false;
}

sqlite3_stmt *
dbsync_sqlite_prepare(SqliteTarget *target, const char *sql, bool lasting, const char *doing)
{
	TimestampTz since = GetCurrentTimestamp();
	sqlite3_stmt *statement = NULL;

	/* the schema may have to be read first, for which the file may be locked */
	for (;;)
	{
		int			code = sqlite3_prepare_v3(target->db, sql, -1, lasting ? SQLITE_PREPARE_PERSISTENT : 0, &statement, NULL);

		if (code == SQLITE_OK)
			break;
		if ((code & 0xff) != SQLITE_BUSY || !wait_on(target, since))
		{
			(void) dbsync_sqlite_fault(target, doing);
			see_to_interrupts();
			return NULL;
		}
	}
	dbsync_sqlite_heard(target);
	return statement;
}

int
dbsync_sqlite_step(SqliteTarget *target, sqlite3_stmt *statement, const char *doing)
{
	TimestampTz since = 0;
	int			code = sqlite3_step(statement);

	while ((code & 0xff) == SQLITE_BUSY)
	{
		if (since == 0)
			since = GetCurrentTimestamp() - HANDLER_MS * INT64CONST(1000);
		if (!wait_on(target, since))
			break;
		(void) sqlite3_reset(statement);
		code = sqlite3_step(statement);
	}
	if (since != 0)
		dbsync_sqlite_heard(target);
	if (code == SQLITE_ROW || code == SQLITE_DONE)
		return code;
	(void) dbsync_sqlite_fault(target, doing);
	(void) sqlite3_reset(statement);
	see_to_interrupts();
	return code;
}

bool
dbsync_sqlite_run(SqliteTarget *target, const char *sql, const char *doing)
{
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, sql, false, doing);
	int			code;

	if (statement == NULL)
		return false;
	do
		code = dbsync_sqlite_step(target, statement, doing);
	while (code == SQLITE_ROW);
	(void) sqlite3_finalize(statement);
	return code == SQLITE_DONE;
}

bool
dbsync_sqlite_number(SqliteTarget *target, const char *sql, int64 *number, const char *doing)
{
	sqlite3_stmt *statement = dbsync_sqlite_prepare(target, sql, false, doing);
	int			code;

	if (statement == NULL)
		return false;
	code = dbsync_sqlite_step(target, statement, doing);
	*number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	(void) sqlite3_finalize(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE;
}

void
dbsync_sqlite_bind_text(sqlite3_stmt *statement, int number, const char *text)
{
	if (text == NULL)
		(void) sqlite3_bind_null(statement, number);
	else
		(void) sqlite3_bind_text(statement, number, dbsync_sqlite_to_utf8(text, strlen(text)), -1, SQLITE_TRANSIENT);
}

char *
dbsync_sqlite_text(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *) sqlite3_column_text(statement, column);

	return text ? pstrdup(dbsync_sqlite_from_utf8(text, strlen(text))) : NULL;
}

char *
dbsync_sqlite_quote(const char *name)
{
	char	   *quoted = palloc(strlen(name) * 2 + 3);
	char	   *to = quoted;

	*to++ = '"';
	for (; *name; name++)
	{
		if (*name == '"')
			*to++ = '"';
		*to++ = *name;
	}
	*to++ = '"';
	*to = '\0';
	return quoted;
}
