/*-------------------------------------------------------------------------
 *
 * worker/copy/left.h
 *	  How many rows the source has left.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_COPY_LEFT_H
#define DBSYNC_WORKER_COPY_LEFT_H

#include "worker/table.h"
#include "worker/work.h"

/* Rows of the table as of S, as they would be sent; counted no further than "enough".  It must be locked. */
extern int64 dbsync_left_count(const DbsyncWork *work, DbsyncTable *table, int64 enough);

#endif							/* DBSYNC_WORKER_COPY_LEFT_H */
