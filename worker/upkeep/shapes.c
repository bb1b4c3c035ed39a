/*-------------------------------------------------------------------------
 *
 * worker/upkeep/shapes.c
 *	  Shapes that tables have no more: closed, and dropped with their segments.
 *
 * Segments of a shape are not written to any more when the table has another one: whoever
 * wrote to the table has ended before it changed.  They are not used again, but headers name
 * them: of rows that they take along too, which a segment's seal knows nothing of.  So a
 * shape is dropped by a snapshot that is taken when the turn to the next one is visible.
 * All transactions that wrote rows of the shape are visible in it, and so is the turn.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

#include "worker/query.h"
#include "worker/snapshot.h"
#include "worker/upkeep/segments.h"
#include "worker/upkeep/shapes.h"
#include "worker/work.h"

/* One that its table does not have any more has a younger one in its place. */
static List *
old_shapes(void)
{
	return dbsync_segments_read_closed("SELECT h.id, h.captured_id, NULL::pg_catalog.oid, h.closed FROM dbsync.shape h"
									   " WHERE EXISTS (SELECT FROM dbsync.segment s"
									   "  WHERE s.captured_id = h.captured_id AND s.active AND s.shape_id > h.id)"
									   " ORDER BY h.id");
}

/* Lock the shape's table as it is closed; false: later. */
static bool
close_shape(DbsyncClosed *shape, DbsyncSnapshot *snapshot)
{
	const char *args[2];

	if (!dbsync_segments_lock_captured(shape->captured_id))
		return false;
	args[0] = dbsync_snapshot_text(snapshot);
	args[1] = psprintf("%d", shape->id);
	dbsync_query_run("UPDATE dbsync.shape SET closed = $1::pg_catalog.pg_snapshot"
					 " WHERE id = $2::pg_catalog.int4", 2, args);
	shape->sealed = snapshot;
	return true;
}

List *
dbsync_shapes_close(DbsyncWork *work)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *closed = NIL;
	List	   *old;
	DbsyncSnapshot *snapshot;
	ListCell   *lc;

	dbsync_query_begin(false, "looking for old shapes");
	MemoryContextSwitchTo(caller);
	old = old_shapes();
	dbsync_query_commit();
	MemoryContextSwitchTo(caller);
	if (old == NIL)
		return NIL;
	/* until all of them are gone, by whomever */
	work->retention_needed = true;
	if (!dbsync_segments_begin_exclusively("closing old shapes"))
		return NIL;
	MemoryContextSwitchTo(caller);
	old = old_shapes();
	/* before anything is written: our own id must not be in it */
	PushActiveSnapshot(GetLatestSnapshot());
	snapshot = dbsync_snapshot_from(GetActiveSnapshot());
	PopActiveSnapshot();
	foreach(lc, old)
	{
		DbsyncClosed *shape = lfirst(lc);
		bool		known = shape->sealed != NULL || close_shape(shape, snapshot);

		MemoryContextSwitchTo(caller);
		if (known)
			closed = lappend(closed, shape);
	}
	dbsync_query_commit();
	MemoryContextSwitchTo(caller);
	return closed;
}

/* Lock all segments of a shape that are left, if nobody reads them. */
static bool
lock_segments(int shape_id)
{
	const char *id = psprintf("%d", shape_id);
	bool		locked = true;
	uint64		n;

	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	n = dbsync_query("SELECT s.relid FROM dbsync.segment s WHERE s.shape_id = $1::pg_catalog.int4", 1, &id);
	for (uint64 row = 0; row < n && locked; row++)
		locked = ConditionalLockRelationOid(dbsync_query_oid(row, 1), AccessExclusiveLock);
	PopActiveSnapshot();
	SPI_finish();
	return locked;
}

static void
drop_shape(const DbsyncClosed *shape)
{
	const char *id = psprintf("%d", shape->id);

	dbsync_query_run("SELECT dbsync_internal.drop_shape($1::pg_catalog.int4)", 1, &id);
	dbsync_segments_note_discarded(shape);
}

void
dbsync_shapes_drop(List *closed)
{
	MemoryContext caller = CurrentMemoryContext;
	ListCell   *lc;

	foreach(lc, closed)
	{
		DbsyncClosed *shape = lfirst(lc);

		if (!dbsync_segments_begin_exclusively("dropping old shapes"))
			return;
		MemoryContextSwitchTo(caller);
		if (dbsync_segments_passed_by_all(shape) &&
			dbsync_segments_lock_captured(shape->captured_id) &&
			lock_segments(shape->id))
			drop_shape(shape);
		dbsync_query_commit();
		MemoryContextSwitchTo(caller);
	}
}
