/*-------------------------------------------------------------------------
 *
 * worker/labels.h
 *	  Labels of enums that were called otherwise before (dbsync.former_label).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_LABELS_H
#define DBSYNC_WORKER_LABELS_H

#include "nodes/pg_list.h"
#include "utils/palloc.h"

/* All of them, a list of DbsyncLabel in the context; within SPI, on the active snapshot. */
extern List *dbsync_labels_read(MemoryContext context);

/* Do two such lists say the same? */
extern bool dbsync_labels_same(const List *a, const List *b);

#endif							/* DBSYNC_WORKER_LABELS_H */
