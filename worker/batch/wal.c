/*-------------------------------------------------------------------------
 *
 * worker/batch/wal.c
 *	  How much of the source's WAL must be on disk before the target commits.
 *
 * The source may crash and come back without the end of its WAL.  It must then
 * still have every transaction that the target has; and no id that the target's
 * position calls finished may be handed out again, or the transaction that gets it
 * would be passed over.  All WAL up to a point behind the snapshot is enough for
 * both, but somebody else's transaction that is under way has written some of it,
 * and flushing that takes as long as a commit.
 *
 * What clients committed with synchronous_commit on is on disk before anybody sees
 * it.  So mostly there is nothing to flush: if all transactions of the cut are known
 * to be on disk, and so is the newest that the snapshot calls finished, whose
 * record raises the next id above all older ones when it is replayed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/timeout.h"

#include "extension/settings.h"
#include "worker/batch/wal.h"
#include "worker/snapshot.h"
#include "worker/source/source.h"

#include "extension/compat.h"

static bool
standbys_are_synchronous(void)
{
	return SyncRepRequested() && SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0';
}

/* A wait that was cancelled ends like one that was fulfilled: look. */
static bool
standbys_have(XLogRecPtr lsn)
{
	bool		have;

	if (!SyncRepRequested())
		return true;
	LWLockAcquire(SyncRepLock, LW_SHARED);
	have = !standbys_are_synchronous() || WalSndCtl->lsn[SYNC_REP_WAIT_FLUSH] >= lsn;
	LWLockRelease(SyncRepLock);
	return have;
}

XLogRecPtr
dbsync_wal_end(void)
{
	XLogRecPtr	lsn = GetXLogInsertRecPtr();

	/*
	 * At a page boundary the insert position lies behind the header of a page
	 * that does not exist yet; asking to flush that far is an error.
	 */
	if (XLogSegmentOffset(lsn, wal_segment_size) == SizeOfXLogLongPHD)
		lsn -= SizeOfXLogLongPHD;
	else if (lsn % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		lsn -= SizeOfXLogShortPHD;
	return lsn;
}

/*
 * Has it committed, and is that on disk?  False when that is not known: of old
 * transactions the end is not kept, and that of an asynchronous one is only roughly.
 */
static bool
is_durable(uint64 xid, uint64 next_xid, XLogRecPtr flushed)
{
	TransactionId id = XidFromFullTransactionId(FullTransactionIdFromU64(xid));
	bool		durable;

	if (xid >= next_xid || next_xid - xid > PG_INT32_MAX || !TransactionIdIsNormal(id))
		return false;
	LWLockAcquire(XactTruncationLock, LW_SHARED);
	durable = !TransactionIdPrecedes(id, dbsync_oldest_clog_xid_compat()) &&
		TransactionIdDidCommit(id) && TransactionIdGetCommitLSN(id) <= flushed;
	LWLockRelease(XactTruncationLock);
	return durable;
}

/*
 * What is flushed ends with a whole record or with a page.  Only the former will do: in
 * the middle of a record the next start would go on before it, and what is captured
 * then seem to be of a server that was put back.
 */
XLogRecPtr
dbsync_wal_needed(const DbsyncCut *cut, const DbsyncSnapshot *now)
{
	XLogRecPtr	end = dbsync_wal_end();
	XLogRecPtr	flushed = GetFlushRecPtr(NULL);

	if (end <= flushed || flushed % XLOG_BLCKSZ == 0 || standbys_are_synchronous() ||
		cut->ntransactions > DBSYNC_CUT_KNOWN ||
		!is_durable(now->xmax - 1, now->xmax, flushed))
		return end;
	for (int i = 0; i < cut->ntransactions; i++)
	{
		if (!is_durable(cut->xids[i], now->xmax, flushed))
			return end;
	}
	return flushed;
}

bool
dbsync_wal_is_flushed(XLogRecPtr lsn)
{
	return GetFlushRecPtr(NULL) >= lsn;
}

/* of the wait for standbys, during which a transaction is open at the target */
static TimeoutId timeout = MAX_TIMEOUTS;

/* As if somebody had cancelled it; called from a signal handler. */
static void
break_off(void)
{
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

static void
begin_timeout(void)
{
	if (dbsync_target_timeout == 0 || !standbys_are_synchronous())
		return;
	if (timeout == MAX_TIMEOUTS)
		timeout = RegisterTimeout(USER_TIMEOUT, break_off);
	enable_timeout_after(timeout, dbsync_target_timeout);
}

/* Is the time over?  Then nobody else has to hear of it. */
static bool
end_timeout(void)
{
	bool		late;

	if (timeout == MAX_TIMEOUTS)
		return false;
	late = get_timeout_indicator(timeout, true);
	disable_timeout(timeout, false);
	return late;
}

void
dbsync_wal_flush(XLogRecPtr lsn)
{
	bool		late;

	XLogFlush(lsn);

	/*
	 * A synchronous standby must have it too: it may be the source tomorrow, and
	 * would then be behind the target without having lost anything by the rules
	 * its owner chose.
	 */
	begin_timeout();
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(lsn, false);
	RESUME_INTERRUPTS();
	late = end_timeout();
	/* it was over as the standby had it: nobody has cancelled anything */
	if (late && standbys_have(lsn))
		QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
	if (standbys_have(lsn))
		return;
	if (late)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("no synchronous standby has confirmed what is to be sent for %d s", dbsync_target_timeout / 1000),
				 errdetail("The target must not get what the standby does not have, and does not wait for it for ever."),
				 errhint("pg_stat_replication shows the standbys. dbsync.target_timeout sets how long is too long.")));
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("the wait for a synchronous standby was broken off"),
			 errdetail("The target must not get what the standby does not have.")));
}
