/*-------------------------------------------------------------------------
 *
 * worker/subscription_segments.c
 *	  The segments of a subscription's tables, and the shapes of what is in them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "worker/query.h"
#include "worker/shape.h"
#include "worker/subscription.h"
#include "worker/subscription_segments.h"
#include "worker/table.h"

static void
find_shape(DbsyncSubscription *subscription, DbsyncSegmentInfo *segment, int shape_id)
{
	DbsyncTable *table = dbsync_subscription_table(subscription, segment->captured_id);

	if (table == NULL)
		return;
	segment->shape = dbsync_shapes_find(subscription->shapes, shape_id);
	if (segment->shape == NULL)
		elog(ERROR, "shape %d of table %s has gone", shape_id, table->qualified);
}

static void
read_segments(DbsyncSubscription *subscription, const char *id)
{
	uint64		n;
	MemoryContext old;
	DbsyncSegmentInfo *segment;

	n = dbsync_query("SELECT s.id, s.captured_id, s.relid, s.active, s.shape_id FROM dbsync.segment s"
					 " WHERE s.captured_id = 0 OR s.captured_id IN"
					 " (SELECT st.captured_id FROM dbsync.subscription_table st"
					 "  WHERE st.subscription_id = $1::pg_catalog.int4)"
					 " ORDER BY s.id", 1, &id);
	old = MemoryContextSwitchTo(subscription->segments_context);
	segment = palloc0(sizeof(DbsyncSegmentInfo) * Max(n, 1));
	for (uint64 row = 0; row < n; row++, segment++)
	{
		subscription->segments = lappend(subscription->segments, segment);
		segment->id = dbsync_query_int4(row, 1);
		segment->captured_id = dbsync_query_int4(row, 2);
		segment->relid = dbsync_query_oid(row, 3);
		segment->active = dbsync_query_bool(row, 4);
		find_shape(subscription, segment, dbsync_query_int4(row, 5));
	}
	MemoryContextSwitchTo(old);
}

/* What is being written now is of the table's present shape; of a dropped one, its last. */
void
dbsync_subscription_take_shapes(DbsyncSubscription *subscription)
{
	ListCell   *lc;

	foreach(lc, subscription->tables)
		((DbsyncTable *) lfirst(lc))->shape = &dbsync_shape_none;
	foreach(lc, subscription->segments)
	{
		DbsyncSegmentInfo *segment = lfirst(lc);
		DbsyncTable *table = dbsync_subscription_table(subscription, segment->captured_id);

		if (table != NULL && (segment->active || table->dropped != 0))
			table->shape = segment->shape;
	}
	if (!subscription->any_scanned && !subscription->any_snapshot)
		return;
	/* one that nobody captures has no segment; and its last shape is what it looks like */
	foreach(lc, subscription->shapes)
	{
		const DbsyncTableShape *shape = lfirst(lc);
		DbsyncTable *table = dbsync_subscription_table(subscription, shape->captured_id);

		if (table != NULL && (table->scan != NULL ? table->shape == &dbsync_shape_none : table->snapshot != NULL))
			table->shape = shape;
	}
}

void
dbsync_subscription_read_segments(DbsyncSubscription *subscription, const DbsyncSubscription *old, const char *id)
{
	if (!subscription->tables_changed && old->segments_generation == subscription->segments_generation)
	{
		subscription->segments_context = old->segments_context;
		subscription->segments = old->segments;
		subscription->shapes = old->shapes;
		return;
	}
	subscription->segments_context = AllocSetContextCreate(subscription->context, "dbsync segments",
														   ALLOCSET_DEFAULT_SIZES);
	subscription->shapes = dbsync_shapes_read(subscription->segments_context, subscription->id,
											  old ? old->shapes : NIL);
	read_segments(subscription, id);
}
