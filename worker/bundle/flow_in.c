/*-------------------------------------------------------------------------
 *
 * worker/bundle/flow_in.c
 *	  Bytes of a member out of the file: unsealed, unzipped.
 *
 * NOTES
 *	  The bundle has been proved, so what is found wrong here its signer has made.  He may mean harm all the same, or have been
 *	  broken into: so no more memory is taken than the window of zstd, a message of CMS and what the caller
 *	  wants at once, and no more bytes come out than the bundle says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include <zstd.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "worker/bundle/flow.h"

#define IN_BUFFER		(128 * 1024)

struct DbsyncFlowIn
{
	MemoryContextCallback cleanup;
	int			fd;
	const char *what;
	int64		at;				/* in the file: what is to be read next */
	int64		left;			/* of the member there */
	int64		total;			/* bytes that have come out */
	int64		limit;

	StringInfoData stored;		/* of the file, from its cursor on */
	DbsyncUnsealer *unsealer;
	StringInfoData plain;		/* unsealed, from its cursor on */
	ZSTD_DCtx  *zstd;			/* NULL: it is not zipped */
	bool		frame_ended;
	bool		ended;			/* nothing comes any more */

	char	   *data;			/* what the caller is given: from "from" to "to" */
	size_t		room;
	size_t		from;
	size_t		to;
};

static void
free_zstd(void *arg)
{
	DbsyncFlowIn *flow = arg;

	ZSTD_freeDCtx(flow->zstd);
	flow->zstd = NULL;
}

void
dbsync_flow_wrong(const DbsyncFlowIn *flow, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("%s cannot be read: %s", flow->what, why),
			 errdetail("Its signature holds, so it was made like that.")));
}

DbsyncFlowIn *
dbsync_flow_in(int fd, const char *what, int64 at, int64 length, bool zipped,
			   DbsyncUnsealer *unsealer, int64 limit)
{
	DbsyncFlowIn *flow = palloc0(sizeof(DbsyncFlowIn));

	flow->fd = fd;
	flow->what = pstrdup(what);
	flow->at = at;
	flow->left = length;
	flow->limit = limit;
	flow->unsealer = unsealer;
	flow->cleanup.func = free_zstd;
	flow->cleanup.arg = flow;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &flow->cleanup);
	initStringInfo(&flow->stored);
	initStringInfo(&flow->plain);
	flow->room = IN_BUFFER;
	flow->data = palloc(flow->room);
	if (!zipped)
		return flow;
	flow->zstd = ZSTD_createDCtx();
	if (flow->zstd == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	(void) ZSTD_DCtx_setParameter(flow->zstd, ZSTD_d_windowLogMax, DBSYNC_BUNDLE_WINDOW_LOG);
	return flow;
}

/* More bytes of the file behind those that are at hand; false: there are none. */
static bool
read_stored(DbsyncFlowIn *flow)
{
	StringInfo	stored = &flow->stored;
	size_t		wanted = Min(flow->left, IN_BUFFER);
	ssize_t		n;

	if (wanted == 0)
		return false;
	CHECK_FOR_INTERRUPTS();
	memmove(stored->data, stored->data + stored->cursor, stored->len - stored->cursor);
	stored->len -= stored->cursor;
	stored->cursor = 0;
	enlargeStringInfo(stored, wanted);
	do
	{
		n = pread(flow->fd, stored->data + stored->len, wanted, flow->at);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read %s: %m", flow->what)));
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("could not read %s: the file has become shorter", flow->what)));
	stored->len += n;
	flow->at += n;
	flow->left -= n;
	return true;
}

/* The next message; false: there is none. */
static bool
unseal(DbsyncFlowIn *flow)
{
	StringInfo	stored = &flow->stored;

	resetStringInfo(&flow->plain);
	for (;;)
	{
		size_t		length = stored->len - stored->cursor;
		size_t		used = length == 0 ? 0
			: dbsync_unseal(flow->unsealer, stored->data + stored->cursor, length, &flow->plain);

		if (used > 0)
		{
			stored->cursor += used;
			return true;
		}
		if (!read_stored(flow))
		{
			if (length > 0)
				dbsync_flow_wrong(flow, "a message is not complete");
			return false;
		}
	}
}

/* Where the bytes are that come next, still zipped, if they are; NULL: there are none. */
static StringInfo
next_bytes(DbsyncFlowIn *flow)
{
	StringInfo	next = flow->unsealer ? &flow->plain : &flow->stored;

	while (next->cursor == next->len)
	{
		if (!(flow->unsealer ? unseal(flow) : read_stored(flow)))
			return NULL;
	}
	return next;
}

/* Take what fits between "to" and the end of the room. */
static void
copy_bytes(DbsyncFlowIn *flow, StringInfo from, size_t space)
{
	size_t		n = Min(space, (size_t) (from->len - from->cursor));

	memcpy(flow->data + flow->to, from->data + from->cursor, n);
	flow->to += n;
	flow->total += n;
	from->cursor += n;
}

static void
unzip_bytes(DbsyncFlowIn *flow, StringInfo from, size_t space)
{
	ZSTD_inBuffer in = {from->data, from->len, from->cursor};
	ZSTD_outBuffer out = {flow->data + flow->to, space, 0};
	size_t		result;

	if (flow->frame_ended)
		dbsync_flow_wrong(flow, "there is something behind its end");
	result = ZSTD_decompressStream(flow->zstd, &out, &in);
	if (ZSTD_isError(result))
		dbsync_flow_wrong(flow, ZSTD_getErrorName(result));
	flow->frame_ended = result == 0;
	from->cursor = in.pos;
	flow->to += out.pos;
	flow->total += out.pos;
}

/* Some more bytes behind those that the caller has. */
static void
fill(DbsyncFlowIn *flow)
{
	StringInfo	from = next_bytes(flow);
	size_t		space = flow->room - flow->to - 1;

	/* libzstd may have more to say of what it was given already */
	if (from == NULL && (flow->zstd == NULL || flow->frame_ended))
	{
		flow->ended = true;
		return;
	}
	if (from == NULL)
	{
		int64		before = flow->total;
		StringInfoData nothing = {"", 0, 1, 0};

		unzip_bytes(flow, &nothing, space);
		if (!flow->frame_ended && flow->total == before)
			dbsync_flow_wrong(flow, "it is not complete");
	}
	else if (flow->zstd != NULL)
		unzip_bytes(flow, from, space);
	else
		copy_bytes(flow, from, space);
	if (flow->total > flow->limit)
		dbsync_flow_wrong(flow, "it has more bytes than the bundle says");
}

/* Room for so many bytes and one more. */
static void
make_room(DbsyncFlowIn *flow, size_t wanted)
{
	if (flow->from > 0)
	{
		memmove(flow->data, flow->data + flow->from, flow->to - flow->from);
		flow->to -= flow->from;
		flow->from = 0;
	}
	if (wanted + 1 < flow->room)
		return;
	while (flow->room <= wanted + 1)
		flow->room *= 2;
	flow->data = repalloc_huge(flow->data, flow->room);
}

size_t
dbsync_flow_get(DbsyncFlowIn *flow, size_t wanted, char **data)
{
	/* what cannot come needs no room */
	if (wanted > flow->to - flow->from)
		wanted = Min(wanted, (size_t) (flow->to - flow->from) + (size_t) (flow->limit - flow->total) + 1);
	if (flow->to - flow->from < wanted && !flow->ended)
	{
		make_room(flow, wanted);
		while (flow->to - flow->from < wanted && !flow->ended)
			fill(flow);
	}
	*data = flow->data + flow->from;
	return flow->to - flow->from;
}

void
dbsync_flow_skip(DbsyncFlowIn *flow, size_t used)
{
	Assert(used <= flow->to - flow->from);
	flow->from += used;
}

int64
dbsync_flow_total(const DbsyncFlowIn *flow)
{
	return flow->total;
}
