/*-------------------------------------------------------------------------
 *
 * worker/bundle/frames_out.c
 *	  Rows as COPY writes them, binary or text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"

#include "worker/bundle/frames.h"

/* what is collected before it goes on its way; larger values go by themselves */
#define FRAMES_BUFFER	(64 * 1024)

struct DbsyncFramesOut
{
	DbsyncFlowOut *flow;
	DbsyncEncoding form;
	int			nfields;
	int64		rows;
	bool		converts;		/* the server's encoding is another one */
	StringInfoData buffer;
};

static void
flush(DbsyncFramesOut *frames)
{
	if (frames->buffer.len > 0)
		dbsync_flow_put(frames->flow, frames->buffer.data, frames->buffer.len);
	resetStringInfo(&frames->buffer);
}

static void
put_bytes(DbsyncFramesOut *frames, const char *data, size_t length)
{
	if (frames->buffer.len + length > FRAMES_BUFFER)
		flush(frames);
	if (length > FRAMES_BUFFER)
		dbsync_flow_put(frames->flow, data, length);
	else
		appendBinaryStringInfo(&frames->buffer, data, length);
}

static void
put_int16(DbsyncFramesOut *frames, int16 value)
{
	uint16		bytes = pg_hton16((uint16) value);

	put_bytes(frames, (const char *) &bytes, sizeof(bytes));
}

static void
put_int32(DbsyncFramesOut *frames, int32 value)
{
	uint32		bytes = pg_hton32((uint32) value);

	put_bytes(frames, (const char *) &bytes, sizeof(bytes));
}

DbsyncFramesOut *
dbsync_frames_out(DbsyncFlowOut *flow, DbsyncEncoding form, int nfields)
{
	DbsyncFramesOut *frames = palloc0(sizeof(DbsyncFramesOut));

	frames->flow = flow;
	frames->form = form;
	frames->nfields = nfields;
	frames->converts = form == DBSYNC_ENCODING_TEXT && GetDatabaseEncoding() != PG_UTF8;
	initStringInfo(&frames->buffer);
	enlargeStringInfo(&frames->buffer, FRAMES_BUFFER);
	if (form == DBSYNC_ENCODING_BINARY)
	{
		/* signature, flags, length of what would come with them */
		put_bytes(frames, "PGCOPY\n\377\r\n\0", 11);
		put_int32(frames, 0);
		put_int32(frames, 0);
	}
	return frames;
}

/* The letter behind the backslash by which COPY writes a byte; 0: it is written as it is. */
static const char letters[256] = {
	['\\'] = '\\',
	['\b'] = 'b',
	['\f'] = 'f',
	['\n'] = 'n',
	['\r'] = 'r',
	['\t'] = 't',
	['\v'] = 'v'
};

static void
put_escaped(DbsyncFramesOut *frames, const char *text, size_t length)
{
	const char *end = text + length;
	const char *start = text;

	for (; text < end; text++)
	{
		char		letter = letters[(unsigned char) *text];

		if (letter == 0)
			continue;
		put_bytes(frames, start, text - start);
		put_bytes(frames, "\\", 1);
		put_bytes(frames, &letter, 1);
		start = text + 1;
	}
	put_bytes(frames, start, end - start);
}

static void
put_text(DbsyncFramesOut *frames, const char *value, int length)
{
	char	   *utf8;

	if (!frames->converts)
	{
		put_escaped(frames, value, length);
		return;
	}
	utf8 = pg_server_to_any(value, length, PG_UTF8);
	put_escaped(frames, utf8, utf8 == value ? (size_t) length : strlen(utf8));
	if (utf8 != value)
		pfree(utf8);
}

void
dbsync_frames_put(DbsyncFramesOut *frames, const char **values, const int *lengths)
{
	bool		text = frames->form == DBSYNC_ENCODING_TEXT;

	if (!text)
		put_int16(frames, frames->nfields);
	for (int i = 0; i < frames->nfields; i++)
	{
		if (text && i > 0)
			put_bytes(frames, "\t", 1);
		if (values[i] == NULL)
		{
			if (text)
				put_bytes(frames, "\\N", 2);
			else
				put_int32(frames, -1);
		}
		else if (text)
			put_text(frames, values[i], lengths[i]);
		else
		{
			put_int32(frames, lengths[i]);
			put_bytes(frames, values[i], lengths[i]);
		}
	}
	if (text)
		put_bytes(frames, "\n", 1);
	frames->rows++;
}

int64
dbsync_frames_end(DbsyncFramesOut *frames)
{
	if (frames->form == DBSYNC_ENCODING_BINARY)
		put_int16(frames, -1);
	flush(frames);
	return frames->rows;
}
