/*-------------------------------------------------------------------------
 *
 * worker/source/window.c
 *	  Windows: which transactions come next, and where their rows lie.
 *
 * Headers of a window are those visible in "upto" and not in "after"
 * (dbsync_headers_scan()).
 *
 * A window may hold millions of headers.  Only the KEEP that close first are
 * remembered (a few words each); when those are used up the headers are looked
 * through again.  What a header says in detail is read when its turn comes.
 *
 * A transaction closes before it becomes visible, and whoever saw it or waited
 * for it closes after it.  So the first transactions of a window in closing
 * order contain all that they depend on, and every cut is a consistent state.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "extension/log/header.h"
#include "extension/route.h"
#include "worker/position.h"
#include "worker/snapshot.h"
#include "worker/source/cut.h"
#include "worker/source/headers.h"
#include "worker/source/members.h"
#include "worker/source/source.h"

/* headers remembered at a time; 24 bytes each, twice as many while collecting */
#define KEEP			262144

/* transactions of one cut: bounds its members, and their ranks; below 2^18 */
#define MAX_CUT			250000

typedef struct Entry
{
	XLogRecPtr	closing;
	uint64		xid;
	ItemPointerData tid;
	uint16		segment;		/* index into window->segments */
} Entry;

struct DbsyncWindow
{
	MemoryContext context;
	DbsyncSnapshot *after;
	DbsyncSnapshot *upto;
	XLogRecPtr	floor;			/* passed: closing and xid at or below */
	uint64		floor_xid;
	int			nsegments;
	Oid		   *segments;
	Entry	   *entries;
	int			n;
	int			next;			/* first not yet passed */
	bool		collected;
	bool		more;			/* there are entries beyond those kept */
	DbsyncMembers *members;		/* of the cut that was made last */
	DbsyncLag lag;
};

DbsyncWindow *
dbsync_window_begin(MemoryContext parent, const DbsyncPosition *position,
					const DbsyncSnapshot *upto, List *header_segments)
{
	MemoryContext context = AllocSetContextCreate(parent, "dbsync window",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	DbsyncWindow *window = palloc0(sizeof(DbsyncWindow));
	ListCell   *lc;

	window->context = context;
	window->after = dbsync_snapshot_copy(position->after);
	if (position->upto != NULL)
	{
		window->upto = dbsync_snapshot_copy(position->upto);
		window->floor = position->closing;
		window->floor_xid = position->closing_xid;
	}
	else
		window->upto = dbsync_snapshot_copy(upto);
	window->segments = palloc(sizeof(Oid) * Max(1, list_length(header_segments)));
	foreach(lc, header_segments)
		window->segments[window->nsegments++] = lfirst_oid(lc);
	window->members = dbsync_members_create(context);
	MemoryContextSwitchTo(old);
	return window;
}

void
dbsync_window_end(DbsyncWindow *window)
{
	MemoryContextDelete(window->context);
}

const DbsyncSnapshot *
dbsync_window_upto(const DbsyncWindow *window)
{
	return window->upto;
}

DbsyncLag
dbsync_window_lag(const DbsyncWindow *window)
{
	return window->lag;
}

static void collect(DbsyncWindow *window);

DbsyncLag
dbsync_window_waiting(const DbsyncPosition *position, List *header_segments)
{
	DbsyncPosition whole = *position;
	DbsyncSnapshot *now = dbsync_snapshot_from(GetActiveSnapshot());
	DbsyncWindow *window;
	DbsyncLag lag;

	whole.upto = NULL;
	window = dbsync_window_begin(CurrentMemoryContext, &whole, now, header_segments);
	if (position->upto != NULL)
	{
		window->floor = position->closing;
		window->floor_xid = position->closing_xid;
	}
	collect(window);
	lag = window->lag;
	dbsync_window_end(window);
	return lag;
}

static int
compare_entries(const void *a, const void *b)
{
	const Entry *x = a;
	const Entry *y = b;

	if (x->closing != y->closing)
		return x->closing < y->closing ? -1 : 1;
	return x->xid < y->xid ? -1 : (x->xid > y->xid ? 1 : 0);
}

/* remember a header; forget the latest ones when there are too many */
static void
keep_entry(DbsyncWindow *window, const Entry *entry, int *allocated)
{
	if (window->n == 2 * KEEP)
	{
		qsort(window->entries, window->n, sizeof(Entry), compare_entries);
		window->n = KEEP;
		window->more = true;
	}
	if (window->n == *allocated)
	{
		*allocated = Min(2 * KEEP, *allocated * 2);
		window->entries = repalloc(window->entries, sizeof(Entry) * *allocated);
	}
	window->entries[window->n++] = *entry;
}

/* headers of a segment being collected */
typedef struct Collecting
{
	DbsyncWindow *window;
	int			segment;
	int			allocated;		/* entries that there is room for */
} Collecting;

static void
look_at_header(TupleTableSlot *slot, void *arg)
{
	Collecting *collecting = arg;
	DbsyncWindow *window = collecting->window;
	Entry		entry;
	TimestampTz time;

	entry.xid = U64FromFullTransactionId(
		DatumGetFullTransactionId(dbsync_headers_field(slot, DBSYNC_HEADER_XID)));
	if (dbsync_snapshot_sees(window->after, entry.xid) ||
		!dbsync_snapshot_sees(window->upto, entry.xid))
		return;
	entry.closing = DatumGetLSN(dbsync_headers_field(slot, DBSYNC_HEADER_CLOSING));
	if (entry.closing < window->floor ||
		(entry.closing == window->floor && entry.xid <= window->floor_xid))
		return;
	entry.tid = slot->tts_tid;
	entry.segment = collecting->segment;

	time = DatumGetTimestampTz(dbsync_headers_field(slot, DBSYNC_HEADER_TIME));
	window->lag.transactions++;
	window->lag.rows += DatumGetInt64(dbsync_headers_field(slot, DBSYNC_HEADER_ROWS));
	window->lag.bytes += DatumGetInt64(dbsync_headers_field(slot, DBSYNC_HEADER_BYTES));
	if (window->lag.oldest == 0 || time < window->lag.oldest)
		window->lag.oldest = time;
	keep_entry(window, &entry, &collecting->allocated);
}

static void
collect(DbsyncWindow *window)
{
	MemoryContext old = MemoryContextSwitchTo(window->context);
	Collecting	collecting = {.window = window, .allocated = 64};

	if (window->entries == NULL)
		window->entries = palloc(sizeof(Entry) * collecting.allocated);
	else
		window->entries = repalloc(window->entries, sizeof(Entry) * collecting.allocated);
	window->n = window->next = 0;
	window->more = false;
	memset(&window->lag, 0, sizeof(window->lag));
	MemoryContextSwitchTo(old);

	for (int i = 0; i < window->nsegments; i++)
	{
		collecting.segment = i;
		dbsync_headers_scan(window->segments[i], window->after, look_at_header, &collecting);
	}

	qsort(window->entries, window->n, sizeof(Entry), compare_entries);
	if (window->n > KEEP)
	{
		window->n = KEEP;
		window->more = true;
	}
	window->collected = true;
}

bool
dbsync_window_is_empty(DbsyncWindow *window)
{
	if (!window->collected || (window->next == window->n && window->more))
		collect(window);
	return window->next == window->n;
}

static void
check_not_rolled_back(const DbsyncHeader *header, const DbsyncCutRequest *request)
{
	if (header->server_start > request->ledger_start &&
		header->closing <= request->ledger_lsn)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the target is ahead of this server"),
				 errdetail("Transaction " UINT64_FORMAT " closed at %X/%X after the server was started at %s, but the target already has everything up to %X/%X of an earlier start.",
						   header->xid, LSN_FORMAT_ARGS(header->closing),
						   pstrdup(timestamptz_to_str(header->server_start)),
						   LSN_FORMAT_ARGS(request->ledger_lsn)),
				 errhint("This server was put back to an older state. Copy the tables anew with dbsync.copy_table().")));
}

/* Has the target had it already, or does it not want what others made? */
static bool
is_passed_over(const DbsyncHeader *header, const DbsyncCutRequest *request)
{
	return header->route != NULL &&
		(request->local_only ||
		 dbsync_route_has_any(header->route, request->target_identities));
}

DbsyncCut *
dbsync_window_next(DbsyncWindow *window, const DbsyncCutRequest *request)
{
	DbsyncCut  *cut;
	MemoryContext scratch;
	DbsyncHeaders headers;
	int			i;

	if (dbsync_window_is_empty(window))
		return NULL;
	dbsync_headers_open(&headers, window->nsegments, window->segments);

	/* headers may be many and large; none outlives its turn */
	scratch = AllocSetContextCreate(CurrentMemoryContext, "dbsync header",
									ALLOCSET_DEFAULT_SIZES);

	cut = palloc0(sizeof(DbsyncCut));
	cut->members = window->members;
	dbsync_members_reset(cut->members, Min(window->n - window->next, MAX_CUT));
	for (i = window->next; i < window->n && cut->ntransactions < MAX_CUT; i++)
	{
		const Entry *entry = &window->entries[i];
		MemoryContext old = MemoryContextSwitchTo(scratch);
		DbsyncHeader header;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(scratch);
		dbsync_headers_fetch(&headers, entry->segment, entry->tid, entry->xid, &header);
		MemoryContextSwitchTo(old);
		check_not_rolled_back(&header, request);
		if (!is_passed_over(&header, request))
		{
			int64		before = cut->rows;

			if (before > 0 && (before >= request->max_rows ||
							   !dbsync_route_same(cut->route, header.route)))
				break;
			if (!dbsync_cut_goes_on(cut, &header, request))
				break;
			if (dbsync_cut_add(cut, &header, i - window->next, request))
				dbsync_members_add(cut->members, entry->xid, i - window->next);
			if (cut->rows > before || cut->turns > 0)
				cut->route = header.route ? pstrdup(header.route) : NULL;
		}
		cut->closing = entry->closing;
		cut->closing_xid = entry->xid;
		if (cut->ntransactions < DBSYNC_CUT_KNOWN)
			cut->xids[cut->ntransactions] = entry->xid;
		cut->ntransactions++;
		cut->lag_rows += header.rows;
		cut->lag_bytes += header.bytes;
	}
	MemoryContextDelete(scratch);
	dbsync_headers_close(&headers);
	cut->exhausts = (i == window->n && !window->more);

	dbsync_cut_finish(cut);
	return cut;
}

void
dbsync_window_pass(DbsyncWindow *window, const DbsyncCut *cut)
{
	window->next += cut->ntransactions;
	window->floor = cut->closing;
	window->floor_xid = cut->closing_xid;
	window->lag.transactions = Max(0, window->lag.transactions - cut->ntransactions);
	window->lag.rows = Max(0, window->lag.rows - cut->lag_rows);
	window->lag.bytes = Max(0, window->lag.bytes - cut->lag_bytes);
	if (cut->exhausts)
		memset(&window->lag, 0, sizeof(window->lag));
}
