/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/ledger_values.c
 *	  PostgreSQL driver: values of the ledger as text, and back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/pg_lsn.h"

#include "worker/driver/postgres/answer.h"
#include "worker/driver/postgres/ledger_values.h"

char *
dbsync_postgres_uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

void
dbsync_postgres_uuid_parse(const char *text, pg_uuid_t *uuid)
{
	*uuid = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
}

char *
dbsync_postgres_lsn_text(XLogRecPtr lsn)
{
	return psprintf("%X/%X", LSN_FORMAT_ARGS(lsn));
}

static XLogRecPtr
lsn_parse(const char *text)
{
	return DatumGetLSN(DirectFunctionCall1(pg_lsn_in, CStringGetDatum(text)));
}

char *
dbsync_postgres_array_text(int n, const char *const *elements)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(&buf, i > 0 ? "," : "");
		if (elements[i] == NULL)
		{
			appendStringInfoString(&buf, "NULL");
			continue;
		}
		appendStringInfoChar(&buf, '"');
		for (const char *p = elements[i]; *p; p++)
		{
			if (*p == '"' || *p == '\\')
				appendStringInfoChar(&buf, '\\');
			appendStringInfoChar(&buf, *p);
		}
		appendStringInfoChar(&buf, '"');
	}
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

void
dbsync_postgres_array_parse(const char *literal, int *n, char ***elements)
{
	Datum		array = OidInputFunctionCall(F_ARRAY_IN, pstrdup(literal), TEXTOID, -1);
	Datum	   *datums;
	bool	   *nulls;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &datums, &nulls, n);
	*elements = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		(*elements)[i] = nulls[i] ? NULL : TextDatumGetCString(datums[i]);
}

const char *
dbsync_postgres_null_column(const PostgresAnswer *answer, int row, const char *const *columns, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (columns[i] != NULL && dbsync_postgres_answer_is_null(answer, row, i))
			return columns[i];
	}
	return NULL;
}

char *
dbsync_postgres_field(const PostgresAnswer *answer, int row, int column)
{
	const char *text = dbsync_postgres_answer_text(answer, row, column);

	return text ? pstrdup(text) : NULL;
}

int64
dbsync_postgres_number_field(const PostgresAnswer *answer, int row, int column)
{
	return dbsync_postgres_answer_is_null(answer, row, column) ? 0
		: dbsync_postgres_answer_int(answer, row, column);
}

XLogRecPtr
dbsync_postgres_lsn_field(const PostgresAnswer *answer, int row, int column)
{
	const char *text = dbsync_postgres_answer_text(answer, row, column);

	return text ? lsn_parse(text) : InvalidXLogRecPtr;
}
