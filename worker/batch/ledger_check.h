/*-------------------------------------------------------------------------
 *
 * worker/batch/ledger_check.h
 *	  May what a ledger says be believed?
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_LEDGER_CHECK_H
#define DBSYNC_WORKER_BATCH_LEDGER_CHECK_H

#include "worker/driver/driver.h"
#include "worker/position.h"
#include "worker/work.h"

/*
 * The checksums that go with a subscription's and a table's row.  Whoever has set
 * the other fields calls this last; name and batch number do not count.
 */
extern int64 dbsync_ledger_checksum(const DbsyncLedger *ledger);
extern int64 dbsync_ledger_part_checksum(const DbsyncLedgerPart *part);

/*
 * Take the row in work->ledger, as read from the target, apart into *position
 * (palloc'd).  Raises ERRCODE_DATA_CORRUPTED, with the column and what to do, where
 * a column is null that must not be, no snapshot, out of range, or contradicts
 * another.  Says nothing of whether the source has been there.
 */
extern void dbsync_ledger_check_row(DbsyncWork *work, DbsyncPosition *position);

/* Raises an error where the position lies beyond the next id of this server. */
extern void dbsync_ledger_check_ids(DbsyncWork *work, const DbsyncPosition *position);

/*
 * The last check of a subscription's row: raises ERRCODE_DATA_CORRUPTED if its
 * checksum does not fit, so that somebody must have edited it.
 */
extern void dbsync_ledger_check_untouched(DbsyncWork *work);

/*
 * The same, all of it, for the rows of the subscription's tables, before anything of
 * them is used.  Rows of attachments that are not ours, or not any more, do not
 * matter.
 */
extern void dbsync_ledger_check_parts(DbsyncWork *work, List *parts);

/* Put the rows (DbsyncLedgerPart) in the order in which they are looked for, here and above. */
extern void dbsync_ledger_sort_parts(List *parts);

/* Which of them is the (first) row of an attachment; -1: there is none. */
extern int	dbsync_ledger_find_part(const List *parts, const pg_uuid_t *attachment);

#endif							/* DBSYNC_WORKER_BATCH_LEDGER_CHECK_H */
