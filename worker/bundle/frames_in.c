/*-------------------------------------------------------------------------
 *
 * worker/bundle/frames_in.c
 *	  Rows as COPY wrote them, binary or text, taken apart where they lie.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "worker/bundle/frames.h"

#define BINARY_HEADER	19

/*
 * No row of PostgreSQL's comes to more, sent or stored; as text a backslash may stand before each byte.  Who signs could zip more of it than there is memory.
 */
#define BINARY_ROW_LIMIT	((size_t) MaxAllocSize)
#define TEXT_ROW_LIMIT		(2 * (size_t) MaxAllocSize)

struct DbsyncFramesIn
{
	DbsyncFlowIn *flow;
	DbsyncEncoding form;
	int			nfields;
	bool		begun;
	size_t		used;			/* by the row before, which its caller has had */
};

DbsyncFramesIn *
dbsync_frames_in(DbsyncFlowIn *flow, DbsyncEncoding form, int nfields)
{
	DbsyncFramesIn *frames = palloc0(sizeof(DbsyncFramesIn));

	frames->flow = flow;
	frames->form = form;
	frames->nfields = nfields;
	return frames;
}

/* So many bytes, and an error if there are less. */
static char *
need(DbsyncFramesIn *frames, size_t wanted)
{
	char	   *data;

	if (dbsync_flow_get(frames->flow, wanted, &data) < wanted)
		dbsync_flow_wrong(frames->flow, "it ends within a row");
	return data;
}

static uint32
uint32_at(const char *data)
{
	uint32		value;

	memcpy(&value, data, sizeof(value));
	return pg_ntoh32(value);
}

static int16
int16_at(const char *data)
{
	uint16		value;

	memcpy(&value, data, sizeof(value));
	return (int16) pg_ntoh16(value);
}

static void
read_binary_header(DbsyncFramesIn *frames)
{
	char	   *data = need(frames, BINARY_HEADER);

	if (memcmp(data, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", BINARY_HEADER) != 0)
		dbsync_flow_wrong(frames->flow, "it does not begin as binary COPY does");
	dbsync_flow_skip(frames->flow, BINARY_HEADER);
}

/* Nothing may come any more. */
static void
check_end(DbsyncFramesIn *frames)
{
	char	   *data;

	if (dbsync_flow_get(frames->flow, 1, &data) > 0)
		dbsync_flow_wrong(frames->flow, "there is something behind its last row");
}

/* Lengths of all fields; returns where the row ends.  All of it is at hand then, at *data. */
static size_t
measure_binary(DbsyncFramesIn *frames, int *lengths, char **data)
{
	size_t		at = sizeof(int16);

	for (int i = 0; i < frames->nfields; i++)
	{
		*data = need(frames, at + sizeof(int32));
		lengths[i] = (int32) uint32_at(*data + at);
		at += sizeof(int32);
		if (lengths[i] < -1)
			dbsync_flow_wrong(frames->flow, "a value has no length");
		if (lengths[i] >= (int) MaxAllocSize)
			dbsync_flow_wrong(frames->flow, "a value is too large");
		if (lengths[i] > 0)
			at += lengths[i];
		if (at > BINARY_ROW_LIMIT)
			dbsync_flow_wrong(frames->flow, "a row is too large");
	}
	*data = need(frames, at);
	return at;
}

static bool
next_binary(DbsyncFramesIn *frames, const char **values, int *lengths)
{
	char	   *data;
	int16		nfields;

	if (!frames->begun)
		read_binary_header(frames);
	frames->begun = true;
	data = need(frames, sizeof(int16));
	nfields = int16_at(data);
	if (nfields == -1)
	{
		dbsync_flow_skip(frames->flow, sizeof(int16));
		check_end(frames);
		return false;
	}
	if (nfields != frames->nfields)
		dbsync_flow_wrong(frames->flow, "a row has another number of values");
	frames->used = measure_binary(frames, lengths, &data);
	data += sizeof(int16);
	for (int i = 0; i < nfields; i++)
	{
		data += sizeof(int32);
		values[i] = lengths[i] < 0 ? NULL : data;
		lengths[i] = Max(lengths[i], 0);
		data += lengths[i];
	}
	return true;
}

/* Where the line ends, all of which is at hand then, at *data; error if it does not. */
static size_t
find_line_end(DbsyncFramesIn *frames, size_t length, char **data)
{
	size_t		searched = 0;

	for (;;)
	{
		char	   *newline = memchr(*data + searched, '\n', length - searched);
		size_t		more;

		if (newline != NULL)
			return newline - *data;
		if (length > TEXT_ROW_LIMIT)
			dbsync_flow_wrong(frames->flow, "a row is too large");
		searched = length;
		more = dbsync_flow_get(frames->flow, Min(length + Max(length, 1024), TEXT_ROW_LIMIT + 1), data);
		if (more == length)
			dbsync_flow_wrong(frames->flow, "it ends within a row");
		length = more;
	}
}

/* The byte that a letter behind a backslash stands for. */
static char
byte_of(DbsyncFramesIn *frames, char letter)
{
	switch (letter)
	{
		case '\\':
			return '\\';
		case 'b':
			return '\b';
		case 'f':
			return '\f';
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		case 'v':
			return '\v';
		default:
			dbsync_flow_wrong(frames->flow, "a value has a backslash too many");
	}
}

/* Take the backslashes out of a value where it lies, from the first one on; returns its length. */
static size_t
unescape(DbsyncFramesIn *frames, char *value, char *first, char *end)
{
	char	   *to = first;

	for (char *from = first; from < end; from++)
	{
		/* what stands behind the last byte is no letter, so it is caught there */
		if (*from == '\\')
			*to++ = byte_of(frames, *++from);
		else
			*to++ = *from;
	}
	*to = '\0';
	return to - value;
}

/* Take a value apart that ends at "end", where there is a tab or the line's end. */
static void
read_text(DbsyncFramesIn *frames, char *value, char *end, const char **result, int *length)
{
	char	   *backslash = memchr(value, '\\', end - value);

	*result = value;
	if (end - value == 2 && backslash == value && value[1] == 'N')
	{
		*result = NULL;
		*length = 0;
		return;
	}
	if (end - value >= (ptrdiff_t) MaxAllocSize)
		dbsync_flow_wrong(frames->flow, "a value is too large");
	/* input functions would take what is before it for the value */
	if (memchr(value, '\0', end - value) != NULL)
		dbsync_flow_wrong(frames->flow, "a value has a byte zero");
	*end = '\0';
	*length = backslash ? unescape(frames, value, backslash, end) : end - value;
}

static bool
next_text(DbsyncFramesIn *frames, const char **values, int *lengths)
{
	char	   *data;
	size_t		length = dbsync_flow_get(frames->flow, 1, &data);
	char	   *end;

	if (length == 0)
		return false;
	frames->used = find_line_end(frames, length, &data) + 1;
	end = data + frames->used - 1;
	for (int i = 0; i < frames->nfields; i++)
	{
		bool		last = i == frames->nfields - 1;
		char	   *tab = memchr(data, '\t', end - data);

		if ((tab == NULL) != last)
			dbsync_flow_wrong(frames->flow, "a row has another number of values");
		if (last)
			tab = end;
		read_text(frames, data, tab, &values[i], &lengths[i]);
		data = tab + 1;
	}
	if (frames->nfields == 0 && frames->used > 1)
		dbsync_flow_wrong(frames->flow, "a row has another number of values");
	return true;
}

bool
dbsync_frames_next(DbsyncFramesIn *frames, const char **values, int *lengths)
{
	dbsync_flow_skip(frames->flow, frames->used);
	frames->used = 0;
	return frames->form == DBSYNC_ENCODING_BINARY ? next_binary(frames, values, lengths)
		: next_text(frames, values, lengths);
}
