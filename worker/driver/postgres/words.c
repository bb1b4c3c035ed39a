/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/words.c
 *	  PostgreSQL driver: what the remote says in words: valid text of the source's encoding, and short.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq-fe.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

/* one of the two files that may */
#define POSTGRES_READS_RESULTS
#include "worker/driver/postgres/words.h"

/* of each field of an error; messages with a whole value in them can be longer */
#define MAX_FIELD	(8 * 1024)

/* a field of an error, or NULL */
static const char *
raw_field(const PGresult *result, int code)
{
	return PQresultErrorField(result, code);
}

static char *
clean_in(MemoryContext context, const char *text)
{
	int			encoding = GetDatabaseEncoding();
	int			length;
	char	   *clean;
	char	   *out;

	if (text == NULL)
		return NULL;
	length = strnlen(text, MAX_FIELD + 1);
	clean = out = MemoryContextAlloc(context, Min(length, MAX_FIELD) + 4);
	for (const char *in = text; in < text + Min(length, MAX_FIELD);)
	{
		/* a character that ends beyond the limit is cut off too */
		int			room = Min(length, MAX_FIELD) - (in - text);
		int			size = pg_encoding_mblen_bounded(encoding, in);

		if (size <= room && pg_verify_mbstr(encoding, in, size, true))
		{
			memcpy(out, in, size);
			out += size;
			in += size;
			continue;
		}
		if (size > room && length > MAX_FIELD)
			break;
		*out++ = '?';
		in++;
	}
	if (length > MAX_FIELD)
	{
		memcpy(out, "...", 3);
		out += 3;
	}
	*out = '\0';
	return clean;
}

char *
dbsync_postgres_clean(PostgresTarget *target, const char *text)
{
	return clean_in(target->base.context, text);
}

const char *
dbsync_postgres_error_field(PostgresTarget *target, const PGresult *result, int code)
{
	const char *field = raw_field(result, code);

	return field ? clean_in(CurrentMemoryContext, field) : "";
}

/* 0: the remote has given none, or nothing that could be one */
int
dbsync_postgres_error_code(const PGresult *result)
{
	const char *code = raw_field(result, PG_DIAG_SQLSTATE);

	if (code == NULL || strlen(code) != 5)
		return 0;
	for (int i = 0; i < 5; i++)
	{
		if (!((code[i] >= '0' && code[i] <= '9') || (code[i] >= 'A' && code[i] <= 'Z')))
			return 0;
	}
	return MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
}

const char *
dbsync_postgres_result_words(PostgresTarget *target, const PGresult *result)
{
	const char *message = PQresultErrorMessage(result);

	if (message != NULL && message[0] != '\0')
		return dbsync_postgres_clean(target, message);
	return PQresStatus(PQresultStatus(result));
}
