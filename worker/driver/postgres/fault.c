/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/fault.c
 *	  PostgreSQL driver: what the remote said, kept for the worker.
 *
 * Nothing is raised here.  The remote's words are kept as they are, because the
 * operator must act on them, but for what is no text in our encoding, and for the
 * end of what is very long; a password is never among them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "worker/driver/driver.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/words.h"

/* how messages begin where the server speaks English; elsewhere all of the subscription waits */
#define ENUM_VALUE		"invalid input value for enum "
#define RECORD_LITERAL	"malformed record literal"

/* of a field that says nothing there is none */
static char *
keep(PostgresTarget *target, const char *string)
{
	return string && string[0] ? dbsync_postgres_clean(target, string) : NULL;
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

static DbsyncFaultKind
kind_of(const PostgresTarget *target, int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
			return DBSYNC_FAULT_LOST;
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_INSUFFICIENT_RESOURCES:
			return DBSYNC_FAULT_UNAVAILABLE;
		default:
			break;
	}
	switch (sqlstate)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_T_R_DEADLOCK_DETECTED:
		case ERRCODE_T_R_SERIALIZATION_FAILURE:
			return DBSYNC_FAULT_LOCKED;
		case ERRCODE_READ_ONLY_SQL_TRANSACTION:
			return DBSYNC_FAULT_UNAVAILABLE;
		case ERRCODE_UNIQUE_VIOLATION:
		case ERRCODE_EXCLUSION_VIOLATION:
			/* a row that fits on a page of the table, and not on one of a stage */
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return DBSYNC_FAULT_CLASH;
		case ERRCODE_FOREIGN_KEY_VIOLATION:
		case ERRCODE_RESTRICT_VIOLATION:
			/* else it is one that is to be checked whatever we are */
			return target->replica_role ? DBSYNC_FAULT_REFUSED : DBSYNC_FAULT_CLASH;
		default:
			return DBSYNC_FAULT_REFUSED;
	}
}

/* A fault that is of another kind than its code says. */
static bool
of_kind(PostgresTarget *target, DbsyncFaultKind kind)
{
	target->base.fault.kind = kind;
	return false;
}

bool
dbsync_postgres_refuse(PostgresTarget *target, int sqlstate, const char *message,
					   const char *detail, const char *hint)
{
	DbsyncFault *fault = &target->base.fault;

	memset(fault, 0, sizeof(DbsyncFault));
	fault->kind = kind_of(target, sqlstate);
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
	return of_kind(target, DBSYNC_FAULT_ROW_MISSING);
}

bool
dbsync_postgres_swallowed(PostgresTarget *target, const DbsyncTargetTable *table)
{
	return dbsync_postgres_refuse(target, ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION,
								  psprintf("target table %s has not taken all rows", table->label),
								  "It has a trigger that returns NULL instead of a row, or somebody else writes to it.",
								  psprintf("On the target, disable triggers that leave rows out"
										   " (ALTER TABLE %s DISABLE TRIGGER ...), or have them return the row.",
										   table->quoted));
}

bool
dbsync_postgres_table_changed(PostgresTarget *target, const DbsyncTargetTable *table)
{
	dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						   psprintf("target table %s was altered meanwhile", table->label), NULL, NULL);
	return of_kind(target, DBSYNC_FAULT_TABLE_CHANGED);
}

bool
dbsync_postgres_change_due(PostgresTarget *target, const char *label, const char *statement)
{
	dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						   psprintf("target table %s lacks a change that was made at the source", label),
						   NULL, psprintf("On the target: %s", statement));
	dbsync_postgres_tell_statement(target, statement);
	return of_kind(target, DBSYNC_FAULT_CHANGE_DUE);
}

bool
dbsync_postgres_type_due(PostgresTarget *target, const char *type, const char *statement)
{
	dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						   psprintf("type %s at the target lacks a change that was made at the source", type),
						   NULL, psprintf("On the target: %s", statement));
	dbsync_postgres_tell_statement(target, statement);
	return of_kind(target, DBSYNC_FAULT_CHANGE_DUE);
}

void
dbsync_postgres_tell_statement(PostgresTarget *target, const char *statement)
{
	target->base.fault.statement = keep(target, statement);
}

void
dbsync_postgres_advise(PostgresTarget *target, const char *hint)
{
	target->base.fault.hint = keep(target, hint);
}

bool
dbsync_postgres_violated(PostgresTarget *target, const char *detail)
{
	target->broken = true;
	dbsync_postgres_refuse(target, ERRCODE_PROTOCOL_VIOLATION,
						   psprintf("target \"%s\" sent an answer that is not what was asked for",
									target->name), detail,
						   "Is a PostgreSQL server behind the target's address, and nothing in between"
						   " that changes what it says?");
	return of_kind(target, DBSYNC_FAULT_LOST);
}

bool
dbsync_postgres_lost(PostgresTarget *target)
{
	char	   *said;

	/* whoever broke it has said why */
	if (target->broken && target->base.fault.sqlstate != 0)
		return false;
	target->broken = true;
	said = keep_trimmed(target, target->conn ? PQerrorMessage(target->conn) : "");
	dbsync_postgres_refuse(target, ERRCODE_CONNECTION_FAILURE,
						   psprintf("connection to target \"%s\" was lost", target->name),
						   said && said[0] ? said : NULL, NULL);
	return false;
}

/* what we were doing goes first, then the remote's own context */
static char *
context_of(PostgresTarget *target, PGresult *result, const PostgresStep *step)
{
	const char *remote = dbsync_postgres_error_field(target, result, PG_DIAG_CONTEXT);

	if (step == NULL || step->table == NULL)
		return keep(target, remote);
	return dbsync_postgres_format(target, "%s%starget table %s", remote, remote[0] ? "\n" : "",
								  step->table->label);
}

/*
 * Is there no partition for a row?  The code is that of any CHECK; but these have a name, and
 * what a partition refuses by its bound is refused elsewhere.
 */
static bool
is_without_partition(PostgresTarget *target, PGresult *result, int sqlstate)
{
	return sqlstate == ERRCODE_CHECK_VIOLATION &&
		dbsync_postgres_error_field(target, result, PG_DIAG_CONSTRAINT_NAME)[0] == '\0' &&
		strcmp(dbsync_postgres_error_field(target, result, PG_DIAG_SOURCE_FUNCTION), "ExecFindPartition") == 0;
}

static const char *
how_to_partition(const char *schema, const char *table)
{
	const char *name = quote_qualified_identifier(schema, table);

	return psprintf("On the target, make a partition for such rows: CREATE TABLE ... PARTITION OF %s FOR VALUES ...;"
					" or one that takes all others: CREATE TABLE ... PARTITION OF %s DEFAULT;", name, name);
}

/*
 * The server's hint, or ours where we know better: what it says of our own statements
 * ("you might need to add explicit type casts") is no cure for whoever reads it.
 */
static const char *
hint_of(PostgresTarget *target, PGresult *result, const PostgresStep *step,
		int sqlstate, const char *message)
{
	const char *context = dbsync_postgres_error_field(target, result, PG_DIAG_CONTEXT);

	/* by code of the target's own: ours names what it needs */
	if (context[0] != '\0' &&
		(sqlstate == ERRCODE_UNDEFINED_FUNCTION || sqlstate == ERRCODE_UNDEFINED_OBJECT ||
		 sqlstate == ERRCODE_UNDEFINED_TABLE))
		return "dbsync applies with an empty search_path. On the target, functions that generated columns,"
			" checks, indexes and triggers call must find what they need by themselves:"
			" ALTER FUNCTION ... SET search_path = ...";
	if (is_without_partition(target, result, sqlstate))
		return how_to_partition(dbsync_postgres_error_field(target, result, PG_DIAG_SCHEMA_NAME),
								dbsync_postgres_error_field(target, result, PG_DIAG_TABLE_NAME));
	if ((sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION || sqlstate == ERRCODE_RESTRICT_VIOLATION) && !target->replica_role)
		return "The target checks its foreign keys. Is each table that they lead to in the same subscription, and do the same keys hold"
			" at the source? Where dbsync's user may set session_replication_role, they are not checked.";
	if ((sqlstate == ERRCODE_UNIQUE_VIOLATION || sqlstate == ERRCODE_EXCLUSION_VIOLATION) && !target->replica_role)
		return "Has the target a row of its own with this value? Or do rows swap it of a table that foreign keys lead to? These are not"
			" deleted and inserted anew while the target checks its keys; where dbsync's user may set session_replication_role, they are.";
	if (step == NULL || step->table == NULL)
		return dbsync_postgres_error_field(target, result, PG_DIAG_MESSAGE_HINT);
	if (sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION &&
		strncmp(message, ENUM_VALUE, strlen(ENUM_VALUE)) == 0)
		return "On the target, add the label: ALTER TYPE ... ADD VALUE '...'; If it was renamed at the source, rename it"
			" instead, or rows that are there keep the old one: ALTER TYPE ... RENAME VALUE '...' TO '...';";
	if (sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION &&
		strncmp(message, RECORD_LITERAL, strlen(RECORD_LITERAL)) == 0)
		return "Let the composite type have the same attributes, in the same order, at both ends.";
	return dbsync_postgres_error_field(target, result, PG_DIAG_MESSAGE_HINT);
}

/* Says of which table the fault is, where a statement is no step of a batch. */
bool
dbsync_postgres_refused_by(PostgresTarget *target, const char *label)
{
	DbsyncFault *fault = &target->base.fault;
	const char *context = fault->context ? fault->context : "";

	fault->context = dbsync_postgres_format(target, "%s%starget table %s", context,
											context[0] ? "\n" : "", label);
	return false;
}

/* What the guard has found: see dbsync_postgres_guard_touched(). */
static bool
refused_by_guard(PostgresTarget *target, const DbsyncTargetTable *table, const char *message)
{
	if (strstr(message, POSTGRES_SETTINGS_MOVED))
		dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
									  psprintf("code at the target has changed settings while rows came for target table %s",
											   table->label),
									  "What came behind it might have been taken for something else: client_encoding,"
									  " array_nulls, lc_monetary and session_replication_role must stay as they are.",
									  "On the target, mend the function that does it: let it have the settings it needs"
									  " by ALTER FUNCTION ... SET, and convert with convert_to() and convert_from().");
	else
		dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
								  psprintf("target table %s has changed since it was looked up", table->label),
								  NULL, "The next attempt looks it up again.");
	return of_kind(target, DBSYNC_FAULT_TABLE_CHANGED);
}

/* Has an enum or a composite type become another one at one of the two ends? */
static bool
is_of_type(int sqlstate, const char *message)
{
	return sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION &&
		(strncmp(message, ENUM_VALUE, strlen(ENUM_VALUE)) == 0 ||
		 strncmp(message, RECORD_LITERAL, strlen(RECORD_LITERAL)) == 0);
}

/*
 * Is it refused for what a row is, so that it would be again?  Not where a type has become another one, which is the
 * matter of all rows, nor what the ledger, or a comparison of ours, has said.
 */
static bool
is_of_row(int sqlstate, const PostgresStep *step)
{
	if (step != NULL && (step->kind == POSTGRES_STEP_FENCE || step->kind == POSTGRES_STEP_GUARD ||
						 step->kind == POSTGRES_STEP_SETTING || step->kind == POSTGRES_STEP_SEQUENCE))
		return false;
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
			return true;
		default:
			return sqlstate == ERRCODE_RAISE_EXCEPTION;
	}
}

/* What a check that came late has named, for dbsync_postgres_doubt(); ".": nothing. */
static const char *
constraint_of(PostgresTarget *target, PGresult *result)
{
	return dbsync_postgres_format(target, "%s.%s", dbsync_postgres_error_field(target, result, PG_DIAG_SCHEMA_NAME),
								  dbsync_postgres_error_field(target, result, PG_DIAG_CONSTRAINT_NAME));
}

bool
dbsync_postgres_refused(PostgresTarget *target, PGresult *result, const PostgresStep *step)
{
	DbsyncFault *fault = &target->base.fault;
	const char *severity = dbsync_postgres_error_field(target, result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = dbsync_postgres_error_field(target, result, PG_DIAG_MESSAGE_PRIMARY);
	int			sqlstate = dbsync_postgres_error_code(result);

	/* without a code of the server's it is libpq that speaks */
	if (sqlstate == 0 && PQstatus(target->conn) == CONNECTION_BAD)
		return dbsync_postgres_lost(target);
	if (sqlstate == 0)
		return dbsync_postgres_violated(target,
										keep_trimmed(target, dbsync_postgres_result_words(target, result)));

	if (step && step->kind == POSTGRES_STEP_FENCE &&
		sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION &&
		strstr(message, POSTGRES_LEDGER_MOVED))
	{
		dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
							   "another worker has moved the ledger of this subscription",
							   NULL, NULL);
		return of_kind(target, DBSYNC_FAULT_LEDGER_MOVED);
	}

	if (step && step->kind == POSTGRES_STEP_FENCE &&
		sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION &&
		strstr(message, POSTGRES_LEDGER_GONE))
		return dbsync_postgres_refuse(target, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
									  "the ledger of this subscription has gone from the target",
									  NULL, NULL);

	if (step && step->kind == POSTGRES_STEP_GUARD &&
		sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION)
		return refused_by_guard(target, step->table, message);

	if (step && step->kind == POSTGRES_STEP_PATCH &&
		sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION &&
		strstr(message, POSTGRES_MISSING_ROW))
		return dbsync_postgres_incomplete(target, step->table);

	if (step && step->kind == POSTGRES_STEP_GONE &&
		sqlstate == ERRCODE_INVALID_TEXT_REPRESENTATION && strstr(message, POSTGRES_STILL_THERE))
		return dbsync_postgres_swallowed(target, step->table);

	memset(fault, 0, sizeof(DbsyncFault));
	fault->kind = kind_of(target, sqlstate);
	fault->sqlstate = sqlstate;
	if (step && step->table && is_without_partition(target, result, sqlstate))
		message = psprintf("target table %s has no partition for a row: %s", step->table->label, message);
	fault->message = keep(target, message[0] ? message : "the target refused without a word");
	fault->detail = keep(target, dbsync_postgres_error_field(target, result, PG_DIAG_MESSAGE_DETAIL));
	fault->hint = keep(target, hint_of(target, result, step, sqlstate, message));
	fault->context = context_of(target, result, step);
	fault->rows_of = step ? step->table : NULL;
	if (is_of_type(sqlstate, message))
		fault->table = fault->rows_of;
	fault->of_row = fault->table == NULL && is_of_row(sqlstate, step);
	if (fault->of_row && target->checks_late)
		fault->late = constraint_of(target, result);

	/*
	 * An ERROR of COMMIT means that it did not happen.  A FATAL may have come
	 * while the server was waiting for a standby, the commit record written.
	 */
	if (strcmp(severity, "ERROR") != 0)
	{
		target->broken = true;
		fault->kind = DBSYNC_FAULT_LOST;
	}
	return false;
}
