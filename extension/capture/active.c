/*-------------------------------------------------------------------------
 *
 * extension/capture/active.c
 *	  Which segment of a table is active, and the lock on it.
 *
 * The writer's side of rotation: lock the segment believed to be active, then
 * look whether it still is, else start again; the lock stays to the end of the
 * transaction.  Whoever empties a segment makes it inactive first, and waits for
 * its writers afterwards; so either he waits for us, or we have heard of him,
 * because taking a lock reads the invalidations sent before it was free.  A lock
 * that we have is not taken again; that we have it is forgotten with the savepoint
 * in which it was taken, since ROLLBACK TO lets go of it.  The header segment is
 * locked together with it and not first inside COMMIT, where no timeout would
 * reach.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "extension/capture/active.h"
#include "extension/capture/cache.h"
#include "extension/capture/transaction.h"
#include "extension/log/header.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/relcache.h"

static void
lock_header(void)
{
	DbsyncHeaderLock *lock = &dbsync_transaction.header_lock;

	if (lock->held)
		return;
	dbsync_header_lock();
	dbsync_transaction_save(lock);
	lock->held = true;
}

/* What is believed to be the active segment; false if the table is not captured any more. */
static bool
find_active(DbsyncActive *active)
{
	DbsyncEntry *entry = dbsync_cache_find(active->rel);

	if (entry->mode != DBSYNC_MODE_CAPTURE)
		return false;
	active->entry = entry;
	active->written = dbsync_transaction_written(dbsync_cache_touch(entry),
												entry->captured.id,
												entry->segment_id, entry->segment,
												entry->shape_id);
	return true;
}

/* Lock the active segment.  What was believed before the lock is looked at again after it. */
static bool
lock_active(DbsyncActive *active)
{
	Oid			locked = InvalidOid;

	while (find_active(active))
	{
		if (active->entry->segment == locked || active->written->locked)
			return true;
		CHECK_FOR_INTERRUPTS();
		lock_header();
		LockRelationOid(active->entry->segment, RowExclusiveLock);
		locked = active->entry->segment;
	}
	return false;
}

bool
dbsync_active_open(DbsyncActive *active)
{
	DbsyncEntry *entry;

	if (!lock_active(active))
		return false;
	entry = active->entry;
	if (entry->segment_checked)
		active->segment = RelationIdGetRelation(entry->segment);
	if (active->segment == NULL)
	{
		active->segment = table_open(entry->segment, NoLock);
		dbsync_cache_check_segment(entry, active->segment);
	}
	dbsync_transaction_save(active->written);
	active->written->locked = true;
	active->cid = GetCurrentCommandId(true);
	return true;
}

bool
dbsync_active_prepare(DbsyncActive *active)
{
	DbsyncEntry *entry;

	if (!find_active(active))
		return false;
	if (!dbsync_transaction.header_lock.held)
	{
		/* waiting may have brought news */
		lock_header();
		if (!find_active(active))
			return false;
	}
	entry = active->entry;
	if (!entry->segment_checked)
	{
		Relation	segment = table_open(entry->segment, AccessShareLock);

		dbsync_cache_check_segment(entry, segment);
		table_close(segment, AccessShareLock);
	}
	return true;
}
