/*-------------------------------------------------------------------------
 *
 * worker/bundle/flow_out.c
 *	  Bytes of a member on their way to the file: zipped, sealed, hashed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <zstd.h>

#include "utils/memutils.h"

#include "worker/bundle/crypto.h"
#include "worker/bundle/flow.h"

/* bytes of a member that wait for its end: libzstd, told how short it is, clears tables of a few kB and not of a MB */
#define HELD_LIMIT		(32 * 1024)
/* bytes of a context of libzstd that is kept for the next bundle */
#define SPARE_LIMIT		(8 * 1024 * 1024)

/* of the bundle before: a new one's memory is the larger part of what a bundle of one row takes */
static ZSTD_CCtx *spare = NULL;

struct DbsyncFlowOut
{
	MemoryContextCallback cleanup;
	MemoryContext context;
	DbsyncFlowFile *file;
	DbsyncHash *hash;
	int			level;
	ZSTD_CCtx  *zstd;			/* NULL: nothing has been zipped yet */
	char	   *zipped;			/* what comes out of it */
	size_t		zipped_room;
	char	   *held;			/* the member's first bytes */
	size_t		nheld;
	DbsyncSealer *sealer;
	StringInfoData plain;		/* what is sealed next */
	StringInfoData message;

	/* of the member */
	bool		zips;
	bool		seals;
	int64		bytes;
};

static void
free_zstd(void *arg)
{
	DbsyncFlowOut *flow = arg;

	if (flow->zstd != NULL && spare == NULL && ZSTD_sizeof_CCtx(flow->zstd) <= SPARE_LIMIT)
		spare = flow->zstd;
	else
		ZSTD_freeCCtx(flow->zstd);
	flow->zstd = NULL;
}

DbsyncFlowOut *
dbsync_flow_out(DbsyncFlowFile *file, int level, DbsyncSealer *sealer)
{
	DbsyncFlowOut *flow = palloc0(sizeof(DbsyncFlowOut));

	flow->context = CurrentMemoryContext;
	flow->file = file;
	flow->hash = dbsync_hash_create();
	flow->level = level;
	flow->sealer = sealer;
	flow->cleanup.func = free_zstd;
	flow->cleanup.arg = flow;
	MemoryContextRegisterResetCallback(flow->context, &flow->cleanup);
	if (sealer != NULL)
	{
		initStringInfo(&flow->plain);
		initStringInfo(&flow->message);
	}
	return flow;
}

static size_t
checked(size_t result)
{
	if (ZSTD_isError(result))
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("libzstd could not zip: %s", ZSTD_getErrorName(result))));
	return result;
}

static void
make_zstd(DbsyncFlowOut *flow)
{
	flow->zstd = spare ? spare : ZSTD_createCCtx();
	spare = NULL;
	if (flow->zstd == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	checked(ZSTD_CCtx_reset(flow->zstd, ZSTD_reset_session_and_parameters));
	checked(ZSTD_CCtx_setParameter(flow->zstd, ZSTD_c_compressionLevel, flow->level));
	checked(ZSTD_CCtx_setParameter(flow->zstd, ZSTD_c_checksumFlag, 1));
	/* the highest levels would have more than a reader takes */
	if (flow->level > 19)
		checked(ZSTD_CCtx_setParameter(flow->zstd, ZSTD_c_windowLog, DBSYNC_BUNDLE_WINDOW_LOG));
	flow->zipped_room = ZSTD_CStreamOutSize();
	flow->zipped = MemoryContextAlloc(flow->context, flow->zipped_room);
	flow->held = MemoryContextAlloc(flow->context, HELD_LIMIT);
}

void
dbsync_flow_begin(DbsyncFlowOut *flow, bool zipped, bool sealed)
{
	flow->zips = zipped && flow->level != 0;
	flow->seals = sealed && flow->sealer != NULL;
	flow->bytes = 0;
	flow->nheld = 0;
	dbsync_hash_begin(flow->hash);
	if (flow->zips && flow->zstd == NULL)
		make_zstd(flow);
	if (flow->zips)
		checked(ZSTD_CCtx_reset(flow->zstd, ZSTD_reset_session_only));
}

/* As it is in the file. */
static void
put_stored(DbsyncFlowOut *flow, const void *data, size_t length)
{
	dbsync_hash_add(flow->hash, data, length);
	dbsync_flow_write(flow->file, data, length);
}

static void
seal_plain(DbsyncFlowOut *flow)
{
	if (flow->plain.len == 0)
		return;
	dbsync_seal(flow->sealer, flow->plain.data, flow->plain.len, &flow->message);
	put_stored(flow, flow->message.data, flow->message.len);
	resetStringInfo(&flow->message);
	resetStringInfo(&flow->plain);
}

static void
put_zipped(DbsyncFlowOut *flow, const char *data, size_t length)
{
	if (!flow->seals)
	{
		put_stored(flow, data, length);
		return;
	}
	while (length > 0)
	{
		size_t		n = Min(length, DBSYNC_BUNDLE_SEAL_LIMIT - flow->plain.len);

		appendBinaryStringInfo(&flow->plain, data, n);
		data += n;
		length -= n;
		if (flow->plain.len == DBSYNC_BUNDLE_SEAL_LIMIT)
			seal_plain(flow);
	}
}

static void
zip(DbsyncFlowOut *flow, const void *data, size_t length, ZSTD_EndDirective directive)
{
	ZSTD_inBuffer in = {data, length, 0};
	size_t		left;

	do
	{
		ZSTD_outBuffer out = {flow->zipped, flow->zipped_room, 0};

		left = checked(ZSTD_compressStream2(flow->zstd, &out, &in, directive));
		put_zipped(flow, flow->zipped, out.pos);
	} while (in.pos < in.size || (directive == ZSTD_e_end && left > 0));
}

/* Has it all been kept for the member's end?  Not if others have gone before. */
static bool
is_held(DbsyncFlowOut *flow, const void *data, size_t length)
{
	if (flow->bytes != (int64) flow->nheld || length > HELD_LIMIT - flow->nheld)
		return false;
	memcpy(flow->held + flow->nheld, data, length);
	flow->nheld += length;
	return true;
}

static void
zip_held(DbsyncFlowOut *flow, ZSTD_EndDirective directive)
{
	zip(flow, flow->held, flow->nheld, directive);
	flow->nheld = 0;
}

static void
put_to_zip(DbsyncFlowOut *flow, const void *data, size_t length)
{
	if (is_held(flow, data, length))
		return;
	if (flow->nheld > 0)
		zip_held(flow, ZSTD_e_continue);
	zip(flow, data, length, ZSTD_e_continue);
}

void
dbsync_flow_put(DbsyncFlowOut *flow, const void *data, size_t length)
{
	if (flow->zips)
		put_to_zip(flow, data, length);
	else
		put_zipped(flow, data, length);
	flow->bytes += length;
}

int64
dbsync_flow_end(DbsyncFlowOut *flow, uint8 *hash)
{
	if (flow->zips)
		zip_held(flow, ZSTD_e_end);
	if (flow->seals)
		seal_plain(flow);
	dbsync_hash_end(flow->hash, hash);
	return flow->bytes;
}
