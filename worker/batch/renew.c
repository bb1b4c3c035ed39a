/*-------------------------------------------------------------------------
 *
 * worker/batch/renew.c
 *	  A subscription whose tables are all copied anew takes another position.
 *
 * Its backlog had become too large, and was given up (worker/upkeep/backlog.h): there is no table
 * that goes on from the position in the ledger, and headers behind it may have been emptied.  So the
 * ledger is moved to where the source is now, in a batch of its own that has nothing else.
 *
 * The lock keeps those out who empty segments, until they can see what is kept from now on.  What a
 * crash leaves behind:
 *
 *	before the target's COMMIT		nothing
 *	before the source's				the ledger is further on; it is moved once more
 *
 * The target has it on its disk before the source notes it: a ledger that came to be behind what is noted
 * would be one of a target that was put back, and be refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "extension/catalog.h"
#include "extension/route.h"
#include "worker/batch/ledger_check.h"
#include "worker/batch/renew.h"
#include "worker/batch/wal.h"
#include "worker/identity.h"
#include "worker/query.h"
#include "worker/snapshot.h"
#include "worker/subscription.h"
#include "worker/target.h"
#include "worker/uncopied.h"

#include "extension/compat.h"

/*
 * What the target has last, now that it is taken to have all: by it a source is known that was put back.  As
 * long as nothing is captured that is what it was.
 */
static void
find_last(DbsyncPosition *position)
{
	const char *after = dbsync_snapshot_text(position->after);

	SPI_connect();
	if (dbsync_query("SELECT (h.closing - '0/0'::pg_catalog.pg_lsn)::pg_catalog.int8, h.xid::pg_catalog.text::pg_catalog.int8"
					 " FROM dbsync_internal.last_header($1::pg_catalog.pg_snapshot) h WHERE h.closing IS NOT NULL", 1, &after) == 1)
	{
		position->closing = (XLogRecPtr) dbsync_query_int(0, 1);
		position->closing_xid = (uint64) dbsync_query_int(0, 2);
	}
	SPI_finish();
}

static void
move_ledger(DbsyncWork *work, const DbsyncPosition *position)
{
	DbsyncLedger *ledger = &work->ledger;

	ledger->subscription_name = work->subscription->name;
	ledger->timeline = dbsync_timeline_compat();
	ledger->lsn = dbsync_wal_end();
	ledger->server_start = PgStartTime;
	ledger->batch++;
	ledger->after = dbsync_snapshot_text(position->after);
	ledger->upto = NULL;
	ledger->closing = position->closing;
	ledger->closing_xid = position->closing_xid;
	ledger->checksum = dbsync_ledger_checksum(ledger);
	dbsync_wal_flush(ledger->lsn);
	dbsync_target_begin(work->target, ledger, dbsync_route_extend(NULL, dbsync_identity_own()), 0, 0);
	dbsync_target_commit(work->target);
	dbsync_target_confirm(work->target, &work->subscription->uid);
}

void
dbsync_renew_position(DbsyncWork *work, DbsyncPosition *position)
{
	DbsyncSubscription *subscription = work->subscription;
	MemoryContext old = CurrentMemoryContext;

	dbsync_query_begin(false, "taking another position");
	LockRelationOid(dbsync_catalog_relation("segment"), DBSYNC_SEGMENTS_LOCK);
	PushActiveSnapshot(GetLatestSnapshot());
	MemoryContextSwitchTo(work->target_context);
	/* tables that were added meanwhile may begin without a copy */
	position->after = dbsync_uncopied_earliest(work->subscription_id);
	if (position->after == NULL)
		position->after = dbsync_snapshot_from(GetActiveSnapshot());
	position->upto = NULL;
	find_last(position);
	PopActiveSnapshot();
	move_ledger(work, position);
	MemoryContextSwitchTo(old);
	dbsync_subscription_begin_anew(subscription, work->ledger.after);
	dbsync_subscription_reread_discarded(subscription);
	dbsync_query_commit();
	subscription->position = MemoryContextStrdup(subscription->context, work->ledger.after);
	subscription->begins_anew = false;
	ereport(LOG,
			(errmsg("subscription \"%s\" begins anew from where this server is", subscription->name),
			 errdetail("What was kept for it was given up, and all of its tables are copied anew.")));
}
