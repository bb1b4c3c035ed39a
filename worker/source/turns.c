/*-------------------------------------------------------------------------
 *
 * worker/source/turns.c
 *	  What happened to a captured table among its rows: see dbsync.turn.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/memutils.h"

#include "worker/query.h"
#include "worker/source/members.h"
#include "worker/source/source.h"

/* columns of the query below */
enum
{
	TURN_KIND = 1,
	TURN_REASON,
	MISSING_NUMBER,
	MISSING_VALUE
};

static const char *const turns_sql =
"SELECT t.kind, t.reason, m.key::pg_catalog.int4, m.value"
" FROM dbsync.turn t LEFT JOIN LATERAL pg_catalog.jsonb_each_text(t.missing) m ON true"
" WHERE t.captured_id = $1::pg_catalog.int4 AND t.xid = $2::pg_catalog.xid8"
" AND t.shape_id > $3::pg_catalog.int4 AND t.shape_id <= $4::pg_catalog.int4"
" AND t.kind IN ('shape', 'recopy')"
" ORDER BY t.no";

/* columns of the query below */
enum
{
	GONE_TABLE = 1,
	GONE_SHAPE,
	GONE_NO,
	GONE_LEFT,
	GONE_BOUND
};

static const char *const gone_sql =
"SELECT t.captured_id, t.shape_id, t.no, t.kind = 'left', t.bound"
" FROM dbsync.turn t WHERE t.xid = $1::pg_catalog.xid8 AND t.kind IN ('emptied', 'left')"
" ORDER BY t.captured_id, t.no";

DbsyncTurn *
dbsync_turns_read(const DbsyncCut *cut, int captured_id, int before, int upto)
{
	DbsyncTurn *turn = palloc0(sizeof(DbsyncTurn));
	MemoryContext context = CurrentMemoryContext;
	const char *args[4];
	uint64		n;

	args[0] = psprintf("%d", captured_id);
	args[1] = psprintf(UINT64_FORMAT, cut->turn_xid);
	args[2] = psprintf("%d", before);
	args[3] = psprintf("%d", upto);
	n = dbsync_query(turns_sql, 4, args);
	MemoryContextSwitchTo(context);
	for (uint64 row = 0; row < n; row++)
	{
		const char *kind = dbsync_query_text(row, TURN_KIND);
		const char *value = dbsync_query_text(row, MISSING_VALUE);

		turn->copies |= strcmp(kind, "recopy") == 0;
		if (dbsync_query_text(row, TURN_REASON) != NULL)
			turn->reason = pstrdup(dbsync_query_text(row, TURN_REASON));
		if (value != NULL)
		{
			DbsyncMissing *missing = palloc(sizeof(DbsyncMissing));

			missing->number = (AttrNumber) dbsync_query_int(row, MISSING_NUMBER);
			missing->value = pstrdup(value);
			turn->missing = lappend(turn->missing, missing);
		}
	}
	return turn;
}

static DbsyncCutTable *
find_table(const DbsyncCut *cut, int captured_id, int shape_id)
{
	ListCell   *lc;

	foreach(lc, cut->tables)
	{
		DbsyncCutTable *table = lfirst(lc);

		if (table->captured_id == captured_id && table->shape_id == shape_id)
			return table;
	}
	return NULL;
}

void
dbsync_turns_find_gone(DbsyncCut *cut)
{
	MemoryContext context = CurrentMemoryContext;
	const char *xid = psprintf(UINT64_FORMAT, cut->turn_xid);
	uint64		n;

	SPI_connect();
	n = dbsync_query(gone_sql, 1, &xid);
	for (uint64 row = 0; row < n; row++)
	{
		DbsyncCutTable *table = find_table(cut, (int) dbsync_query_int(row, GONE_TABLE),
										   (int) dbsync_query_int(row, GONE_SHAPE));
		const char *bound = dbsync_query_text(row, GONE_BOUND);
		MemoryContext old;
		DbsyncGone *gone;

		if (table == NULL)
			continue;
		old = MemoryContextSwitchTo(context);
		gone = palloc(sizeof(DbsyncGone));
		gone->place = dbsync_members_place(cut->turn_rank, dbsync_query_int(row, GONE_NO));
		gone->left = dbsync_query_bool(row, GONE_LEFT);
		gone->bound = bound != NULL ? pstrdup(bound) : NULL;
		table->gone = lappend(table->gone, gone);
		table->turns--;
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
}
