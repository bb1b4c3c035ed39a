/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/answer.c
 *	  PostgreSQL driver: what the remote answers, checked before it is believed.
 *
 * The other end may be broken, or not a server at all.  So nobody but this file
 * looks into a result of libpq (poison sees to that): every answer has
 * a shape that is asked for, in which it is read and copied as a whole, and what
 * does not fit is a fault.  The fields of an error are never NULL, never long, and
 * text in our encoding.
 *
 * A shape is NULL for a command, which gives no rows.  Else it is a string: how
 * many rows ('1': one; '?': none or one; '*': any number), then a letter for each
 * column, in capitals where it may be NULL:
 *
 *		b boolean	i int4	l int8	o oid	d float8	t text
 *
 * POSTGRES_ANY_ROWS are rows that nobody looks at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#define POSTGRES_READS_RESULTS
#include "worker/driver/driver.h"
#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/fault.h"
#include "worker/driver/postgres/internal.h"
#include "worker/driver/postgres/wait.h"

/*
 * The most that rows of one answer may take.  All that is asked for is a few lines
 * of catalogs and ledger.
 */
#define MAX_ANSWER	(64 * 1024 * 1024)

struct PostgresAnswer
{
	const char *shape;
	int			nrows;
	int			maxrows;
	int			ncolumns;
	char	  **values;			/* row by row; NULL is SQL NULL */
	Size		bytes;
	int64		affected;		/* rows, says the command's tag; < 0: says nothing */
};

/* a whole number and nothing else */
static bool
parse_number(const char *text, int64 min, int64 max, int64 *number)
{
	char	   *end;

	/* strtoll would pass over blanks */
	if (!(text[0] == '-' || (text[0] >= '0' && text[0] <= '9')))
		return false;
	errno = 0;
	*number = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && *number >= min && *number <= max;
}

static bool
parse_double(const char *text, double *number)
{
	char	   *end;

	*number = strtod(text, &end);
	return end != text && *end == '\0' && !isnan(*number);
}

static bool
is_well_formed(char letter, const char *value)
{
	int64		number;
	double		real;

	switch (pg_tolower((unsigned char) letter))
	{
		case 'b':
			return strcmp(value, "t") == 0 || strcmp(value, "f") == 0;
		case 'i':
			return parse_number(value, PG_INT32_MIN, PG_INT32_MAX, &number);
		case 'l':
			return parse_number(value, PG_INT64_MIN, PG_INT64_MAX, &number);
		case 'o':
			return parse_number(value, 0, PG_UINT32_MAX, &number);
		case 'd':
			return parse_double(value, &real);
		default:
			return pg_verify_mbstr(GetDatabaseEncoding(), value, strlen(value), true);
	}
}

static bool
may_be_null(char letter)
{
	return letter >= 'A' && letter <= 'Z';
}

/* our own mistake, as answers are checked when they come; never reached by theirs */
static const char *
value_of(const PostgresAnswer *answer, int row, int column, char letter)
{
	const char *value = NULL;

	if (answer != NULL && row >= 0 && row < answer->nrows &&
		column >= 0 && column < answer->ncolumns &&
		pg_tolower((unsigned char) answer->shape[column + 1]) == letter)
		value = answer->values[row * answer->ncolumns + column];
	else
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("a target's answer has no column %d of kind \"%c\" in row %d",
						column, letter, row)));
	return value;
}

static const char *
given_value_of(const PostgresAnswer *answer, int row, int column, char letter)
{
	const char *value = value_of(answer, row, column, letter);

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("a target's answer has no value in column %d of row %d", column, row)));
	return value;
}

int
dbsync_postgres_answer_rows(const PostgresAnswer *answer)
{
	return answer->nrows;
}

const char *
dbsync_postgres_answer_text(const PostgresAnswer *answer, int row, int column)
{
	return value_of(answer, row, column, 't');
}

bool
dbsync_postgres_answer_bool(const PostgresAnswer *answer, int row, int column)
{
	return given_value_of(answer, row, column, 'b')[0] == 't';
}

bool
dbsync_postgres_answer_is_null(const PostgresAnswer *answer, int row, int column)
{
	if (column < 0 || column >= answer->ncolumns)
		elog(ERROR, "an answer has no column %d", column);
	return value_of(answer, row, column,
					pg_tolower((unsigned char) answer->shape[column + 1])) == NULL;
}

int64
dbsync_postgres_answer_int(const PostgresAnswer *answer, int row, int column)
{
	char		letter = column >= 0 && column < answer->ncolumns
		? pg_tolower((unsigned char) answer->shape[column + 1]) : 'i';
	const char *value = given_value_of(answer, row, column, letter);
	int64		number = 0;

	if (!parse_number(value, PG_INT64_MIN, PG_INT64_MAX, &number))
		elog(ERROR, "column %d of an answer is not a number", column);
	return number;
}

double
dbsync_postgres_answer_double(const PostgresAnswer *answer, int row, int column)
{
	double		number = 0;

	(void) parse_double(given_value_of(answer, row, column, 'd'), &number);
	return number;
}

int64
dbsync_postgres_answer_bytes(const PostgresAnswer *answer)
{
	return (int64) answer->bytes;
}

int64
dbsync_postgres_answer_affected(const PostgresAnswer *answer)
{
	return answer->affected;
}

static PostgresAnswer *
new_answer(PostgresTarget *target, const char *shape)
{
	PostgresAnswer *answer;

	if (target->answer_context == NULL)
		target->answer_context = AllocSetContextCreate(target->base.context, "dbsync answer",
													   ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(target->answer_context);
	answer = MemoryContextAllocZero(target->answer_context, sizeof(PostgresAnswer));
	answer->shape = shape;
	answer->ncolumns = shape ? strlen(shape) - 1 : 0;
	answer->affected = -1;
	return answer;
}

static bool
refuse_shape(PostgresTarget *target, const char *detail)
{
	return dbsync_postgres_violated(target, detail);
}

/* Copy a row; what does not have the shape is refused. */
static bool
add_row(PostgresTarget *target, PostgresAnswer *answer, const PGresult *result, int row)
{
	if (answer->nrows == 1 && answer->shape[0] != '*')
		return refuse_shape(target, "More rows came than there can be.");
	answer->bytes += (sizeof(char *) + 1) * answer->ncolumns;
	for (int column = 0; column < answer->ncolumns; column++)
		answer->bytes += PQgetlength(result, row, column);
	if (answer->bytes > MAX_ANSWER)
		return refuse_shape(target, "There is no end of rows.");
	if (answer->nrows == answer->maxrows)
	{
		Size		size;

		answer->maxrows = Max(answer->maxrows * 2, 4);
		size = sizeof(char *) * answer->maxrows * answer->ncolumns;
		answer->values = answer->values ? repalloc_huge(answer->values, size)
			: MemoryContextAlloc(target->answer_context, size);
	}
	for (int column = 0; column < answer->ncolumns; column++)
	{
		char		letter = answer->shape[column + 1];
		char	  **value = &answer->values[answer->nrows * answer->ncolumns + column];

		*value = NULL;
		if (PQgetisnull(result, row, column))
		{
			if (!may_be_null(letter))
				return refuse_shape(target, psprintf("Column %d has no value.", column + 1));
			continue;
		}
		*value = MemoryContextStrdup(target->answer_context, PQgetvalue(result, row, column));
		/* a value with a zero in it is not what it looks like */
		if (strlen(*value) != PQgetlength(result, row, column) || !is_well_formed(letter, *value))
			return refuse_shape(target, psprintf("Column %d has no value of its type.", column + 1));
	}
	answer->nrows++;
	return true;
}

static bool
add_rows(PostgresTarget *target, PostgresAnswer *answer, const PGresult *result)
{
	if (answer->shape == NULL)
		return refuse_shape(target, "Rows came where none can be.");
	if (strcmp(answer->shape, POSTGRES_ANY_ROWS) == 0)
		return true;
	if (PQnfields(result) != answer->ncolumns)
		return refuse_shape(target, psprintf("%d columns came instead of %d.",
											 PQnfields(result), answer->ncolumns));
	for (int column = 0; column < answer->ncolumns; column++)
	{
		if (PQfformat(result, column) != 0)
			return refuse_shape(target, "A column came in binary form.");
	}
	for (int row = 0; row < PQntuples(result); row++)
	{
		if (!add_row(target, answer, result, row))
			return false;
	}
	return true;
}

/* how many rows a command has changed, as its tag says; < 0 where it does not */
static int64
count_of(PGresult *result)
{
	int64		count;

	return parse_number(PQcmdTuples(result), 0, PG_INT64_MAX, &count) ? count : -1;
}

/* An error, or what is neither an error nor an answer; false, for "return refuse(...)" */
static bool
refuse_result(PostgresTarget *target, PGresult *result, const PostgresStep *step)
{
	switch (PQresultStatus(result))
	{
		case PGRES_FATAL_ERROR:
		case PGRES_NONFATAL_ERROR:
		case PGRES_BAD_RESPONSE:
			return dbsync_postgres_refused(target, result, step);
		default:
			/* COPY out of turn would give the same result for ever: no more is read */
			return dbsync_postgres_violated(target, psprintf("It is %s.",
															 PQresStatus(PQresultStatus(result))));
	}
}

/* what ends with this result has the shape; false: not yet, or a fault */
static bool
take_result(PostgresTarget *target, PostgresAnswer *answer, PGresult *result,
			const PostgresStep *step, bool *ended)
{
	*ended = true;
	switch (PQresultStatus(result))
	{
		case PGRES_SINGLE_TUPLE:
			*ended = false;
			return add_rows(target, answer, result);
		case PGRES_TUPLES_OK:
			if (!add_rows(target, answer, result))
				return false;
			if (answer->shape[0] == '1' && answer->nrows == 0)
				return refuse_shape(target, "No row came.");
			return true;
		case PGRES_COMMAND_OK:
			if (answer->shape != NULL)
				return refuse_shape(target, "No rows came.");
			answer->affected = count_of(result);
			return true;
		default:
			return refuse_result(target, result, step);
	}
}

/* Each statement's answer ends with libpq's NULL; something else is one too many. */
static bool
expect_end(PostgresTarget *target)
{
	if (dbsync_postgres_next_result(target) == NULL)
		return !target->broken;
	if (PQstatus(target->conn) == CONNECTION_BAD)
		return dbsync_postgres_refused(target, target->result, NULL);
	return dbsync_postgres_violated(target, "There are more answers than questions.");
}

/*
 * After an error that is only one the connection can go on, if its end is read;
 * the error stays the fault.
 */
static void
pass_error(PostgresTarget *target)
{
	DbsyncFault fault = target->base.fault;

	if (target->broken || PQstatus(target->conn) == CONNECTION_BAD || !expect_end(target))
		target->broken = true;
	target->base.fault = fault;
}

const PostgresAnswer *
dbsync_postgres_read_answer(PostgresTarget *target, const PostgresStep *step, const char *shape)
{
	PostgresAnswer *answer = new_answer(target, shape);
	bool		ended;

	do
	{
		PGresult   *result = dbsync_postgres_next_result(target);

		CHECK_FOR_INTERRUPTS();
		if (result == NULL)
		{
			if (!target->broken)
				dbsync_postgres_violated(target, "There is none.");
			return NULL;
		}
		if (!take_result(target, answer, result, step, &ended))
		{
			if (!target->broken)
				pass_error(target);
			return NULL;
		}
	} while (!ended);
	return expect_end(target) ? answer : NULL;
}

bool
dbsync_postgres_read_sync(PostgresTarget *target)
{
	PGresult   *result = dbsync_postgres_next_result(target);

	if (target->broken)
		return false;
	if (result == NULL)
		return dbsync_postgres_lost(target);
	return PQresultStatus(result) == PGRES_PIPELINE_SYNC ? true
		: refuse_result(target, result, NULL);
}

bool
dbsync_postgres_read_commit(PostgresTarget *target)
{
	PGresult   *result = dbsync_postgres_next_result(target);

	if (target->broken)
		return false;
	if (result == NULL)
		return dbsync_postgres_lost(target);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		return refuse_result(target, result, NULL);
	/* COMMIT of a transaction that has failed says ROLLBACK, and is no error */
	if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
		return dbsync_postgres_refuse(target, ERRCODE_IN_FAILED_SQL_TRANSACTION,
									  "the target has rolled the transaction back", NULL, NULL);
	target->commit_sent = false;
	return expect_end(target);
}

bool
dbsync_postgres_read_copy_in(PostgresTarget *target, const PostgresStep *step,
							 int ncolumns, bool binary)
{
	PGresult   *result = dbsync_postgres_next_result(target);

	if (target->broken)
		return false;
	if (result == NULL)
		return dbsync_postgres_lost(target);
	if (PQresultStatus(result) != PGRES_COPY_IN)
		return refuse_result(target, result, step);
	if (PQnfields(result) != ncolumns || PQbinaryTuples(result) != (binary ? 1 : 0))
		return dbsync_postgres_violated(target, "It wants rows of another form.");
	return true;
}
