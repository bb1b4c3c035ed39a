/*-------------------------------------------------------------------------
 *
 * worker/batch/emptied.h
 *	  Tables and partitions that a cut has emptied.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_BATCH_EMPTIED_H
#define DBSYNC_WORKER_BATCH_EMPTIED_H

#include "worker/batch/choose.h"
#include "worker/source/source.h"

/*
 * Those of these tables of the cut (DbsyncCutTable) that were truncated are emptied together, in
 * their order if it must be one by one; of their rows only those behind the last TRUNCATE are to
 * be read: places, one for each of the list, are set to it.
 */
extern void dbsync_emptied_truncate(DbsyncBatch *batch, List *cut_tables, int64 *places);

/*
 * Rows from this place on up to where the last partition went, each going among them.  Returns that
 * place, behind which the rest is.
 */
extern int64 dbsync_emptied_send_parts(DbsyncBatch *batch, DbsyncCutTable *cut_table, int64 place);

#endif							/* DBSYNC_WORKER_BATCH_EMPTIED_H */
