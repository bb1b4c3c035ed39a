/*-------------------------------------------------------------------------
 *
 * worker/batch/repair.h
 *	  Rows that a verify process has found to differ are sent anew.
 *
 * What was compared is never what is written: the process hands over keys, and a batch that has caught up looks them up as of
 * its own S.  A row that is there is merged, whole; of one that is not the key is deleted.  So it does not matter
 * what has been changed in between.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_REPAIR_H
#define DBSYNC_WORKER_BATCH_REPAIR_H

#include "worker/batch/choose.h"

/* Has the source so little, of a target with so many rows, that these are not to be taken along unless somebody says so? */
static inline bool
dbsync_repair_is_too_little(int64 rows_here, int64 rows_there)
{
	return rows_here < rows_there / 2 + rows_there % 2;
}

/* Before S is taken: lock the table.  False: that cannot be had now. */
extern bool dbsync_repair_begin(DbsyncBatch *batch, DbsyncTable *table);

/* In the batch, its tables open: the next keys, or none are left. */
extern void dbsync_repair_send(DbsyncBatch *batch);

/* Behind the batches: forget keys whose rows are there, and tell the process. */
extern void dbsync_repair_note(DbsyncBatch *batch);

/* After an error in the middle of it, which is not met once more in another way: the process is told. */
extern void dbsync_repair_failed(DbsyncWork *work, const ErrorData *edata);

#endif							/* DBSYNC_WORKER_BATCH_REPAIR_H */
