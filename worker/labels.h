/*-------------------------------------------------------------------------
 *
 * worker/labels.h
 *	  Labels of the source's enums, and what they were called before (dbsync.former_label).
 *
 *-------------------------------------------------------------------------
 */
#ifndef DBSYNC_WORKER_LABELS_H
#define DBSYNC_WORKER_LABELS_H

#include "nodes/pg_list.h"
#include "utils/palloc.h"

#include "worker/driver/driver.h"

/*
 * Which labels have got other names, as one text in the context, never NULL: it is another one when
 * one is renamed, and good for nothing else.  Within SPI.
 */
extern const char *dbsync_labels_renamed(MemoryContext context);

/*
 * The enums that values of the spec's columns are made of, a list of DbsyncEnum in the current
 * context, within a transaction.  The names of a label, those of today and before, are of one moment:
 * a name that is newer than what is known of its past would be taken for a label that is new.
 */
extern List *dbsync_labels_of(const DbsyncTableSpec *spec);

#endif							/* DBSYNC_WORKER_LABELS_H */
