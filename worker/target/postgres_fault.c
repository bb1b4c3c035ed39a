/*-------------------------------------------------------------------------
 *
 * worker/target/postgres_fault.c
 *	  PostgreSQL driver: what the remote said, kept for the worker.
 *
 * Nothing is raised here.  The remote's words are kept whole, because the
 * operator must act on them; a password is never among them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/target/postgres_driver.h"

static char *
keep(PostgresTarget *target, const char *string)
{
	return string ? MemoryContextStrdup(target->base.context, string) : NULL;
}

/* libpq ends its own messages with a newline */
static char *
keep_trimmed(PostgresTarget *target, const char *string)
{
	char	   *copy = keep(target, string);
	size_t		length = copy ? strlen(copy) : 0;

	while (length > 0 && (copy[length - 1] == '\n' || copy[length - 1] == ' '))
		copy[--length] = '\0';
	return copy;
}

char *
dbsync_postgres_format(PostgresTarget *target, const char *format,...)
{
	MemoryContext old = MemoryContextSwitchTo(target->base.context);
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&buf, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	MemoryContextSwitchTo(old);
	return buf.data;
}

bool
dbsync_postgres_refuse(PostgresTarget *target, int sqlstate, const char *message,
					   const char *detail, const char *hint)
{
	DbsyncFault *fault = &target->base.fault;

	memset(fault, 0, sizeof(DbsyncFault));
	fault->sqlstate = sqlstate;
	fault->message = keep(target, message);
	fault->detail = keep(target, detail);
	fault->hint = keep(target, hint);
	return false;
}

bool
dbsync_postgres_incomplete(PostgresTarget *target, const DbsyncTargetTable *table)
{
	dbsync_postgres_refuse(target, ERRCODE_NO_DATA_FOUND,
						   psprintf("a row to update is missing in target table %s", table->label),
						   NULL, NULL);
	target->base.fault.incomplete = true;
	return false;
}

void
dbsync_postgres_advise(PostgresTarget *target, const char *hint)
{
	target->base.fault.hint = keep(target, hint);
}

bool
dbsync_postgres_lost(PostgresTarget *target)
{
	char	   *said = keep_trimmed(target, target->conn ? PQerrorMessage(target->conn) : "");

	dbsync_postgres_refuse(target, ERRCODE_CONNECTION_FAILURE,
						   psprintf("connection to target \"%s\" was lost", target->name),
						   said && said[0] ? said : NULL, NULL);
	target->base.fault.connection_lost = target->commit_sent;
	return false;
}

static int
sqlstate_of(PGresult *result)
{
	const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (code == NULL || strlen(code) != 5)
		return 0;
	return MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
}

/* what we were doing goes first, then the remote's own context */
static char *
context_of(PostgresTarget *target, PGresult *result, const PostgresStep *step)
{
	const char *remote = PQresultErrorField(result, PG_DIAG_CONTEXT);

	if (step == NULL || step->table == NULL)
		return keep(target, remote);
	return dbsync_postgres_format(target, "%s%starget table %s",
								  remote ? remote : "", remote ? "\n" : "",
								  step->table->label);
}

bool
dbsync_postgres_refused(PostgresTarget *target, PGresult *result, const PostgresStep *step)
{
	DbsyncFault *fault = &target->base.fault;
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	int			sqlstate = sqlstate_of(result);

	/* without a code of the server's it is libpq that speaks */
	if (sqlstate == 0 && PQstatus(target->conn) == CONNECTION_BAD)
		return dbsync_postgres_lost(target);
	if (sqlstate == 0)
		return dbsync_postgres_refuse(target, ERRCODE_PROTOCOL_VIOLATION,
									  psprintf("unexpected answer of target \"%s\": %s",
											   target->name, PQresStatus(PQresultStatus(result))),
									  keep_trimmed(target, PQresultErrorMessage(result)), NULL);

	if (step && step->kind == POSTGRES_STEP_FENCE &&
		sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION &&
		strstr(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), POSTGRES_LEDGER_MOVED))
		return dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
									  "another worker has moved the ledger of this subscription",
									  NULL, NULL);

	if (step && step->kind == POSTGRES_STEP_GUARD &&
		sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION)
		return dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
									  psprintf("target table %s has changed since it was looked up",
											   step->table->label),
									  NULL, "The next attempt looks it up again.");

	if (step && step->kind == POSTGRES_STEP_PATCH &&
		sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION &&
		strstr(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), POSTGRES_MISSING_ROW))
		return dbsync_postgres_incomplete(target, step->table);

	memset(fault, 0, sizeof(DbsyncFault));
	fault->sqlstate = sqlstate;
	fault->message = keep(target, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	fault->detail = keep(target, PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
	fault->hint = keep(target, PQresultErrorField(result, PG_DIAG_MESSAGE_HINT));
	fault->context = context_of(target, result, step);

	/*
	 * An ERROR of COMMIT means that it did not happen.  A FATAL may have come
	 * while the server was waiting for a standby, the commit record written.
	 */
	if (severity == NULL || strcmp(severity, "ERROR") != 0)
		fault->connection_lost = target->commit_sent;
	return false;
}
