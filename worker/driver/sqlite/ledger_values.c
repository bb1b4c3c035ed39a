/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/ledger_values.c
 *	  SQLite driver: values of the ledger, which people read, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "worker/driver/sqlite/internal.h"
#include "worker/driver/sqlite/ledger_values.h"

char *
dbsync_sqlite_uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(unconstify(pg_uuid_t *, uuid))));
}

bool
dbsync_sqlite_uuid_from(const char *text, pg_uuid_t *uuid)
{
	int			n = 0;

	for (; text != NULL && *text && n < UUID_LEN * 2; text++)
	{
		int			digit = *text >= '0' && *text <= '9' ? *text - '0' : *text >= 'a' && *text <= 'f' ? *text - 'a' + 10 : -1;

		if (*text == '-')
			continue;
		if (digit < 0)
			return false;
		uuid->data[n / 2] = n % 2 == 0 ? digit << 4 : uuid->data[n / 2] | digit;
		n++;
	}
	return n == UUID_LEN * 2;
}

void
dbsync_sqlite_bind_lsn(sqlite3_stmt *statement, int number, XLogRecPtr lsn)
{
	if (lsn == InvalidXLogRecPtr)
		(void) sqlite3_bind_null(statement, number);
	else
		dbsync_sqlite_bind_text(statement, number, psprintf("%X/%X", LSN_FORMAT_ARGS(lsn)));
}

XLogRecPtr
dbsync_sqlite_lsn_from(const char *text)
{
	uint32		high;
	uint32		low;

	if (text == NULL || sscanf(text, "%X/%X", &high, &low) != 2)
		return InvalidXLogRecPtr;
	return ((uint64) high << 32) | low;
}

/* --- keys as text: as COPY writes a row of them --- */

static const char special[] = "\\\b\f\n\r\t\v";
static const char letters[] = "\\bfnrtv";

char *
dbsync_sqlite_boundary_text(int nkeys, char **boundary)
{
	StringInfoData buf;

	if (nkeys == 0)
		return NULL;
	initStringInfo(&buf);
	for (int k = 0; k < nkeys; k++)
	{
		if (k > 0)
			appendStringInfoChar(&buf, '\t');
		if (boundary[k] == NULL)
			appendStringInfoString(&buf, "\\N");
		for (const char *c = boundary[k] ? boundary[k] : ""; *c; c++)
		{
			const char *found = strchr(special, *c);

			if (found != NULL)
				appendStringInfoChar(&buf, '\\');
			appendStringInfoChar(&buf, found ? letters[found - special] : *c);
		}
	}
	return buf.data;
}

/* Takes a field apart where it lies. */
static char *
boundary_field(char *field)
{
	char	   *to = field;

	if (strcmp(field, "\\N") == 0)
		return NULL;
	for (char *from = field; *from; from++)
	{
		const char *found = *from == '\\' && from[1] != '\0' ? strchr(letters, from[1]) : NULL;

		if (found != NULL)
			from++;
		*to++ = found ? special[found - letters] : *from;
	}
	*to = '\0';
	return field;
}

void
dbsync_sqlite_boundary_from(char *text, DbsyncLedgerPart *part)
{
	if (text == NULL)
		return;
	part->nkeys = 1;
	for (char *c = text; *c; c++)
		part->nkeys += *c == '\t';
	part->boundary = palloc(sizeof(char *) * part->nkeys);
	for (int k = 0; k < part->nkeys; k++)
	{
		char	   *tab = strchr(text, '\t');

		if (tab != NULL)
			*tab = '\0';
		part->boundary[k] = boundary_field(text);
		text = tab ? tab + 1 : text;
	}
}

const char *
dbsync_sqlite_null_column(sqlite3_stmt *statement, const char *const *columns, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (columns[i] != NULL && sqlite3_column_type(statement, i) == SQLITE_NULL)
			return columns[i];
	}
	return NULL;
}
