/*-------------------------------------------------------------------------
 *
 * worker/upkeep/pgoutput.c
 *	  Messages of PostgreSQL's output plugin "pgoutput", protocol version 1.
 *
 * As documented under "Logical Replication Message Formats".  Only what comes without
 * streaming, two-phase commit and binary values is read; anything else is refused rather
 * than guessed, as a key that is overlooked would be lost.  Needs nothing of the server but
 * memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "port/pg_bswap.h"

#include "worker/upkeep/pgoutput.h"

/* of a relation's column: it is of the replica identity */
#define COLUMN_IS_KEY		1

/* of truncate: CASCADE, RESTART IDENTITY */
#define TRUNCATE_OPTIONS	3

/* what is left to be read */
typedef struct Reader
{
	const char *at;
	Size		left;
	bool		bad;			/* it has ended before it should, or is nothing known */
} Reader;

static const char *
take(Reader *reader, Size size)
{
	const char *at = reader->at;

	if (reader->bad || reader->left < size)
	{
		reader->bad = true;
		return NULL;
	}
	reader->at += size;
	reader->left -= size;
	return at;
}

static unsigned char
take_byte(Reader *reader)
{
	const char *at = take(reader, 1);

	return at ? (unsigned char) *at : 0;
}

static uint16
take_int16(Reader *reader)
{
	const char *at = take(reader, sizeof(uint16));
	uint16		value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return pg_ntoh16(value);
}

static uint32
take_int32(Reader *reader)
{
	const char *at = take(reader, sizeof(uint32));
	uint32		value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return pg_ntoh32(value);
}

/* It ends with a zero byte. */
static const char *
take_string(Reader *reader)
{
	const char *end = reader->bad || reader->left == 0 ? NULL : memchr(reader->at, '\0', reader->left);

	if (end == NULL)
	{
		reader->bad = true;
		return "";
	}
	return take(reader, end - reader->at + 1);
}

static bool
is_one_of(Reader *reader, char c, const char *allowed)
{
	if (!reader->bad && (c == '\0' || strchr(allowed, c) == NULL))
		reader->bad = true;
	return !reader->bad;
}

/* How many columns follow; each takes one byte at least. */
static int
take_count(Reader *reader)
{
	int			n = take_int16(reader);

	if (n > MaxTupleAttributeNumber || n > reader->left)
		reader->bad = true;
	return reader->bad ? 0 : n;
}

static void
read_relation(Reader *reader, DbsyncPgoutput *message)
{
	message->relid = take_int32(reader);
	(void) take_string(reader);
	(void) take_string(reader);
	message->identity = (char) take_byte(reader);
	if (!is_one_of(reader, message->identity, "dnfi"))
		return;
	message->ncolumns = take_count(reader);
	message->columns = palloc(sizeof(DbsyncPgoutputColumn) * Max(message->ncolumns, 1));
	for (int i = 0; i < message->ncolumns; i++)
	{
		DbsyncPgoutputColumn *column = &message->columns[i];
		int			flags = take_byte(reader);

		if ((flags & ~COLUMN_IS_KEY) != 0)
			reader->bad = true;
		column->key = flags == COLUMN_IS_KEY;
		column->name = take_string(reader);
		column->type = take_int32(reader);
		column->typmod = (int32) take_int32(reader);
	}
}

static void
read_row(Reader *reader, DbsyncPgoutputRow *row)
{
	row->n = take_count(reader);
	row->values = palloc(sizeof(DbsyncPgoutputValue) * Max(row->n, 1));
	for (int i = 0; i < row->n; i++)
	{
		DbsyncPgoutputValue *value = &row->values[i];
		uint32		length = 0;

		value->kind = (char) take_byte(reader);
		if (is_one_of(reader, value->kind, "nut") && value->kind == 't')
			length = take_int32(reader);
		value->data = take(reader, length);
		value->length = reader->bad ? 0 : (int) length;
	}
}

static void
read_before(Reader *reader, char kind, DbsyncPgoutput *message)
{
	if (is_one_of(reader, kind, "KO"))
		read_row(reader, &message->before);
}

static void
read_after(Reader *reader, char kind, DbsyncPgoutput *message)
{
	if (is_one_of(reader, kind, "N"))
		read_row(reader, &message->after);
}

static void
read_truncate(Reader *reader, DbsyncPgoutput *message)
{
	uint32		n = take_int32(reader);

	if ((take_byte(reader) & ~TRUNCATE_OPTIONS) != 0 || reader->bad ||
		n == 0 || n != reader->left / sizeof(uint32))
	{
		reader->bad = true;
		return;
	}
	message->nrelids = (int) n;
	message->relids = palloc(sizeof(Oid) * n);
	for (int i = 0; i < message->nrelids; i++)
		message->relids[i] = take_int32(reader);
}

static void
read_change(Reader *reader, DbsyncPgoutput *message)
{
	char		kind;

	message->relid = take_int32(reader);
	kind = (char) take_byte(reader);
	if (message->type == DBSYNC_PGOUTPUT_DELETE)
	{
		read_before(reader, kind, message);
		return;
	}
	if (message->type == DBSYNC_PGOUTPUT_UPDATE && kind != 'N')
	{
		read_before(reader, kind, message);
		kind = (char) take_byte(reader);
	}
	read_after(reader, kind, message);
}

bool
dbsync_pgoutput_read(const char *data, Size size, DbsyncPgoutput *message)
{
	Reader		reader = {.at = data,.left = size};

	memset(message, 0, sizeof(*message));
	message->type = take_byte(&reader);
	switch (message->type)
	{
		case DBSYNC_PGOUTPUT_BEGIN:
			/* end of the transaction, its time and id */
			(void) take(&reader, 8 + 8 + 4);
			break;
		case DBSYNC_PGOUTPUT_COMMIT:
			if (take_byte(&reader) != 0)
				reader.bad = true;
			/* where it is, its end, its time */
			(void) take(&reader, 8 + 8 + 8);
			break;
		case DBSYNC_PGOUTPUT_RELATION:
			read_relation(&reader, message);
			break;
		case DBSYNC_PGOUTPUT_TYPE:
			(void) take_int32(&reader);
			(void) take_string(&reader);
			(void) take_string(&reader);
			break;
		case DBSYNC_PGOUTPUT_ORIGIN:
			(void) take(&reader, 8);
			(void) take_string(&reader);
			break;
		case DBSYNC_PGOUTPUT_INSERT:
		case DBSYNC_PGOUTPUT_UPDATE:
		case DBSYNC_PGOUTPUT_DELETE:
			read_change(&reader, message);
			break;
		case DBSYNC_PGOUTPUT_TRUNCATE:
			read_truncate(&reader, message);
			break;
		default:
			reader.bad = true;
	}
	return !reader.bad && reader.left == 0;
}
